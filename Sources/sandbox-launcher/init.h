/// PID 1 of one sandbox: builds it from within, then reaps.
#pragma once
#include "plan.h"

/// What init needs of its sandbox. Descriptors are the worker's copies.
struct init_arguments {
    struct steps steps;
    /// Its end of the socket to the worker.
    int sync;
    /// The workspace's mount to be moved in.
    int workspace;
    /// The cgroups to join.
    int procs[CI_MAX_CGROUPS];
    int procs_count;
};

/// Init → worker.
enum init_message_kind : uint32_t {
    /// The user namespace of `step` exists; any one byte back says that its maps are written.
    INIT_NEEDS_MAPS = 1,
    /// The sandbox stands.
    INIT_READY = 2,
    /// `step` failed with `error`; init has ended.
    INIT_FAILED = 3,
};

struct init_message {
    uint32_t kind;
    int32_t step;
    int32_t error;
};

/// Runs init in the process that was cloned for it.
_Noreturn void init_run(struct init_arguments arguments);
