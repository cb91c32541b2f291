/// Which system calls a program may make. Data: what is not named here is refused with EPERM.
///
/// The start is what container engines allow by default; taken away is what has let programs out of containers, what
/// only system software needs, and what reaches beyond the sandbox. A call the kernel learned after this list was made
/// gets ENOSYS, so that libraries fall back.
///
/// Every backend makes of it what its own walls are made from: a filter, or the profile of a container engine.
package struct SeccompPolicy: Sendable {
    /// Calls that are allowed whatever their arguments are.
    package var allowed: [Group]
    /// Calls that are allowed with some arguments; several rules of one call are alternatives.
    package var conditional: [Rule]
    /// Calls that are refused with a code of their own where some argument is what it is.
    package var refused: [Refusal]
    /// Calls that answer ENOSYS: the C library then uses an older one whose arguments a filter can see.
    package var absent: [Group]

    package struct Group: Sendable {
        package var reason: String
        package var calls: [String]

        package init(reason: String, calls: [String]) {
            self.reason = reason
            self.calls = calls
        }
    }

    package struct Rule: Sendable {
        package var call: String
        package var conditions: [Condition]
        package var reason: String
    }

    package struct Refusal: Sendable {
        package var rule: Rule
        package var code: Int32
    }

    /// Looks at one argument, as the kernel does: only its low 32 bits count, so nothing in the high ones gets past.
    package enum Condition: Sendable, Equatable {
        /// (low word of argument & mask) == value
        case masked(argument: UInt32, mask: UInt32, value: UInt32)

        package static func equals(_ argument: UInt32, _ value: UInt32) -> Condition {
            .masked(argument: argument, mask: .max, value: value)
        }
    }

    /// What holds where control groups count the memory of a sandbox.
    package static let standard = SeccompPolicy(
        allowed: [
            files, fileChanges, descriptors, memory, processes, signals, time, identity, messages, sockets,
            interprocess,
        ],
        conditional: namespaceRules + socketRules + controlRules + deviceRules + processRules,
        refused: [noNetlink],
        absent: [
            Group(
                reason:
                    "what they do lies in memory, where a filter cannot look; the C library then does without them",
                calls: ["clone3", "execveat"]
            )
        ]
    )

    /// What holds where only the memory a process maps is limited: without memory that belongs to no process.
    package static let withoutCgroups: SeccompPolicy = {
        var policy = standard
        for index in policy.allowed.indices {
            policy.allowed[index].calls.removeAll { $0 == "memfd_create" || $0 == "shmget" }
        }
        return policy
    }()

    /// For programs that are no kernels of contexts: a netlink socket, too, is simply refused.
    package var forScripts: SeccompPolicy {
        var policy = self
        policy.refused = []
        return policy
    }

    private static let files = Group(
        reason: "looking at files",
        calls: """
            access faccessat faccessat2 stat lstat fstat newfstatat statx statfs fstatfs readlink readlinkat getcwd
            chdir fchdir open openat openat2 creat close close_range read pread64 readv preadv preadv2 lseek getdents
            getdents64 getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr fadvise64 readahead inotify_init
            inotify_init1 inotify_add_watch inotify_rm_watch umask
            """.words
    )

    private static let fileChanges = Group(
        reason: "changing files; where is decided by mounts and Landlock",
        calls: """
            write pwrite64 writev pwritev pwritev2 truncate ftruncate fallocate fsync fdatasync sync_file_range mkdir
            mkdirat rmdir rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat chmod fchmod
            fchmodat chown fchown lchown fchownat utime utimes utimensat futimesat setxattr lsetxattr fsetxattr
            removexattr lremovexattr fremovexattr flock sendfile copy_file_range splice tee
            """.words
    )

    private static let descriptors = Group(
        reason: "descriptors and waiting for them",
        calls: """
            dup dup2 dup3 fcntl pipe pipe2 poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl
            epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4
            timerfd_create timerfd_settime timerfd_gettime
            """.words
    )

    private static let memory = Group(
        reason: """
            memory of the own process. memfd_create too: what it makes is charged to the sandbox like a file in /tmp \
            and can do no more than one there; interpreters and data libraries share memory with it
            """,
        calls: """
            brk mmap munmap mprotect mremap msync madvise mlock mlock2 mlockall munlock munlockall mincore
            memfd_create pkey_alloc pkey_free pkey_mprotect membarrier
            """.words
    )

    private static let processes = Group(
        reason: "own processes and threads, and how the kernel schedules them",
        calls: """
            fork vfork execve exit exit_group wait4 waitid set_tid_address set_robust_list get_robust_list rseq futex
            futex_waitv arch_prctl getpid getppid gettid getpgid getpgrp setpgid getsid setsid sched_yield
            sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler
            sched_get_priority_max sched_get_priority_min sched_rr_get_interval sched_getattr sched_setattr
            getpriority setpriority ioprio_get ioprio_set getrlimit setrlimit getrusage getcpu
            """.words
    )

    private static let signals = Group(
        reason: "signals; whom they reach is decided by the PID namespace and Landlock",
        calls: """
            rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigsuspend rt_sigreturn sigaltstack kill
            tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal pause alarm restart_syscall
            """.words
    )

    private static let time = Group(
        reason: "reading clocks and sleeping",
        calls: """
            time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep getitimer setitimer times
            timer_create timer_settime timer_gettime timer_getoverrun timer_delete
            """.words
    )

    private static let identity = Group(
        reason: "own ids; setting them can only keep them, for the user namespace has one",
        calls: """
            getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid
            setresgid setfsuid setfsgid capget capset uname sysinfo getrandom
            """.words
    )

    private static let messages = Group(
        reason: "message queues, semaphores and shared memory of the own IPC namespace",
        calls: """
            shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink
            mq_timedsend mq_timedreceive mq_notify mq_getsetattr
            """.words
    )

    private static let sockets = Group(
        reason: "using sockets; which can be made is decided below",
        calls: """
            bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt sendto sendmsg
            sendmmsg recvfrom recvmsg recvmmsg
            """.words
    )

    private static let interprocess = Group(reason: "legacy names of the above on some machines", calls: ["ugetrlimit"])
}

extension String {
    /// The words of a text that is broken into lines.
    var words: [String] { split { $0 == " " || $0 == "\n" }.map(String.init) }
}
