/// What the server and the launcher say to each other, and the launcher and a zygote.
///
/// Both sockets are AF_UNIX SOCK_SEQPACKET: one message is one struct, descriptors ride along with SCM_RIGHTS. The
/// structs never leave the machine, so they are in native byte order. docs/PROTOCOL.md describes them in prose.
#pragma once
#include <stdint.h>

/// Raised with every incompatible change; the launcher states it in CI_EVENT_LAUNCHER_READY.
#define CI_PROTOCOL_VERSION 2

/// Most zygotes one plan may name.
#define CI_MAX_ZYGOTES 8
/// Most cgroup hierarchies (v1: one for each controller; v2: one).
#define CI_MAX_CGROUPS 8
/// Most statistics files the launcher opens for one sandbox.
#define CI_MAX_STATISTICS 8
/// Most descriptors in one message: workspace, channel, and the statistics.
#define CI_MAX_DESCRIPTORS (2 + CI_MAX_STATISTICS)

/// Server → launcher.
enum ci_request_kind : uint32_t {
    /// Make sandbox `sandbox` with the zygote of index `argument`. Answer: CREATED or FAILED; none where DESTROY
    /// overtakes it.
    CI_REQUEST_CREATE = 1,
    /// Kill everything in the sandbox and remove what it had. Answer: DESTROYED, also for an unknown sandbox.
    CI_REQUEST_DESTROY = 2,
    /// Send signal `argument` to the process group of process `sandbox`, a sandbox's main process or one that entered
    /// it. No answer.
    CI_REQUEST_SIGNAL = 3,
    /// Fork one more process into the standing sandbox `sandbox`, with the zygote that made its main process;
    /// `argument` is the new process's number. Answer: ENTERED or NOT_ENTERED; none where DESTROY overtakes it.
    CI_REQUEST_ENTER = 4,
    /// Stop every process of the sandbox where it stands (`argument` 1), or let them run again (0). No answer: what is
    /// asked for afterwards finds it done. A sandbox without a freezer is left as it is.
    CI_REQUEST_FREEZE = 5,
};

/// One request of the server.
struct ci_request {
    uint32_t kind;
    /// Chosen by the server, never 0, never used twice in a server's life, below 2^31. The main process of a sandbox has
    /// the sandbox's number; processes that enter it have numbers of their own out of the same row.
    uint32_t sandbox;
    int32_t argument;
};

/// Launcher → server.
enum ci_event_kind : uint32_t {
    /// The launcher (re)started: every sandbox of before is dead. `value` = CI_PROTOCOL_VERSION.
    CI_EVENT_LAUNCHER_READY = 1,
    /// Zygote `value` serves.
    CI_EVENT_ZYGOTE_READY = 2,
    /// Zygote `value` died with wait status `error` and is being started again; its running children live on.
    CI_EVENT_ZYGOTE_LOST = 3,
    /// The sandbox stands and its main process was forked. Descriptors: workspace, channel, statistics in the plan's
    /// order.
    CI_EVENT_CREATED = 4,
    /// The sandbox could not be made: `section`, `step` (index in that section, from 0; -1 for none) and `error`
    /// (errno). Nothing is left of it. ESRCH with CI_SECTION_NONE: its zygote died on the way. EAGAIN with
    /// CI_SECTION_NONE: no slot is free.
    CI_EVENT_FAILED = 5,
    /// Process `sandbox` ended; `value` = wait status as of waitpid(2). Its sandbox still stands. Not sent after
    /// DESTROY.
    CI_EVENT_EXITED = 6,
    /// Nothing is left of the sandbox, nor of any process that entered it.
    CI_EVENT_DESTROYED = 7,
    /// The launcher itself cannot start: `section`, `step`, `error`. It exits after this.
    CI_EVENT_LAUNCHER_FAILED = 8,
    /// Process `sandbox` was forked into its sandbox. Descriptor: its channel.
    CI_EVENT_ENTERED = 9,
    /// Process `sandbox` could not be forked: `error` (errno). ESRCH: its zygote died on the way. ENOENT: its sandbox
    /// does not stand (any more).
    CI_EVENT_NOT_ENTERED = 10,
};

/// Where in the plan a step failed.
enum ci_section : uint32_t {
    CI_SECTION_NONE = 0,
    CI_SECTION_LAUNCHER = 1,
    CI_SECTION_ROOT = 2,
    CI_SECTION_LIMITS = 3,
    CI_SECTION_WORKSPACE = 4,
    CI_SECTION_INIT = 5,
    CI_SECTION_ENTRY = 6,
    CI_SECTION_STATISTICS = 7,
};

/// One event of the launcher.
struct ci_event {
    uint32_t kind;
    uint32_t sandbox;
    int32_t value;
    uint32_t section;
    int32_t step;
    int32_t error;
};

/// Launcher → zygote: fork a child that has this number. Descriptors: init's pidfd, the channel, then the cgroup.procs
/// files.
struct ci_fork_request {
    uint32_t process;
};

/// Zygote → launcher.
enum ci_fork_event_kind : uint32_t {
    /// Imports are done; nothing else is set.
    CI_FORK_READY = 1,
    /// `value` = the child's pid in the launcher's pid namespace; one descriptor: its pidfd.
    CI_FORK_STARTED = 2,
    /// `value` = the child's wait status.
    CI_FORK_EXITED = 3,
    /// `value` = errno of the failing setns(2) or fork(2).
    CI_FORK_FAILED = 4,
};

/// One event of a zygote.
struct ci_fork_event {
    uint32_t kind;
    uint32_t process;
    int32_t value;
};
