#include "system.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/// struct clone_args of clone(2) as of Linux 5.7.
struct ci_clone_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

#define CI_CLONE_INTO_CGROUP 0x200000000ULL

pid_t sys_clone_into(unsigned long flags, int *pidfd, int cgroup) {
    const struct ci_clone_arguments arguments = {
        .flags = flags | CI_CLONE_PIDFD | CI_CLONE_INTO_CGROUP,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)cgroup,
    };
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

pid_t sys_clone(unsigned long flags, int *pidfd) {
    unsigned long wanted = flags | SIGCHLD | (pidfd != NULL ? CI_CLONE_PIDFD : 0);
    return (pid_t)syscall(SYS_clone, wanted, NULL, pidfd, NULL, NULL);
}

int write_file_at(int directory, const char *path, const char *text) {
    int file = openat(directory, path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    size_t length = strlen(text);
    ssize_t written = write(file, text, length);
    int error = written < 0 ? errno : EIO;
    close(file);
    if (written == (ssize_t)length) return 0;
    errno = error;
    return -1;
}

void close_descriptor(int *descriptor) {
    if (*descriptor >= 0) close(*descriptor);
    *descriptor = -1;
}

int set_close_on_exec(int descriptor, bool isSet) { return fcntl(descriptor, F_SETFD, isSet ? FD_CLOEXEC : 0); }

int64_t now_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void say(const char *format, ...) {
    // One write(2) a line, so that lines of several processes do not mix.
    char line[512] = "sandbox-launcher: ";
    size_t prefix = strlen(line);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line + prefix, sizeof line - prefix - 1, format, arguments);
    va_end(arguments);
    if (length < 0) return;
    size_t total = prefix + (size_t)length;
    if (total > sizeof line - 2) total = sizeof line - 2;
    line[total] = '\n';
    // Nobody to tell when standard error is gone.
    ssize_t ignored = write(STDERR_FILENO, line, total + 1);
    (void)ignored;
}
