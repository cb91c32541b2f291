#include "sandbox.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>

#include "control.h"
#include "init.h"
#include "process.h"
#include "sandbox_end.h"
#include "system.h"

static struct failure without_step(int error) { return (struct failure){CI_SECTION_NONE, -1, error}; }

struct sandbox *sandbox_find(const struct worker *worker, uint32_t id) {
    for (int slot = 0; slot < worker->used; slot++) {
        struct sandbox *sandbox = &worker->sandboxes[slot];
        if (sandbox->state != SANDBOX_FREE && sandbox->id == id) return sandbox;
    }
    return NULL;
}

/// The lowest free slot, so that few are ever used: each costs a user namespace for its workspace. NULL where all are
/// taken.
static struct sandbox *take_slot(struct worker *worker) {
    for (int slot = 0; slot < worker->used; slot++) {
        if (worker->sandboxes[slot].state == SANDBOX_FREE) return &worker->sandboxes[slot];
    }
    return worker->used < worker->capacity ? &worker->sandboxes[worker->used++] : NULL;
}

static uint32_t outside_id(const struct worker *worker, const struct sandbox *sandbox) {
    return worker->first_id + (worker->isIdShared ? 0 : (uint32_t)(sandbox - worker->sandboxes));
}

/// Makes the workspace, translated where the server's ids are not the sandbox's.
static struct failure make_workspace(struct worker *worker, struct sandbox *sandbox) {
    uint32_t id = outside_id(worker, sandbox);
    int *idmap = &worker->idmaps[sandbox - worker->sandboxes];
    bool isTranslated = worker->owner.user != id || worker->owner.group != id;
    if (isTranslated && *idmap < 0) {
        *idmap = workspace_open_idmap(worker->owner, id);
        if (*idmap < 0) return (struct failure){CI_SECTION_WORKSPACE, -1, errno};
    }
    int userns = isTranslated ? *idmap : -1;
    return workspace_make(
        worker->workspace, worker->owner, userns, worker->scratch, &sandbox->workspace, &sandbox->mount
    );
}

/// Makes the socket to init, whose end is `*init_end`. 0 or an errno.
static int make_socket(struct worker *worker, struct sandbox *sandbox, int *init_end) {
    int sync[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) != 0) return errno;
    sandbox->sync = sync[0];
    *init_end = sync[1];
    return worker_watch(worker, sandbox->sync, SOURCE_SYNC, (int)(sandbox - worker->sandboxes)) == 0 ? 0 : errno;
}

/// Clones init into namespaces of its own; its user namespace comes last and is its own affair. In the child `*joined`
/// is the index of the hierarchy it was born in: writing to cgroup.procs would wait for milliseconds when that is rare.
/// -1 where it must join all by itself.
static pid_t clone_init(const struct worker *worker, struct sandbox *sandbox, int *joined) {
    const unsigned long namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    int cgroup = cgroup_open_unified(worker->cgroups, sandbox->id, joined);
    if (cgroup >= 0) {
        pid_t init = sys_clone_into(namespaces, &sandbox->init_pidfd, cgroup);
        int error = errno;
        close(cgroup);
        if (init >= 0) return init;
        errno = error;
        // Older kernels, and sandboxes around us that hide the call.
        if (error != ENOSYS && error != EINVAL && error != E2BIG && error != EPERM) return -1;
    }
    *joined = -1;
    return sys_clone(namespaces, &sandbox->init_pidfd);
}

static _Noreturn void become_init(const struct worker *worker, const struct sandbox *sandbox, int sync, int joined) {
    struct init_arguments arguments = {.steps = worker->init, .sync = sync, .workspace = sandbox->mount};
    for (int i = 0; i < worker->cgroups->count; i++) {
        if (i != joined) arguments.procs[arguments.procs_count++] = sandbox->procs[i];
    }
    init_run(arguments);
}

static struct failure start_init(struct worker *worker, struct sandbox *sandbox) {
    int sync = -1, joined = -1;
    int error = make_socket(worker, sandbox, &sync);
    pid_t init = -1;
    if (error == 0) {
        init = clone_init(worker, sandbox, &joined);
        if (init == 0) become_init(worker, sandbox, sync, joined);
        if (init < 0) error = errno;
    }
    close_descriptor(&sync);
    // Init has its copy.
    close_descriptor(&sandbox->mount);
    if (error != 0) return without_step(error);
    sandbox->init = init;
    return NO_FAILURE;
}

static struct failure build(struct worker *worker, struct sandbox *sandbox) {
    const char *zygote = worker->zygotes[sandbox->zygote].step->text[0];
    struct failure failure = cgroup_make(worker->cgroups, sandbox->id, worker->limits, zygote, sandbox->procs);
    if (failure.error != 0) return failure;
    failure = cgroup_open_statistics(
        worker->cgroups, sandbox->id, worker->statistics, worker->null, sandbox->statistics
    );
    if (failure.error != 0) return failure;
    failure = make_workspace(worker, sandbox);
    return failure.error != 0 ? failure : start_init(worker, sandbox);
}

/// Refuses to make a sandbox of which nothing exists.
static void refuse(struct worker *worker, uint32_t id, int error) {
    control_tell_failure(worker, id, without_step(error));
}

