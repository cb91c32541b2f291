import Glibc

extension SeccompPolicy {
    /// clone(2) without any flag that makes a namespace or attaches a tracer.
    static let namespaceRules = [
        Rule(
            call: "clone",
            conditions: [.masked(argument: 0, mask: cloneRefused, value: 0)],
            reason:
                "no namespace of its own: inside one, a program has powers again and meets administrators' kernel code"
        )
    ]

    /// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET and CLONE_PTRACE.
    private static let cloneRefused: UInt32 = 0x7E02_0000 | 0x2000

    static let socketRules: [Rule] =
        [streamType, datagramType, sequentialType].map { type in
            Rule(call: "socket", conditions: [.equals(0, unix), type, .equals(2, 0)], reason: "between own processes")
        }
        + [internet4, internet6].flatMap { family in
            [(streamType, 0), (streamType, 6), (datagramType, 0), (datagramType, 17)].map { type, transport in
                Rule(
                    call: "socket",
                    conditions: [.equals(0, family), type, .equals(2, transport)],
                    reason: "TCP and UDP, in a network namespace that has nothing but the loopback device"
                )
            }
        }
        + [
            Rule(call: "socketpair", conditions: [.equals(0, unix)], reason: "pairs of other families have had holes")
        ]

    /// getifaddrs(3) asks a netlink socket. libzmq, which asks whenever it binds a TCP socket, aborts on any other code
    /// than this and EINVAL; with it, it goes on without names of interfaces. Kernels of other languages do that.
    static let noNetlink = Refusal(
        rule: Rule(
            call: "socket",
            conditions: [.equals(0, netlink)],
            reason: "as on a kernel without it: libraries then do without"
        ),
        code: EOPNOTSUPP
    )

    private static let netlink: UInt32 = 16
    private static let unix: UInt32 = 1
    private static let internet4: UInt32 = 2
    private static let internet6: UInt32 = 10
    private static let streamType = socketType(1)
    private static let datagramType = socketType(2)
    private static let sequentialType = socketType(5)

    /// SOCK_CLOEXEC and SOCK_NONBLOCK do not matter.
    private static func socketType(_ type: UInt32) -> Condition {
        .masked(argument: 1, mask: ~(0o2000000 | 0o4000), value: type)
    }

    /// prlimit(2), prctl(2), ioctl(2) and personality(2), by what they are asked to do.
    static let controlRules: [Rule] =
        [Rule(call: "prlimit64", conditions: [.equals(0, 0)], reason: "limits of the caller, not of another context")]
        + processControls.map {
            Rule(call: "prctl", conditions: [.equals(0, $0)], reason: "harmless facts about the caller")
        }
        + deviceControls.map {
            Rule(call: "ioctl", conditions: [.equals(1, $0)], reason: "terminals, pipes, sockets, files")
        }
        + personalities.map {
            Rule(call: "personality", conditions: [.equals(0, $0)], reason: "asking, and Linux's own")
        }

    /// PR_SET_PDEATHSIG, GET_PDEATHSIG, GET_DUMPABLE, SET_DUMPABLE, SET_NAME, GET_NAME, GET_SECCOMP, CAPBSET_READ,
    /// SET_TIMERSLACK, GET_TIMERSLACK, SET_CHILD_SUBREAPER, GET_CHILD_SUBREAPER, SET_NO_NEW_PRIVS, GET_NO_NEW_PRIVS,
    /// GET_TID_ADDRESS, SET_THP_DISABLE, GET_THP_DISABLE, GET_SPECULATION_CTRL, SET_VMA (names of memory areas).
    private static let processControls: [UInt32] = [
        1, 2, 3, 4, 15, 16, 21, 23, 29, 30, 36, 37, 38, 39, 40, 41, 42, 52, 0x5356_4d41,
    ]

    /// Not among them: TIOCSTI and TIOCLINUX, which put input into a terminal.
    private static let deviceControls: [UInt32] = terminals + pseudoTerminals + descriptorControls + networkQuestions

    private static let terminals: [UInt32] = [
        0x5401, 0x5402, 0x5403, 0x5404,  // TCGETS, TCSETS, TCSETSW, TCSETSF
        0x5405, 0x5406, 0x5407, 0x5408,  // TCGETA, TCSETA, TCSETAW, TCSETAF
        0x802C_542A, 0x402C_542B, 0x402C_542C, 0x402C_542D,  // TCGETS2, TCSETS2, TCSETSW2, TCSETSF2
        0x5409, 0x540A, 0x540B, 0x5425,  // TCSBRK, TCXONC, TCFLSH, TCSBRKP
        0x540E, 0x540F, 0x5410, 0x5422, 0x5429,  // TIOCSCTTY, TIOCGPGRP, TIOCSPGRP, TIOCNOTTY, TIOCGSID
        0x5413, 0x5414, 0x5411, 0x5424,  // TIOCGWINSZ, TIOCSWINSZ, TIOCOUTQ, TIOCGETD
    ]

    private static let pseudoTerminals: [UInt32] = [
        0x5420, 0x8004_5438,  // TIOCPKT, TIOCGPKT
        0x8004_5430, 0x5441,  // TIOCGPTN, TIOCGPTPEER
        0x4004_5431, 0x8004_5439,  // TIOCSPTLCK, TIOCGPTLCK
    ]

    private static let descriptorControls: [UInt32] = [
        0x541B, 0x5421, 0x5450, 0x5451, 0x5452, 0x5460,  // FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, FIOASYNC, FIOQSIZE
        0x8901, 0x8902, 0x8903, 0x8904, 0x8905,  // FIOSETOWN, SIOCSPGRP, FIOGETOWN, SIOCGPGRP, SIOCATMARK
        0x8008_6601, 0x8004_6601, 0xC020_660B,  // FS_IOC_GETFLAGS in both widths, FS_IOC_FIEMAP
        0x4004_9409, 0x4020_940D,  // FICLONE, FICLONERANGE
    ]

    /// What interfaces there are and what they are like.
    private static let networkQuestions: [UInt32] = [
        0x8910, 0x8912, 0x8913, 0x8915,  // SIOCGIFNAME, SIOCGIFCONF, SIOCGIFFLAGS, SIOCGIFADDR
        0x8919, 0x891B, 0x891D, 0x8921,  // SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMETRIC, SIOCGIFMTU
        0x8927, 0x8933,  // SIOCGIFHWADDR, SIOCGIFINDEX
    ]

    /// PER_LINUX, PER_LINUX32, UNAME26 and both, and the question what it is.
    private static let personalities: [UInt32] = [0, 0x8, 0x20000, 0x20008, .max]

    /// mknod(2): fifos and ordinary files.
    static let deviceRules: [Rule] = [("mknod", UInt32(1)), ("mknodat", 2)].flatMap { call, argument in
        [UInt32(0), 0o010000, 0o100000].map { type in
            Rule(
                call: call,
                conditions: [.masked(argument: argument, mask: 0o170000, value: type)],
                reason: "fifos and ordinary files, no devices"
            )
        }
    }

    /// pidfd_open(2) of anybody but init: some bit of the id must differ from 1.
    static let processRules: [Rule] = (0..<32).map { bit in
        Rule(
            call: "pidfd_open",
            conditions: [.masked(argument: 0, mask: 1 << bit, value: bit == 0 ? 0 : 1 << bit)],
            reason: "own processes; a handle of init opens the way to its namespaces"
        )
    }
}
