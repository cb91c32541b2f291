/// Everything the worker knows: its sandboxes, its zygotes, and what it still has to tell the server.
#pragma once
#include <sys/resource.h>

#include "cgroup.h"
#include "messages.h"
#include "plan.h"
#include "supervisor.h"
#include "workspace.h"

enum sandbox_state : uint32_t {
    SANDBOX_FREE = 0,
    /// Init is at work.
    SANDBOX_BUILDING,
    /// Built; its main process is not there yet.
    SANDBOX_STARTING,
    /// The server owns it.
    SANDBOX_STANDING,
    /// Init was killed and is not reaped yet.
    SANDBOX_DYING,
    /// Every process is gone, cgroups may be left.
    SANDBOX_REMOVING,
};

/// One sandbox. Its index in the table is its slot, which decides its ids. Descriptors are -1 when not open.
struct sandbox {
    enum sandbox_state state;
    uint32_t id;
    /// Which one forks its processes.
    int zygote;
    pid_t init;
    int init_pidfd;
    int sync;
    int workspace;
    int mount;
    /// For its main process.
    int procs[CI_MAX_CGROUPS];
    int statistics[CI_MAX_STATISTICS];
    /// What the server is told at the end; `failure.error` 0 where there is nothing to tell.
    struct failure failure;
    bool isDestroyRequested;
    /// While dying or removing: when to look again, and how often we did.
    int64_t retry_at;
    unsigned attempts;
};

enum process_state : uint32_t {
    PROCESS_FREE = 0,
    /// Its zygote does not serve yet or has enough to do.
    PROCESS_WAITING,
    /// The zygote was asked for it.
    PROCESS_FORKING,
    PROCESS_RUNNING,
};

/// A process that a zygote forks into a sandbox. Descriptors are -1 when not open.
struct process {
    enum process_state state;
    uint32_t id;
    /// Index of its sandbox.
    int slot;
    pid_t pid;
    int pidfd;
    int channel;
    int guest_channel;
    int procs[CI_MAX_CGROUPS];
};

struct zygote {
    const struct plan_step *step;
    /// 0 while it is not running.
    pid_t process;
    int socket;
    bool isServing;
    /// Forks it was asked for and has not answered.
    int outstanding;
    /// Processes that wait for it.
    int waiting;
    int64_t started_at;
    int64_t restart_at;
    /// When one that runs but closed its socket is killed.
    int64_t kill_at;
    unsigned quick_deaths;
};

/// One event on its way, with the descriptors it owns.
struct outgoing {
    struct ci_event event;
    int descriptors[CI_MAX_DESCRIPTORS];
    int count;
};

/// Events the socket had no room for, a ring.
struct outbox {
    struct outgoing *ring;
    unsigned capacity;
    unsigned first;
    unsigned count;
};

struct worker {
    const struct plan *plan;
    const struct cgroups *cgroups;
    struct descriptors descriptors;
    struct steps limits, workspace, statistics, init;
    /// Where old kernels may mount a workspace for a moment: the first `workspace` of `[init]`.
    const char *scratch;
    int epoll;
    int signals;
    int null;
    /// As we found it; ours is raised.
    struct rlimit file_limit;
    struct owner owner;
    uint32_t first_id;
    /// Rootless with a single id: every sandbox has it.
    bool isIdShared;
    int capacity;
    struct sandbox *sandboxes;
    /// User namespaces for the workspaces of each slot, -1 until needed.
    int *idmaps;
    /// No slot from here on was ever used.
    int used;
    /// Sandboxes in SANDBOX_DYING and SANDBOX_REMOVING.
    int ending;
    struct process *processes;
    int process_capacity;
    /// No entry from here on was ever used.
    int processes_used;
    struct zygote zygotes[CI_MAX_ZYGOTES];
    int zygote_count;
    struct outbox outbox;
};

/// What an epoll event is about: `source` in the upper half of its data, an index in the lower.
enum source : uint32_t { SOURCE_CONTROL = 1, SOURCE_SIGNALS, SOURCE_SYNC, SOURCE_ZYGOTE };

/// Adds `descriptor` to the loop. 0 or -1.
int worker_watch(struct worker *worker, int descriptor, enum source source, int index);

/// Takes `*descriptor` out of the loop and closes it. Closing alone is not enough: an init may still hold a copy.
void worker_unwatch(struct worker *worker, int *descriptor);