void sandbox_create(struct worker *worker, uint32_t id, int32_t zygote) {
    if (id == 0 || zygote < 0 || zygote >= worker->zygote_count) return refuse(worker, id, EINVAL);
    if (sandbox_find(worker, id) != NULL || process_find(worker, id) != NULL) return refuse(worker, id, EEXIST);
    struct sandbox *sandbox = take_slot(worker);
    if (sandbox == NULL) return refuse(worker, id, EAGAIN);
    *sandbox = (struct sandbox){
        .state = SANDBOX_BUILDING, .id = id, .zygote = zygote, .init_pidfd = -1, .sync = -1,
        .workspace = -1, .mount = -1, .failure = NO_FAILURE,
    };
    for (int i = 0; i < CI_MAX_CGROUPS; i++) sandbox->procs[i] = -1;
    for (int i = 0; i < CI_MAX_STATISTICS; i++) sandbox->statistics[i] = -1;
    struct failure failure = build(worker, sandbox);
    if (failure.error != 0) sandbox_fail(worker, sandbox, failure);
}

/// Maps the sandbox's one user and group, seen from inside, to its slot. 0 or an errno.
static int write_maps(const struct worker *worker, const struct sandbox *sandbox, const struct plan_step *step) {
    char path[32], users[64], groups[64];
    uint32_t id = outside_id(worker, sandbox);
    snprintf(path, sizeof path, "/proc/%d", sandbox->init);
    snprintf(users, sizeof users, "%llu %u 1\n", (unsigned long long)step->number[0], id);
    snprintf(groups, sizeof groups, "%llu %u 1\n", (unsigned long long)step->number[1], id);
    int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return errno;
    int error = 0;
    // "deny" must come before the group map; after it, nobody inside can ever drop a group to gain access.
    if (write_file_at(directory, "setgroups", "deny") != 0 || write_file_at(directory, "gid_map", groups) != 0
        || write_file_at(directory, "uid_map", users) != 0) {
        error = errno;
    }
    close(directory);
    return error;
}

/// Init's user namespace exists.
static void map_user_namespace(struct worker *worker, struct sandbox *sandbox, int32_t index) {
    // It died meanwhile; its last words are next.
    if (sandbox->init == 0) return;
    struct failure failure = {CI_SECTION_INIT, index, EPROTO};
    if (index >= 0 && index < worker->init.count && worker->init.first[index].verb == VERB_USER_NAMESPACE) {
        failure.error = write_maps(worker, sandbox, &worker->init.first[index]);
    }
    if (failure.error == 0 && send(sandbox->sync, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) failure.error = errno;
    if (failure.error != 0) sandbox_fail(worker, sandbox, failure);
}

void sandbox_hear_init(struct worker *worker, int slot) {
    struct sandbox *sandbox = &worker->sandboxes[slot];
    // An event of a sandbox that ended earlier in the same round.
    if (sandbox->state != SANDBOX_BUILDING || sandbox->sync < 0) return;
    struct init_message message;
    int descriptor = -1;
    int result = message_receive(sandbox->sync, &message, sizeof message, &descriptor);
    close_descriptor(&descriptor);
    if (result == -EAGAIN) return;
    struct failure failure = {CI_SECTION_INIT, -1, result == 0 ? ECONNRESET : -result};
    if (result <= 0) return sandbox_fail(worker, sandbox, failure);
    switch ((enum init_message_kind)message.kind) {
    case INIT_NEEDS_MAPS: return map_user_namespace(worker, sandbox, message.step);
    case INIT_FAILED:
        failure.step = message.step;
        failure.error = message.error;
        return sandbox_fail(worker, sandbox, failure);
    case INIT_READY: break;
    }
    worker_unwatch(worker, &sandbox->sync);
    sandbox->state = SANDBOX_STARTING;
    int procs[CI_MAX_CGROUPS];
    for (int i = 0; i < CI_MAX_CGROUPS; i++) {
        procs[i] = sandbox->procs[i];
        sandbox->procs[i] = -1;
    }
    int error = process_add(worker, sandbox, sandbox->id, procs);
    if (error != 0) sandbox_fail(worker, sandbox, without_step(error));
}

void sandbox_started(struct worker *worker, struct sandbox *sandbox, int channel) {
    sandbox->state = SANDBOX_STANDING;
    int descriptors[CI_MAX_DESCRIPTORS] = {sandbox->workspace, channel};
    int count = 2;
    for (int i = 0; i < worker->statistics.count; i++) descriptors[count++] = sandbox->statistics[i];
    sandbox->workspace = -1;
    for (int i = 0; i < CI_MAX_STATISTICS; i++) sandbox->statistics[i] = -1;
    struct ci_event event = {.kind = CI_EVENT_CREATED, .sandbox = sandbox->id, .step = -1};
    control_send(worker, event, descriptors, count);
}

void sandbox_freeze(const struct worker *worker, uint32_t id, bool isFrozen) {
    const struct sandbox *sandbox = sandbox_find(worker, id);
    if (sandbox != NULL && sandbox->state == SANDBOX_STANDING) cgroup_freeze(worker->cgroups, id, isFrozen);
}
