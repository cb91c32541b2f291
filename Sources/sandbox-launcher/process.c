#include "process.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "control.h"
#include "sandbox.h"
#include "system.h"
#include "zygote.h"

struct process *process_find(const struct worker *worker, uint32_t id) {
    for (int i = 0; i < worker->processes_used; i++) {
        struct process *process = &worker->processes[i];
        if (process->state != PROCESS_FREE && process->id == id) return process;
    }
    return NULL;
}

struct sandbox *process_sandbox(const struct worker *worker, const struct process *process) {
    return &worker->sandboxes[process->slot];
}

static bool is_main(const struct worker *worker, const struct process *process) {
    return process_sandbox(worker, process)->id == process->id;
}

/// The lowest free entry, NULL where all are taken.
static struct process *take_entry(struct worker *worker) {
    for (int i = 0; i < worker->processes_used; i++) {
        if (worker->processes[i].state == PROCESS_FREE) return &worker->processes[i];
    }
    return worker->processes_used < worker->process_capacity ? &worker->processes[worker->processes_used++] : NULL;
}

/// Frees its entry and closes what it holds.
static void forget(struct worker *worker, struct process *process) {
    if (process->state == PROCESS_WAITING) worker->zygotes[process_sandbox(worker, process)->zygote].waiting--;
    close_descriptor(&process->pidfd);
    close_descriptor(&process->channel);
    close_descriptor(&process->guest_channel);
    for (int i = 0; i < CI_MAX_CGROUPS; i++) close_descriptor(&process->procs[i]);
    process->state = PROCESS_FREE;
}

int process_add(struct worker *worker, struct sandbox *sandbox, uint32_t id, const int *procs) {
    struct process *process = take_entry(worker);
    int channel[2];
    int error = process == NULL ? EAGAIN : 0;
    if (error == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) error = errno;
    if (error != 0) {
        for (int i = 0; i < CI_MAX_CGROUPS; i++) {
            int descriptor = procs[i];
            close_descriptor(&descriptor);
        }
        return error;
    }
    *process = (struct process){
        .state = PROCESS_WAITING, .id = id, .slot = (int)(sandbox - worker->sandboxes), .pidfd = -1,
        .channel = channel[0], .guest_channel = channel[1],
    };
    for (int i = 0; i < CI_MAX_CGROUPS; i++) process->procs[i] = procs[i];
    zygote_wants(worker, process);
    return 0;
}

static void tell_not_entered(struct worker *worker, uint32_t id, int error) {
    struct ci_event event = {.kind = CI_EVENT_NOT_ENTERED, .sandbox = id, .step = -1, .error = error};
    control_send(worker, event, NULL, 0);
}

void process_enter(struct worker *worker, uint32_t sandbox_id, uint32_t id) {
    struct sandbox *sandbox = sandbox_find(worker, sandbox_id);
    int error = 0;
    if (id == 0 || process_find(worker, id) != NULL || sandbox_find(worker, id) != NULL) error = EEXIST;
    else if (sandbox == NULL || sandbox->state != SANDBOX_STANDING || sandbox->init == 0) error = ENOENT;
    if (error != 0) return tell_not_entered(worker, id, error);
    int procs[CI_MAX_CGROUPS];
    for (int i = 0; i < CI_MAX_CGROUPS; i++) procs[i] = -1;
    error = cgroup_open_procs(worker->cgroups, sandbox_id, procs);
    if (error == 0) error = process_add(worker, sandbox, id, procs);
    else
        for (int i = 0; i < CI_MAX_CGROUPS; i++) close_descriptor(&procs[i]);
    if (error != 0) tell_not_entered(worker, id, error);
}

void process_started(struct worker *worker, struct process *process, pid_t pid, int pidfd) {
    process->state = PROCESS_RUNNING;
    process->pid = pid;
    process->pidfd = pidfd;
    int channel = process->channel;
    process->channel = -1;
    if (is_main(worker, process)) return sandbox_started(worker, process_sandbox(worker, process), channel);
    struct ci_event event = {.kind = CI_EVENT_ENTERED, .sandbox = process->id, .step = -1};
    control_send(worker, event, &channel, 1);
}

void process_failed(struct worker *worker, struct process *process, struct failure failure) {
    if (is_main(worker, process)) return sandbox_fail(worker, process_sandbox(worker, process), failure);
    uint32_t id = process->id;
    forget(worker, process);
    tell_not_entered(worker, id, failure.error);
}

void process_exited(struct worker *worker, struct process *process, int status) {
    uint32_t id = process->id;
    forget(worker, process);
    control_tell(worker, CI_EVENT_EXITED, id, status);
}

void process_signal(const struct worker *worker, uint32_t id, int32_t signal) {
    const struct process *process = process_find(worker, id);
    if (process == NULL || process->pidfd < 0 || signal < 1 || signal > SIGRTMAX) return;
    int result = sys_pidfd_send_signal(process->pidfd, signal, CI_PIDFD_SIGNAL_PROCESS_GROUP);
    if (result == 0 || errno != EINVAL) return;
    // Before Linux 6.9. The process leads its own group; its pid cannot belong to another while its pidfd says that it
    // lives.
    struct pollfd alive = {.fd = process->pidfd, .events = POLLIN};
    if (process->pid > 1 && poll(&alive, 1, 0) == 0) (void)kill(-process->pid, signal);
}

void process_forget_all(struct worker *worker, const struct sandbox *sandbox) {
    int slot = (int)(sandbox - worker->sandboxes);
    for (int i = 0; i < worker->processes_used; i++) {
        struct process *process = &worker->processes[i];
        if (process->state != PROCESS_FREE && process->slot == slot) forget(worker, process);
    }
}

bool process_reaped(struct worker *worker, pid_t pid, int status) {
    for (int i = 0; i < worker->processes_used; i++) {
        struct process *process = &worker->processes[i];
        if (process->state != PROCESS_RUNNING || process->pid != pid) continue;
        process_exited(worker, process, status);
        return true;
    }
    return false;
}
