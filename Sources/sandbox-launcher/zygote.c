#include "zygote.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "control.h"
#include "process.h"
#include "system.h"
#include "zygote_process.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/// Forks a zygote may have to do at once; their messages and descriptors fit the socket.
#define MAX_OUTSTANDING 32

/// A zygote that lives shorter than this is started again later and later.
#define QUICK_DEATH_MILLISECONDS 10000
#define FIRST_RESTART_DELAY_MILLISECONDS 100
#define MAX_RESTART_DELAY_MILLISECONDS 10000

/// How long a zygote may take to die after it closed its socket.
#define GRACE_MILLISECONDS 1000

/// How soon a request is repeated for which the kernel had no room.
#define RETRY_MILLISECONDS 5

static void start(struct worker *worker, struct zygote *zygote) {
    int pair[2];
    zygote->started_at = now_milliseconds();
    zygote->restart_at = zygote->started_at + MAX_RESTART_DELAY_MILLISECONDS;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        say("cannot start zygote %s: %s", zygote->step->text[0], strerror(errno));
        return;
    }
    pid_t process = zygote_spawn(worker, zygote->step, pair[1]);
    int error = errno;
    close(pair[1]);
    if (process < 0 || worker_watch(worker, pair[0], SOURCE_ZYGOTE, (int)(zygote - worker->zygotes)) != 0) {
        say("cannot start zygote %s: %s", zygote->step->text[0], strerror(process < 0 ? error : errno));
        // One that runs sees the end of its socket and ends; nobody knows it.
        close(pair[0]);
        return;
    }
    zygote->process = process;
    zygote->socket = pair[0];
}

void zygote_start_all(struct worker *worker) {
    for (int i = 0; i < worker->zygote_count; i++) start(worker, &worker->zygotes[i]);
}

/// Asks for a child. False where the kernel has no room now.
static bool request_fork(struct worker *worker, struct zygote *zygote, struct process *process) {
    const struct sandbox *sandbox = process_sandbox(worker, process);
    int descriptors[2 + CI_MAX_CGROUPS] = {sandbox->init_pidfd, process->guest_channel};
    for (int i = 0; i < worker->cgroups->count; i++) descriptors[2 + i] = process->procs[i];
    struct ci_fork_request request = {.process = process->id};
    int error = message_send(zygote->socket, &request, sizeof request, descriptors, 2 + worker->cgroups->count);
    // EPIPE: it is dead and about to be reaped; the process waits for the next one.
    if (error != 0) return false;
    close_descriptor(&process->guest_channel);
    for (int i = 0; i < worker->cgroups->count; i++) close_descriptor(&process->procs[i]);
    process->state = PROCESS_FORKING;
    zygote->waiting--;
    zygote->outstanding++;
    return true;
}

static bool is_of(const struct worker *worker, const struct process *process, const struct zygote *zygote) {
    return &worker->zygotes[process_sandbox(worker, process)->zygote] == zygote;
}

/// The process that waits longest for `zygote`.
static struct process *next_waiting(const struct worker *worker, const struct zygote *zygote) {
    struct process *next = NULL;
    for (int i = 0; i < worker->processes_used; i++) {
        struct process *process = &worker->processes[i];
        if (process->state != PROCESS_WAITING || !is_of(worker, process, zygote)) continue;
        if (next == NULL || process->id < next->id) next = process;
    }
    return next;
}

static void dispatch(struct worker *worker, struct zygote *zygote) {
    while (zygote->isServing && zygote->waiting > 0 && zygote->outstanding < MAX_OUTSTANDING) {
        struct process *process = next_waiting(worker, zygote);
        if (process == NULL || !request_fork(worker, zygote, process)) return;
    }
}

void zygote_wants(struct worker *worker, struct process *process) {
    struct zygote *zygote = &worker->zygotes[process_sandbox(worker, process)->zygote];
    zygote->waiting++;
    dispatch(worker, zygote);
}

/// A zygote whose words make no sense is replaced; we are its parent, so its pid is its own until we reap it.
static void give_up(struct zygote *zygote) {
    say("zygote %s is not understood", zygote->step->text[0]);
    zygote->isServing = false;
    if (zygote->process > 0) (void)kill(zygote->process, SIGKILL);
}

/// Carries out one message. Takes `descriptor` over.
static void take(struct worker *worker, struct zygote *zygote, const struct ci_fork_event *event, int descriptor) {
    struct process *process = process_find(worker, event->process);
    int index = (int)(zygote - worker->zygotes);
    bool isExpected = process != NULL && process->state == PROCESS_FORKING && is_of(worker, process, zygote);
    switch ((enum ci_fork_event_kind)event->kind) {
    case CI_FORK_READY:
        zygote->isServing = true;
        control_tell(worker, CI_EVENT_ZYGOTE_READY, 0, index);
        break;
    case CI_FORK_STARTED:
        zygote->outstanding--;
        if (!isExpected || descriptor < 0) break;
        process_started(worker, process, event->value, descriptor);
        descriptor = -1;
        break;
    case CI_FORK_EXITED:
        if (process != NULL && process->state == PROCESS_RUNNING) process_exited(worker, process, event->value);
        break;
    case CI_FORK_FAILED:
        zygote->outstanding--;
        if (isExpected) process_failed(worker, process, (struct failure){CI_SECTION_ENTRY, -1, event->value});
        break;
    default: give_up(zygote);
    }
    close_descriptor(&descriptor);
}

