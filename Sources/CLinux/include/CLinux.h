/// Thin wrappers of what Swift on Linux cannot reach: one system call each, no decisions.
///
/// All return -1 and set errno on failure unless said otherwise. Every descriptor they make is close-on-exec.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Flags of openat2(2) that Glibc's Swift module hides; checked against the system's headers when this is compiled.
#define CI_O_PATH 010000000
#define CI_O_TMPFILE 020200000
#define CI_RESOLVE_NO_XDEV 0x01
#define CI_RESOLVE_NO_MAGICLINKS 0x02
#define CI_RESOLVE_NO_SYMLINKS 0x04
#define CI_RESOLVE_BENEATH 0x08

/// openat2(2).
int ci_openat2(int directory, const char *path, int flags, mode_t mode, uint64_t resolve);
/// getdents64(2); the buffer then holds `struct linux_dirent64` records.
ssize_t ci_getdents64(int directory, void *buffer, size_t size);

/// memfd_create(2), sealable.
int ci_memfd_create(const char *name);
/// Seals a memfd against every change, for ever.
int ci_memfd_seal(int memfd);
/// pipe2(2), close-on-exec; ends[0] reads.
int ci_pipe(int ends[2]);
/// eventfd(2), counting, non-blocking.
int ci_eventfd(void);
/// A pair of connected AF_UNIX SOCK_SEQPACKET sockets.
int ci_seqpacket_pair(int ends[2]);
/// Sets or clears O_NONBLOCK.
int ci_set_nonblocking(int descriptor, int nonblocking);
/// fcntl(2) F_SETPIPE_SZ.
int ci_set_pipe_size(int pipe, int bytes);

/// sendmsg(2) with MSG_NOSIGNAL and MSG_DONTWAIT; the descriptors (at most 16) ride on the first byte.
ssize_t ci_send(int socket, const void *bytes, size_t size, const int *descriptors, int descriptor_count);
/// recvmsg(2) with MSG_DONTWAIT. Up to `*descriptor_count` descriptors (at most 16) are stored and their number is set:
/// all of a message's, or none where there are more or this process may not have so many open. A message that does not
/// fit into `size` fails with EMSGSIZE.
ssize_t ci_receive(int socket, void *bytes, size_t size, int *descriptors, int *descriptor_count);

/// Starts `path` with posix_spawn(3) in a new session, with default signals and an empty mask. Its descriptors are: 0 =
/// /dev/null, 1 = 2 = `error`, 3 and up = `descriptors` in order (at most 16), nothing else. Gives the pid; on failure
/// -1 and errno, that of execve(2) included.
pid_t ci_spawn(const char *path, char *const arguments[], char *const environment[], int error, const int *descriptors,
               int count);
/// pidfd_open(2).
int ci_pidfd_open(pid_t process);
/// pidfd_send_signal(2).
int ci_pidfd_signal(int pidfd, int signal);
/// waitid(2) on a child's pidfd without blocking: 1 and its wait status as of waitpid(2) when it ended and was reaped,
/// 0 while it runs.
int ci_pidfd_reap(int pidfd, int *status);

/// setgroups(2) to `count` groups, in all threads.
int ci_set_groups(const gid_t *groups, int count);
/// setresgid(2), in all threads.
int ci_set_group(gid_t group);
/// setresuid(2), in all threads.
int ci_set_user(uid_t user);
/// getresuid(2) and getresgid(2): 1 if all three ids of both are as given, else 0.
int ci_ids_are(uid_t user, gid_t group);
/// prctl(2) PR_SET_NO_NEW_PRIVS, for the calling thread and all it starts.
int ci_set_no_new_privileges(void);
/// prctl(2) PR_GET_NO_NEW_PRIVS.
int ci_get_no_new_privileges(void);
/// prctl(2) PR_SET_DUMPABLE, for the process.
int ci_set_dumpable(int dumpable);

/// The version of the kernel's Landlock, 0 where there is none.
int ci_landlock_abi(void);
/// Whether an unprivileged user namespace can be made and is worth something: a forked child makes one, and others
/// inside. 0, or the errno.
int ci_probe_namespaces(void);
