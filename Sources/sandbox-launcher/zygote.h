/// Zygotes: warm interpreters that fork the main process of each sandbox. A dead one is started again.
#pragma once
#include "state.h"

/// Starts every zygote of the plan.
void zygote_start_all(struct worker *worker);

/// `process` is in PROCESS_WAITING: asks the zygote of its sandbox for it now or as soon as that can.
void zygote_wants(struct worker *worker, struct process *process);

/// Reads what zygote `index` says.
void zygote_hear(struct worker *worker, int index);

/// A child of the worker ended. True where it was a zygote, which is then replaced.
bool zygote_reaped(struct worker *worker, pid_t process, int status);

/// Starts what is due and asks again where the kernel had no room. Milliseconds until the next look, -1 where nothing
/// is due.
int zygote_continue(struct worker *worker);