/// Reads until nothing waits. False at the end of the conversation.
static bool hear_all(struct worker *worker, struct zygote *zygote) {
    for (;;) {
        struct ci_fork_event event;
        int descriptor = -1;
        int result = message_receive(zygote->socket, &event, sizeof event, &descriptor);
        if (result == -EAGAIN) return true;
        if (result == 0) return false;
        if (result < 0) {
            give_up(zygote);
            return false;
        }
        take(worker, zygote, &event, descriptor);
    }
}

void zygote_hear(struct worker *worker, int index) {
    struct zygote *zygote = &worker->zygotes[index];
    if (zygote->socket < 0) return;
    bool isOpen = hear_all(worker, zygote);
    if (isOpen) return dispatch(worker, zygote);
    // The rest of its death is heard as SIGCHLD, with the status it chose; one that lives on is of no use.
    zygote->isServing = false;
    zygote->kill_at = now_milliseconds() + GRACE_MILLISECONDS;
    worker_unwatch(worker, &zygote->socket);
}

/// The children of a dead zygote are ours now. One that it reaped without having told us ended we know not how.
static void adopt_children(struct worker *worker, const struct zygote *zygote) {
    for (int i = 0; i < worker->processes_used; i++) {
        struct process *process = &worker->processes[i];
        if (process->state != PROCESS_RUNNING || !is_of(worker, process, zygote)) continue;
        struct pollfd alive = {.fd = process->pidfd, .events = POLLIN};
        if (poll(&alive, 1, 0) == 0) continue;
        siginfo_t info = {};
        bool isOurs = waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
        if (!isOurs) process_exited(worker, process, SIGKILL);
    }
}

/// When a zygote that died `now` is started again.
static int64_t restart_time(struct zygote *zygote, int64_t now) {
    if (now - zygote->started_at >= QUICK_DEATH_MILLISECONDS) zygote->quick_deaths = 0;
    unsigned deaths = zygote->quick_deaths++;
    if (deaths == 0) return now;
    int64_t delay = (int64_t)FIRST_RESTART_DELAY_MILLISECONDS << (deaths < 8 ? deaths - 1 : 7);
    return now + (delay < MAX_RESTART_DELAY_MILLISECONDS ? delay : MAX_RESTART_DELAY_MILLISECONDS);
}

static void lose(struct worker *worker, struct zygote *zygote, int status) {
    int index = (int)(zygote - worker->zygotes);
    // What it said before it died still holds.
    if (zygote->socket >= 0) (void)hear_all(worker, zygote);
    worker_unwatch(worker, &zygote->socket);
    zygote->process = 0;
    zygote->isServing = false;
    zygote->outstanding = 0;
    say("zygote %s died with wait status %d", zygote->step->text[0], status);
    for (int i = 0; i < worker->processes_used; i++) {
        struct process *process = &worker->processes[i];
        if (process->state != PROCESS_FORKING || !is_of(worker, process, zygote)) continue;
        process_failed(worker, process, (struct failure){CI_SECTION_NONE, -1, ESRCH});
    }
    adopt_children(worker, zygote);
    struct ci_event event = {.kind = CI_EVENT_ZYGOTE_LOST, .value = index, .step = -1, .error = status};
    control_send(worker, event, NULL, 0);
    zygote->restart_at = restart_time(zygote, now_milliseconds());
}

bool zygote_reaped(struct worker *worker, pid_t process, int status) {
    for (int i = 0; i < worker->zygote_count; i++) {
        if (worker->zygotes[i].process != process) continue;
        lose(worker, &worker->zygotes[i], status);
        return true;
    }
    return false;
}

/// Does what is due for one zygote. When to look again, INT64_MAX for never.
static int64_t continue_one(struct worker *worker, struct zygote *zygote, int64_t now) {
    if (zygote->process == 0 && zygote->restart_at <= now) start(worker, zygote);
    if (zygote->process == 0) return zygote->restart_at;
    if (zygote->socket < 0) {
        if (zygote->kill_at > now) return zygote->kill_at;
        (void)kill(zygote->process, SIGKILL);
        return INT64_MAX;
    }
    if (!zygote->isServing || zygote->waiting == 0 || zygote->outstanding > 0) return INT64_MAX;
    dispatch(worker, zygote);
    return zygote->waiting > 0 ? now + RETRY_MILLISECONDS : INT64_MAX;
}

int zygote_continue(struct worker *worker) {
    int64_t now = now_milliseconds();
    int64_t next = INT64_MAX;
    for (int i = 0; i < worker->zygote_count; i++) {
        int64_t due = continue_one(worker, &worker->zygotes[i], now);
        if (due < next) next = due;
    }
    if (next == INT64_MAX) return -1;
    return next > now ? (int)(next - now) : 0;
}
