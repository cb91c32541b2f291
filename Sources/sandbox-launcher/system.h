/// System calls that C libraries of supported systems lack, and the few idioms everybody here needs. No logic.
///
/// Functions answer as the C library's do: -1 and errno.
#pragma once
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/mount.h>

/// linux/pidfd.h, since Linux 6.9.
#define CI_PIDFD_SIGNAL_PROCESS_GROUP (1U << 2)

/// linux/sched.h, since Linux 5.2.
#define CI_CLONE_PIDFD 0x1000UL

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

/// linux/mount.h is older than the call on some systems, and clashes with sys/mount.h on others: our own name and copy.
struct ci_mount_attr {
    uint64_t set;
    uint64_t clear;
    uint64_t propagation;
    uint64_t userns_fd;
};

#define CI_MOUNT_READ_ONLY 0x1
#define CI_MOUNT_NO_SUID 0x2
#define CI_MOUNT_NO_DEV 0x4
#define CI_MOUNT_NO_EXEC 0x8
#define CI_MOUNT_IDMAP 0x100000

static inline int sys_open_tree(int directory, const char *path, unsigned flags) {
    return (int)syscall(SYS_open_tree, directory, path, flags);
}

static inline int sys_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags) {
    return (int)syscall(SYS_move_mount, from, from_path, to, to_path, flags);
}

static inline int sys_mount_setattr(
    int directory, const char *path, unsigned flags, const struct ci_mount_attr *attributes
) {
    return (int)syscall(SYS_mount_setattr, directory, path, flags, attributes, sizeof *attributes);
}

static inline int sys_fsopen(const char *type) { return (int)syscall(SYS_fsopen, type, 1U /* FSOPEN_CLOEXEC */); }

static inline int sys_fsconfig_string(int context, const char *name, const char *value) {
    return (int)syscall(SYS_fsconfig, context, 1U /* FSCONFIG_SET_STRING */, name, value, 0);
}

static inline int sys_fsconfig_create(int context) {
    return (int)syscall(SYS_fsconfig, context, 6U /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0);
}

static inline int sys_fsmount(int context, unsigned attributes) {
    return (int)syscall(SYS_fsmount, context, 1U /* FSMOUNT_CLOEXEC */, attributes);
}

static inline int sys_pivot_root(const char *root, const char *old) { return (int)syscall(SYS_pivot_root, root, old); }

static inline int sys_pidfd_send_signal(int pidfd, int signal, unsigned flags) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, flags);
}

static inline int sys_close_range(unsigned first, unsigned last) {
    return (int)syscall(SYS_close_range, first, last, 0U);
}

/// fork(2) with namespace flags and a pidfd, which is close-on-exec. Raw: only for processes without threads, as all of
/// ours are.
pid_t sys_clone(unsigned long flags, int *pidfd);

/// The same, born in the cgroup of version 2 that `cgroup` is the directory of. Since Linux 5.7; ENOSYS where clone3(2)
/// is refused.
pid_t sys_clone_into(unsigned long flags, int *pidfd, int cgroup);

/// Writes all of `text` to `path` beneath `directory` with one write(2), as files of cgroupfs and procfs want it.
int write_file_at(int directory, const char *path, const char *text);

/// Closes `*descriptor` unless it is -1, and makes it -1.
void close_descriptor(int *descriptor);

/// Sets or clears FD_CLOEXEC. 0 or -1.
int set_close_on_exec(int descriptor, bool isSet);

/// Milliseconds of the monotonic clock.
int64_t now_milliseconds(void);

/// One line for people on standard error. printf(3) format without newline.
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
