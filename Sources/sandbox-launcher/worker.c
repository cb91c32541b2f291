#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "control.h"
#include "privileges.h"
#include "process.h"
#include "report.h"
#include "root.h"
#include "sandbox.h"
#include "state.h"
#include "system.h"
#include "zygote.h"

#define MAX_SLOTS 65536
#define EVENTS_AT_ONCE 64

/// Processes that enter sandboxes beside the main one, of all sandboxes together.
#define ENTERING_PROCESSES 4096

/// Events the outbox has room for: what one sandbox or process can cause, and some for zygotes.
#define EVENTS_PER_SANDBOX 4
#define OTHER_EVENTS 256

int worker_watch(struct worker *worker, int descriptor, enum source source, int index) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | (uint32_t)index};
    return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, descriptor, &event);
}

void worker_unwatch(struct worker *worker, int *descriptor) {
    if (*descriptor < 0) return;
    // Fails only where it was never added.
    (void)epoll_ctl(worker->epoll, EPOLL_CTL_DEL, *descriptor, NULL);
    close_descriptor(descriptor);
}

/// Ties our life to the supervisor's, who may be dead already.
static int hold_lifeline(int lifeline) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return -1;
    struct pollfd supervisor = {.fd = lifeline};
    return poll(&supervisor, 1, 0) == 0 ? 0 : -1;
}

/// Leaves the keyring of the session the server was started in, see session-keyring(7): it would go on to every sandbox.
static int leave_session_keyring(void) {
    const unsigned long join = 1;  // KEYCTL_JOIN_SESSION_KEYRING, of no name: a new one.
    if (syscall(SYS_keyctl, join, NULL) >= 0) return 0;
    // Kernels without keyrings, and containers that refuse the call: to those inside as well.
    return errno == ENOSYS || errno == EPERM || errno == EACCES ? 0 : -1;
}

/// What must hold before anything is made. 0 or -1.
static int isolate(int lifeline) {
    if (hold_lifeline(lifeline) != 0) return -1;
    // Undumpable from the start, and every init with us: nobody may look into what holds all sandboxes.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return -1;
    if (prctl(PR_SET_NAME, "sandbox-worker", 0, 0, 0) != 0) return -1;
    return leave_session_keyring();
}

/// Reads one line of `[launcher]`. 0 or an errno.
static int configure_line(struct worker *worker, const struct plan_step *step) {
    switch ((enum verb)step->verb) {
    case VERB_SLOTS:
        if (step->number[0] > UINT32_MAX - MAX_SLOTS) return EINVAL;
        if (step->number[1] < 1 || step->number[1] > MAX_SLOTS) return EINVAL;
        if (step->count == 3 && strcmp(step->text[2], "shared") != 0) return EINVAL;
        worker->first_id = (uint32_t)step->number[0];
        worker->capacity = (int)step->number[1];
        worker->isIdShared = step->count == 3;
        return 0;
    case VERB_OWNER:
        if (step->number[0] > UINT32_MAX || step->number[1] > UINT32_MAX) return EINVAL;
        worker->owner = (struct owner){(uint32_t)step->number[0], (uint32_t)step->number[1]};
        return 0;
    case VERB_ZYGOTE:
        if (worker->zygote_count == CI_MAX_ZYGOTES) return E2BIG;
        worker->zygotes[worker->zygote_count++] = (struct zygote){.step = step, .socket = -1};
        return 0;
    default: return 0;
    }
}

static struct failure configure(struct worker *worker) {
    struct steps launcher = plan_section(worker->plan, CI_SECTION_LAUNCHER);
    for (int i = 0; i < launcher.count; i++) {
        int error = configure_line(worker, &launcher.first[i]);
        if (error != 0) return plan_failure(&launcher.first[i], error);
    }
    worker->limits = plan_section(worker->plan, CI_SECTION_LIMITS);
    worker->workspace = plan_section(worker->plan, CI_SECTION_WORKSPACE);
    worker->statistics = plan_section(worker->plan, CI_SECTION_STATISTICS);
    worker->init = plan_section(worker->plan, CI_SECTION_INIT);
    if (worker->statistics.count > CI_MAX_STATISTICS) return plan_failure(worker->statistics.first, E2BIG);
    for (int i = 0; i < worker->init.count && worker->scratch == NULL; i++) {
        if (worker->init.first[i].verb == VERB_WORKSPACE) worker->scratch = worker->init.first[i].text[0];
    }
    bool isComplete = worker->capacity > 0 && worker->scratch != NULL;
    return isComplete ? NO_FAILURE : (struct failure){CI_SECTION_LAUNCHER, -1, EINVAL};
}

