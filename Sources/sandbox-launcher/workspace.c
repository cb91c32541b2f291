#include "workspace.h"

#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

#include "system.h"

/// Writes the maps of `process` and opens its user namespace.
static int map_and_open(pid_t process, struct owner owner, uint32_t slot) {
    char directory_path[32], users[48], groups[48];
    snprintf(directory_path, sizeof directory_path, "/proc/%d", process);
    snprintf(users, sizeof users, "%u %u 1\n", owner.user, slot);
    snprintf(groups, sizeof groups, "%u %u 1\n", owner.group, slot);
    int directory = open(directory_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return -1;
    int namespace = -1;
    if (write_file_at(directory, "setgroups", "deny") == 0 && write_file_at(directory, "gid_map", groups) == 0
        && write_file_at(directory, "uid_map", users) == 0) {
        namespace = openat(directory, "ns/user", O_RDONLY | O_CLOEXEC);
    }
    int error = errno;
    close(directory);
    errno = error;
    return namespace;
}

int workspace_open_idmap(struct owner owner, uint32_t slot) {
    int pidfd = -1;
    // A namespace needs somebody in it until it is opened.
    pid_t holder = sys_clone(CLONE_NEWUSER, &pidfd);
    if (holder < 0) return -1;
    if (holder == 0) {
        for (;;) pause();
    }
    int namespace = map_and_open(holder, owner, slot);
    int error = errno;
    (void)sys_pidfd_send_signal(pidfd, SIGKILL, 0);
    (void)waitpid(holder, NULL, 0);
    close(pidfd);
    errno = error;
    return namespace;
}

/// A tmpfs with the plan's options.
static struct failure make_tmpfs(struct steps options, struct owner owner, int *tree) {
    struct failure failure = {CI_SECTION_WORKSPACE, -1, 0};
    int context = sys_fsopen("tmpfs");
    if (context < 0) return (struct failure){CI_SECTION_WORKSPACE, -1, errno};
    for (int i = 0; i < options.count && failure.error == 0; i++) {
        const struct plan_step *step = &options.first[i];
        if (sys_fsconfig_string(context, step->text[0], step->text[1]) != 0) failure = plan_failure(step, errno);
    }
    char user[16], group[16];
    snprintf(user, sizeof user, "%u", owner.user);
    snprintf(group, sizeof group, "%u", owner.group);
    if (failure.error == 0) {
        bool isMade = sys_fsconfig_string(context, "uid", user) == 0 && sys_fsconfig_string(context, "gid", group) == 0
            && sys_fsconfig_create(context) == 0;
        *tree = isMade ? sys_fsmount(context, CI_MOUNT_NO_SUID | CI_MOUNT_NO_DEV) : -1;
        if (*tree < 0) failure.error = errno;
    }
    close(context);
    return failure;
}

/// Copies a mount that is attached nowhere; before Linux 6.15 it must be attached meanwhile.
static int copy_mount(int tree, const char *scratch) {
    const unsigned flags = OPEN_TREE_CLONE | AT_EMPTY_PATH | O_CLOEXEC;
    int copy = sys_open_tree(tree, "", flags);
    if (copy >= 0 || errno != EINVAL) return copy;
    if (sys_move_mount(tree, "", AT_FDCWD, scratch, MOVE_MOUNT_F_EMPTY_PATH) != 0) return -1;
    copy = sys_open_tree(tree, "", flags);
    int error = errno;
    // Whoever holds the descriptor keeps the tree.
    if (umount2(scratch, MNT_DETACH) != 0 && copy >= 0) {
        error = errno;
        close_descriptor(&copy);
    }
    errno = error;
    return copy;
}

struct failure workspace_make(
    struct steps options, struct owner owner, int idmap, const char *scratch, int *tree, int *mount
) {
    struct failure failure = make_tmpfs(options, owner, tree);
    if (failure.error != 0) return failure;
    // A copy even where no ids change: the server's mount is then attached nowhere, and ".." of its root leads nowhere.
    *mount = copy_mount(*tree, scratch);
    struct ci_mount_attr attributes = {.set = CI_MOUNT_IDMAP, .userns_fd = idmap >= 0 ? (uint64_t)idmap : 0};
    if (*mount >= 0 && (idmap < 0 || sys_mount_setattr(*mount, "", AT_EMPTY_PATH, &attributes) == 0)) return failure;
    failure.error = errno;
    close_descriptor(mount);
    close_descriptor(tree);
    return failure;
}
