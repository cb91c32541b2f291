#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_DESCRIPTORS = 16, FIRST_DESCRIPTOR = 3, ABOVE_ALL = 64 };

/// What the child's descriptors will be; gives 0 or the error number.
static int plan_descriptors(posix_spawn_file_actions_t *actions, int error, const int *copies, int count) {
    int failure = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (!failure) {
        failure = posix_spawn_file_actions_adddup2(actions, error, 1);
    }
    if (!failure) {
        failure = posix_spawn_file_actions_adddup2(actions, error, 2);
    }
    for (int i = 0; i < count && !failure; i++) {
        failure = posix_spawn_file_actions_adddup2(actions, copies[i], FIRST_DESCRIPTOR + i);
    }
    return failure ? failure : posix_spawn_file_actions_addclosefrom_np(actions, FIRST_DESCRIPTOR + count);
}

/// A new session, default signals, an empty mask; gives 0 or the error number.
static int plan_attributes(posix_spawnattr_t *attributes) {
    sigset_t all, none;
    if (sigfillset(&all) != 0 || sigemptyset(&none) != 0) {
        return errno;
    }
    int failure = posix_spawnattr_setsigdefault(attributes, &all);
    if (!failure) {
        failure = posix_spawnattr_setsigmask(attributes, &none);
    }
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;
    return failure ? failure : posix_spawnattr_setflags(attributes, flags);
}

static int spawn(pid_t *child, const char *path, char *const arguments[], char *const environment[], int error,
                 const int *copies, int count) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failure = posix_spawn_file_actions_init(&actions);
    if (failure) {
        return failure;
    }
    failure = posix_spawnattr_init(&attributes);
    if (!failure) {
        failure = plan_descriptors(&actions, error, copies, count);
        if (!failure) {
            failure = plan_attributes(&attributes);
        }
        if (!failure) {
            failure = posix_spawn(child, path, &actions, &attributes, arguments, environment);
        }
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return failure;
}

pid_t ci_spawn(const char *path, char *const arguments[], char *const environment[], int error, const int *descriptors,
               int count) {
    if (count < 0 || count > MAX_DESCRIPTORS) {
        errno = EINVAL;
        return -1;
    }
    // Copies far above the places they go to: dup2(2) in order must not overwrite one that is still needed.
    int copies[MAX_DESCRIPTORS + 1];
    int made = 0;
    int failure = 0;
    for (; made <= count; made++) {
        copies[made] = fcntl(made < count ? descriptors[made] : error, F_DUPFD_CLOEXEC, ABOVE_ALL);
        if (copies[made] < 0) {
            failure = errno;
            break;
        }
    }
    pid_t child = -1;
    if (!failure) {
        failure = spawn(&child, path, arguments, environment, copies[count], copies, count);
    }
    for (int i = 0; i < made; i++) {
        close(copies[i]);
    }
    if (failure) {
        errno = failure;
        return -1;
    }
    return child;
}

int ci_pidfd_open(pid_t process) {
    return (int)syscall(SYS_pidfd_open, process, 0);
}

int ci_pidfd_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
}

int ci_pidfd_reap(int pidfd, int *status) {
    siginfo_t info = {};
    if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) != 0) {
        return -1;
    }
    if (info.si_pid == 0) {
        return 0;
    }
    *status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
    return 1;
}

int ci_probe_namespaces(void) {
    pid_t child = fork();
    if (child < 0) {
        return errno;
    }
    if (child == 0) {
        if (unshare(CLONE_NEWUSER) != 0) {
            _exit(errno);
        }
        int others = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
        _exit(unshare(others) != 0 ? errno : 0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return errno;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EPROTO;
}
