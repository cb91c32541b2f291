/// The process of a zygote, from fork to exec.
#pragma once
#include "state.h"

/// Starts the program of `step` with `socket`, the plan and the filters as descriptors 3, 4 and 5. Its pid, or -1 and
/// errno.
pid_t zygote_spawn(const struct worker *worker, const struct plan_step *step, int socket);
