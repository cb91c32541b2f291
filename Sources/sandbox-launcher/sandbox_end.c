#include "sandbox_end.h"

#include <errno.h>
#include <string.h>

#include "control.h"
#include "process.h"
#include "system.h"

/// Waiting between two looks at a sandbox that takes its time doubles from 1 ms up to this.
#define MAX_RETRY_MILLISECONDS 64

/// After so many looks (about five seconds) somebody should hear of it.
#define ATTEMPTS_BEFORE_COMPLAINT 85

/// Init is gone, nobody knows why.
static const struct failure INIT_LOST = {CI_SECTION_INIT, -1, ECONNRESET};

static void close_everything(struct worker *worker, struct sandbox *sandbox) {
    process_forget_all(worker, sandbox);
    worker_unwatch(worker, &sandbox->sync);
    close_descriptor(&sandbox->workspace);
    close_descriptor(&sandbox->mount);
    for (int i = 0; i < CI_MAX_CGROUPS; i++) close_descriptor(&sandbox->procs[i]);
    for (int i = 0; i < CI_MAX_STATISTICS; i++) close_descriptor(&sandbox->statistics[i]);
}

static void look_again_later(struct sandbox *sandbox) {
    unsigned shift = sandbox->attempts < 6 ? sandbox->attempts : 6;
    int64_t wait = 1LL << shift;
    sandbox->attempts++;
    sandbox->retry_at = now_milliseconds() + (wait < MAX_RETRY_MILLISECONDS ? wait : MAX_RETRY_MILLISECONDS);
}

/// Tells the server that nothing is left, and frees the slot.
static void finish(struct worker *worker, struct sandbox *sandbox) {
    struct failure failure = sandbox->failure;
    uint32_t id = sandbox->id;
    bool isDestroyRequested = sandbox->isDestroyRequested;
    close_descriptor(&sandbox->init_pidfd);
    sandbox->state = SANDBOX_FREE;
    worker->ending--;
    if (failure.error != 0) control_tell_failure(worker, id, failure);
    if (isDestroyRequested) control_tell(worker, CI_EVENT_DESTROYED, id, 0);
}

/// Removes what is left once all processes are reaped. The kernel may need a moment to empty a cgroup.
static void remove_rest(struct worker *worker, struct sandbox *sandbox) {
    int error = cgroup_remove(worker->cgroups, sandbox->id);
    if (error == 0) return finish(worker, sandbox);
    if (sandbox->attempts == ATTEMPTS_BEFORE_COMPLAINT) {
        say("cannot remove the cgroups of s%u: %s", sandbox->id, strerror(error));
    }
    look_again_later(sandbox);
}

void sandbox_end(struct worker *worker, struct sandbox *sandbox) {
    if (sandbox->state == SANDBOX_DYING || sandbox->state == SANDBOX_REMOVING) return;
    close_everything(worker, sandbox);
    worker->ending++;
    sandbox->attempts = 0;
    if (sandbox->init == 0) {
        sandbox->state = SANDBOX_REMOVING;
        return remove_rest(worker, sandbox);
    }
    sandbox->state = SANDBOX_DYING;
    // Init is PID 1 of the sandbox: the kernel kills everything else in it before init itself can be reaped.
    if (sys_pidfd_send_signal(sandbox->init_pidfd, SIGKILL, 0) != 0 && errno != ESRCH) {
        say("cannot kill s%u: %s", sandbox->id, strerror(errno));
    }
    // Frozen by version 1 of the freezer nothing dies; written after the kill, so that nothing runs on in between.
    cgroup_freeze(worker->cgroups, sandbox->id, false);
    look_again_later(sandbox);
}

void sandbox_destroy(struct worker *worker, uint32_t id) {
    struct sandbox *sandbox = sandbox_find(worker, id);
    if (sandbox == NULL) {
        control_tell(worker, CI_EVENT_DESTROYED, id, 0);
        return;
    }
    sandbox->isDestroyRequested = true;
    sandbox_end(worker, sandbox);
}

void sandbox_fail(struct worker *worker, struct sandbox *sandbox, struct failure failure) {
    if (sandbox->state == SANDBOX_DYING || sandbox->state == SANDBOX_REMOVING) return;
    sandbox->failure = failure;
    sandbox_end(worker, sandbox);
}

/// Init died at work: what it said last, if anything, says why.
static void hear_last_words(struct worker *worker, struct sandbox *sandbox) {
    // At most that its user namespace exists, that it failed, and the end.
    for (int i = 0; i < 3 && sandbox->state == SANDBOX_BUILDING; i++) {
        sandbox_hear_init(worker, (int)(sandbox - worker->sandboxes));
    }
    if (sandbox->state == SANDBOX_BUILDING) sandbox_fail(worker, sandbox, INIT_LOST);
}

/// The init of `sandbox` was reaped, and so everything inside is dead.
static void init_reaped(struct worker *worker, struct sandbox *sandbox) {
    sandbox->init = 0;
    switch (sandbox->state) {
    case SANDBOX_DYING: break;
    // Killed from within its own limits, most likely by the memory limit. The server sees its main process die and
    // destroys the rest.
    case SANDBOX_STANDING: return;
    case SANDBOX_BUILDING: hear_last_words(worker, sandbox); return;
    default: sandbox_fail(worker, sandbox, INIT_LOST); return;
    }
    sandbox->state = SANDBOX_REMOVING;
    sandbox->attempts = 0;
    remove_rest(worker, sandbox);
}

bool sandbox_reaped(struct worker *worker, pid_t pid) {
    for (int slot = 0; slot < worker->used; slot++) {
        struct sandbox *sandbox = &worker->sandboxes[slot];
        if (sandbox->state == SANDBOX_FREE || sandbox->init != pid) continue;
        init_reaped(worker, sandbox);
        return true;
    }
    return false;
}

int sandbox_continue_ending(struct worker *worker) {
    if (worker->ending == 0) return -1;
    int64_t now = now_milliseconds();
    int64_t next = now + MAX_RETRY_MILLISECONDS;
    for (int slot = 0; slot < worker->used; slot++) {
        struct sandbox *sandbox = &worker->sandboxes[slot];
        bool isEnding = sandbox->state == SANDBOX_DYING || sandbox->state == SANDBOX_REMOVING;
        if (isEnding && sandbox->retry_at <= now) {
            if (sandbox->state == SANDBOX_REMOVING) remove_rest(worker, sandbox);
            else {
                // Somebody may have frozen it since.
                cgroup_freeze(worker->cgroups, sandbox->id, false);
                look_again_later(sandbox);
            }
            isEnding = sandbox->state != SANDBOX_FREE;
        }
        if (isEnding && sandbox->retry_at < next) next = sandbox->retry_at;
    }
    return next > now ? (int)(next - now) : 0;
}
