#include "init.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../LauncherProtocol/capabilities.h"
#include "system.h"

/// What one step may change.
struct init {
    struct init_arguments arguments;
    /// Where the workspace was mounted first, NULL before.
    const char *workspace_path;
};

static int tell(const struct init *init, uint32_t kind, int32_t step, int32_t error) {
    struct init_message message = {kind, step, error};
    return send(init->arguments.sync, &message, sizeof message, MSG_NOSIGNAL) == (ssize_t)sizeof message ? 0 : -1;
}

/// First of all, so that everything init allocates counts against the sandbox.
static int join_cgroups(const struct init *init) {
    for (int i = 0; i < init->arguments.procs_count; i++) {
        if (write(init->arguments.procs[i], "0", 1) != 1) return -1;
    }
    return 0;
}

/// Mounts what is at `source` a second time, at `path`.
static int mount_again(const char *source, const char *path) {
    int copy = sys_open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | O_CLOEXEC);
    if (copy < 0) return -1;
    int result = sys_move_mount(copy, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
    int error = errno;
    close(copy);
    errno = error;
    return result;
}

/// The first time moves the prepared mount to `path`; later ones mount the same tree a second time.
static int mount_workspace(struct init *init, const char *path) {
    if (init->workspace_path == NULL) {
        init->workspace_path = path;
        return sys_move_mount(init->arguments.workspace, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
    }
    return mount_again(init->workspace_path, path);
}

/// Puts a file nobody may open in the place of one that tells about the host. What this kernel does not have needs no mask.
static int mask(const char *path, const char *unreadable) {
    if (access(path, F_OK) != 0) return errno == ENOENT ? 0 : -1;
    return mount_again(unreadable, path);
}

static int bring_loopback_up(void) {
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0) return -1;
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int result = ioctl(control, SIOCSIFFLAGS, &request);
    int error = errno;
    close(control);
    errno = error;
    return result;
}

/// Entered after everything was mounted: mounts, network and the other namespaces then belong to the user namespace
/// outside, and a process that regained every capability in here would still have no power over them.
static int enter_user_namespace(const struct init *init, const struct plan_step *step) {
    if (unshare(CLONE_NEWUSER) != 0) return -1;
    if (tell(init, INIT_NEEDS_MAPS, step->index, 0) != 0) return -1;
    char byte;
    ssize_t received = recv(init->arguments.sync, &byte, 1, 0);
    if (received == 1) return 0;
    if (received == 0) errno = ECONNRESET;
    return -1;
}

static int drop_capabilities(void) {
    // The bounding set while CAP_SETPCAP is still there.
    return capabilities_drop_bounding_set() == 0 ? capabilities_drop_all() : -1;
}

static int carry_out(struct init *init, const struct plan_step *step) {
    char *const *text = step->text;
    switch ((enum verb)step->verb) {
    case VERB_JOIN_CGROUPS: return join_cgroups(init);
    case VERB_CGROUP_NAMESPACE: return unshare(CLONE_NEWCGROUP);
    case VERB_WORKSPACE: return mount_workspace(init, text[0]);
    case VERB_TMPFS: return mount("tmpfs", text[0], "tmpfs", MS_NOSUID | MS_NODEV, text[1]);
    case VERB_DEVPTS: return mount("devpts", text[0], "devpts", MS_NOSUID | MS_NOEXEC, text[1]);
    case VERB_PROC: return mount("proc", text[0], "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, text[1]);
    case VERB_MASK: return mask(text[0], text[1]);
    case VERB_LOOPBACK_UP: return bring_loopback_up();
    case VERB_HOSTNAME: return sethostname(text[0], strlen(text[0]));
    case VERB_USER_NAMESPACE: return enter_user_namespace(init, step);
    case VERB_DROP_CAPABILITIES: return drop_capabilities();
    case VERB_NO_NEW_PRIVILEGES: return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    case VERB_UNDUMPABLE: return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    default: errno = EINVAL; return -1;
    }
}

/// Collects the sandbox's orphans until somebody kills us; nothing in here can, as no signal but SIGKILL from outside
/// reaches PID 1.
static _Noreturn void reap(const sigset_t *child_ended) {
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        (void)sigwaitinfo(child_ended, NULL);
    }
}

/// No descriptor of the worker's may be in reach of the sandbox, not even if somebody took over init.
static int close_all_but(int kept) {
    if (sys_close_range(0, (unsigned)kept - 1) != 0) return -1;
    return sys_close_range((unsigned)kept + 1, ~0U);
}

_Noreturn void init_run(struct init_arguments arguments) {
    struct init init = {.arguments = arguments};
    for (int i = 0; i < arguments.steps.count; i++) {
        const struct plan_step *step = &arguments.steps.first[i];
        if (carry_out(&init, step) == 0) continue;
        (void)tell(&init, INIT_FAILED, step->index, errno);
        _exit(EXIT_FAILURE);
    }
    sigset_t child_ended;
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    if (prctl(PR_SET_NAME, "init", 0, 0, 0) != 0 || close_all_but(arguments.sync) != 0) _exit(EXIT_FAILURE);
    if (tell(&init, INIT_READY, -1, 0) != 0) _exit(EXIT_FAILURE);
    close(arguments.sync);
    reap(&child_ended);
}
