/// The process outside: owns the cgroups and keeps one worker running.
#pragma once
#include "plan.h"

/// The descriptors the launcher was started with.
struct descriptors {
    int control;
    int plan;
    int filters;
};

/// Runs until the server closes its end of the control socket. The launcher's exit status; nothing is left then.
int supervise(const struct plan *plan, struct descriptors descriptors);