/// All memory the worker will ever need.
static int allocate(struct worker *worker) {
    size_t slots = (size_t)worker->capacity;
    worker->sandboxes = calloc(slots, sizeof *worker->sandboxes);
    worker->idmaps = malloc(slots * sizeof *worker->idmaps);
    worker->process_capacity = worker->capacity + ENTERING_PROCESSES;
    worker->processes = calloc((size_t)worker->process_capacity, sizeof *worker->processes);
    worker->outbox.capacity = (unsigned)worker->process_capacity * EVENTS_PER_SANDBOX + OTHER_EVENTS;
    worker->outbox.ring = calloc(worker->outbox.capacity, sizeof *worker->outbox.ring);
    if (worker->sandboxes == NULL || worker->idmaps == NULL) return ENOMEM;
    if (worker->processes == NULL || worker->outbox.ring == NULL) return ENOMEM;
    for (size_t slot = 0; slot < slots; slot++) worker->idmaps[slot] = -1;
    return 0;
}

/// Sandboxes cost descriptors; the limit we found is what zygotes get.
static int raise_file_limit(struct worker *worker) {
    if (getrlimit(RLIMIT_NOFILE, &worker->file_limit) != 0) return errno;
    struct rlimit raised = {worker->file_limit.rlim_max, worker->file_limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? 0 : errno;
}

static int open_loop(struct worker *worker) {
    sigset_t all;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) != 0) return errno;
    sigset_t child_ended;
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    worker->signals = signalfd(-1, &child_ended, SFD_CLOEXEC | SFD_NONBLOCK);
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (worker->signals < 0 || worker->epoll < 0 || worker->null < 0) return errno;
    if (worker_watch(worker, worker->signals, SOURCE_SIGNALS, 0) != 0) return errno;
    return worker_watch(worker, worker->descriptors.control, SOURCE_CONTROL, 0) == 0 ? 0 : errno;
}

static struct failure set_up(struct worker *worker) {
    struct failure failure = configure(worker);
    if (failure.error != 0) return failure;
    int error = allocate(worker);
    if (error == 0) error = raise_file_limit(worker);
    if (error != 0) return (struct failure){CI_SECTION_NONE, -1, error};
    failure = root_build(plan_section(worker->plan, CI_SECTION_ROOT));
    if (failure.error != 0) return failure;
    // The host's files are out of reach now, which took more.
    if (privileges_reduce() != 0) return (struct failure){CI_SECTION_NONE, -1, errno};
    return (struct failure){CI_SECTION_NONE, -1, open_loop(worker)};
}

/// PID 1 reaps everybody's orphans, so here, and only here and in init, any child may be waited for.
static void reap(struct worker *worker) {
    struct signalfd_siginfo ignored;
    while (read(worker->signals, &ignored, sizeof ignored) == (ssize_t)sizeof ignored) {
    }
    for (;;) {
        int status;
        pid_t process = waitpid(-1, &status, WNOHANG);
        if (process <= 0) return;
        if (zygote_reaped(worker, process, status) || sandbox_reaped(worker, process)) continue;
        // A zygote's child becomes ours when the zygote dies.
        (void)process_reaped(worker, process, status);
    }
}

static void handle(struct worker *worker, const struct epoll_event *event) {
    int index = (int)(uint32_t)event->data.u64;
    switch ((enum source)(event->data.u64 >> 32)) {
    case SOURCE_CONTROL: control_serve(worker, event->events); return;
    case SOURCE_SIGNALS: reap(worker); return;
    case SOURCE_SYNC: sandbox_hear_init(worker, index); return;
    case SOURCE_ZYGOTE: zygote_hear(worker, index); return;
    }
}

/// The sooner of two waits, of which -1 is no end.
static int sooner(int one, int other) {
    if (one < 0) return other;
    return other < 0 || one < other ? one : other;
}

static _Noreturn void serve(struct worker *worker) {
    for (;;) {
        int wait = sooner(sandbox_continue_ending(worker), zygote_continue(worker));
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(worker->epoll, events, EVENTS_AT_ONCE, wait);
        if (count < 0 && errno != EINTR) _exit(EXIT_FAILURE);
        for (int i = 0; i < count; i++) handle(worker, &events[i]);
    }
}

_Noreturn void worker_run(
    const struct plan *plan, const struct cgroups *cgroups, struct descriptors descriptors, int lifeline, bool isFirst
) {
    static struct worker worker;
    worker = (struct worker){.plan = plan, .cgroups = cgroups, .descriptors = descriptors};
    if (isolate(lifeline) != 0) _exit(EXIT_FAILURE);
    struct failure failure = set_up(&worker);
    if (failure.error != 0) {
        report_failure(descriptors.control, failure);
        _exit(WORKER_CANNOT_START);
    }
    if (!isFirst) control_discard_requests(&worker);
    control_tell(&worker, CI_EVENT_LAUNCHER_READY, 0, CI_PROTOCOL_VERSION);
    zygote_start_all(&worker);
    serve(&worker);
}
