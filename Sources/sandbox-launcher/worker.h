/// PID 1 of the launcher's own namespaces: makes and destroys sandboxes.
#pragma once
#include "cgroup.h"
#include "plan.h"
#include "supervisor.h"

/// How a worker ended by itself; any other end is a crash and it is replaced.
enum worker_exit {
    /// The server closed its end.
    WORKER_DONE = 0,
    /// It cannot start, and has told the server why.
    WORKER_CANNOT_START = 64,
};

/// Runs the worker. `lifeline` is a socket whose other end the supervisor alone holds; `isFirst` is false for the
/// replacement of a dead one.
_Noreturn void worker_run(
    const struct plan *plan, const struct cgroups *cgroups, struct descriptors descriptors, int lifeline, bool isFirst
);
