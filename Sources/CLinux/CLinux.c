#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static_assert(CI_O_PATH == O_PATH);
static_assert(CI_O_TMPFILE == O_TMPFILE);
static_assert(CI_RESOLVE_NO_XDEV == RESOLVE_NO_XDEV);
static_assert(CI_RESOLVE_NO_MAGICLINKS == RESOLVE_NO_MAGICLINKS);
static_assert(CI_RESOLVE_NO_SYMLINKS == RESOLVE_NO_SYMLINKS);
static_assert(CI_RESOLVE_BENEATH == RESOLVE_BENEATH);

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#define LANDLOCK_CREATE_RULESET_VERSION_FLAG 1

int ci_openat2(int directory, const char *path, int flags, mode_t mode, uint64_t resolve) {
    struct open_how how = {
        .flags = (uint64_t)(uint32_t)(flags | O_CLOEXEC),
        .mode = mode,
        .resolve = resolve,
    };
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

ssize_t ci_getdents64(int directory, void *buffer, size_t size) {
    return syscall(SYS_getdents64, directory, buffer, size);
}

int ci_memfd_create(const char *name) {
    return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

int ci_memfd_seal(int memfd) {
    return fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

int ci_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC);
}

int ci_eventfd(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int ci_seqpacket_pair(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

int ci_set_nonblocking(int descriptor, int nonblocking) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) {
        return -1;
    }
    return fcntl(descriptor, F_SETFL, nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

int ci_set_pipe_size(int pipe, int bytes) {
    return fcntl(pipe, F_SETPIPE_SZ, bytes);
}

int ci_set_groups(const gid_t *groups, int count) {
    return setgroups((size_t)count, groups);
}

int ci_set_group(gid_t group) {
    return setresgid(group, group, group);
}

int ci_set_user(uid_t user) {
    return setresuid(user, user, user);
}

int ci_ids_are(uid_t user, gid_t group) {
    uid_t users[3];
    gid_t groups[3];
    if (getresuid(&users[0], &users[1], &users[2]) != 0 || getresgid(&groups[0], &groups[1], &groups[2]) != 0) {
        return 0;
    }
    for (int i = 0; i < 3; i++) {
        if (users[i] != user || groups[i] != group) {
            return 0;
        }
    }
    return 1;
}

int ci_set_no_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int ci_get_no_new_privileges(void) {
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

int ci_set_dumpable(int dumpable) {
    return prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
}

int ci_landlock_abi(void) {
    long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION_FLAG);
    return version < 0 ? 0 : (int)version;
}
