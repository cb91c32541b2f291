import CSeccomp
import SeccompPolicy
import Testing

@testable import NativeSandbox

@Suite("The seccomp program")
struct SeccompTests {
    private static let errno: UInt32 = 0x0005_0000
    private static let allow: UInt32 = 0x7fff_0000
    private static let refused = errno | 1
    private static let absent = errno | 38
    private static let unsupported = errno | 95
    private let filter: FilterMachine

    init() throws {
        filter = FilterMachine(try SeccompProgram(.standard).bytes)
    }

    private func call(_ name: String, _ arguments: UInt64...) -> UInt32 {
        filter.run(number: UInt32(bitPattern: seccomp_syscall_resolve_name(name)), arguments: arguments)
    }

    @Test(
        "allows what ordinary programs do",
        arguments: ["read", "openat", "mmap", "futex", "execve", "wait4", "getdents64", "openat2"]
    )
    func ordinaryCalls(name: String) {
        #expect(call(name) == Self.allow)
    }

    @Test(
        "refuses what has let programs out of sandboxes",
        arguments: """
            bpf io_uring_setup io_uring_enter io_uring_register userfaultfd perf_event_open keyctl add_key request_key
            ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd mount umount2 pivot_root fsopen fsmount
            fsconfig fspick open_tree move_mount mount_setattr chroot open_by_handle_at name_to_handle_at setns
            unshare init_module finit_module delete_module kexec_load kexec_file_load swapon swapoff acct quotactl
            iopl ioperm modify_ldt settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname syslog
            vmsplice mbind set_mempolicy get_mempolicy move_pages migrate_pages fanotify_init lookup_dcookie uselib
            seccomp landlock_create_ruleset memfd_secret reboot vhangup nfsservctl setgroups process_madvise
            process_mrelease quotactl_fd sync syncfs ustat sysfs remap_file_pages io_setup io_submit
            """.split { $0 == " " || $0 == "\n" }.map(String.init)
    )
    func dangerousCalls(name: String) {
        #expect(call(name) == Self.refused)
    }

    @Test("makes calls whose flags it cannot see look absent", arguments: ["clone3", "execveat"])
    func absentCalls(name: String) {
        #expect(call(name) == Self.absent)
    }

    @Test(
        "makes calls that are newer than itself look absent",
        arguments: [451, 452, 463, 600, 0x3fff_ffff] as [UInt32]
    )
    func newCalls(number: UInt32) {
        #expect(filter.run(number: number, arguments: []) == Self.absent)
    }

    @Test("refuses other architectures and the x32 interface")
    func otherArchitectures() {
        #expect(filter.run(number: 0, arguments: [], architecture: 0x4000_0003) == Self.refused)
        #expect(filter.run(number: 600, arguments: [], architecture: 0x4000_0003) == Self.refused)
        #if arch(x86_64)
        for number in [UInt32(0), 39, 59, 520, 600] {
            #expect(filter.run(number: 0x4000_0000 | number, arguments: []) == Self.refused)
        }
        #endif
    }

    /// A call as the kernel sees it does not change with the high words of arguments it takes as 32-bit numbers.
    private func isSame(_ name: String, _ arguments: [UInt64], _ expected: UInt32) -> Bool {
        let number = UInt32(bitPattern: seccomp_syscall_resolve_name(name))
        return ([0, 0xffff_ffff_0000_0000, 0x1_0000_0000] as [UInt64]).allSatisfy { garbage in
            arguments.indices.allSatisfy { index in
                var changed = arguments
                changed[index] |= garbage
                return filter.run(number: number, arguments: changed) == expected
            }
        }
    }

    @Test("allows clone for processes and threads, but no new namespace, however it is dressed")
    func clone() {
        #expect(isSame("clone", [0x0120_0011], Self.allow))
        #expect(isSame("clone", [0x003d_0f00], Self.allow))
        for flag in [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] as [UInt64] {
            #expect(isSame("clone", [flag | 17], Self.refused))
        }
    }

    @Test("allows unix, TCP and UDP sockets and nothing else")
    func sockets() {
        for type in [1, 2, 5, 1 | 0o2000000, 2 | 0o2004000] as [UInt64] {
            #expect(isSame("socket", [1, type, 0], Self.allow))
        }
        for family in [2, 10] as [UInt64] {
            for (type, transport) in [(1, 0), (1, 6), (2, 0), (2, 17), (1 | 0o2000000, 6)] as [(UInt64, UInt64)] {
                #expect(isSame("socket", [family, type, transport], Self.allow))
            }
            for (type, transport) in [(3, 0), (3, 1), (2, 1), (2, 58), (1, 132), (5, 132), (1, 262), (2, 136), (6, 33)]
                as [(UInt64, UInt64)]
            {
                #expect(isSame("socket", [family, type, transport], Self.refused))
            }
        }
        for family in (UInt64(0)...46) where ![1, 2, 10].contains(family) {
            // libzmq aborts when a netlink socket is refused in any other way.
            let answer = family == 16 ? Self.unsupported : Self.refused
            for type in [1, 2, 3, 5] as [UInt64] { #expect(isSame("socket", [family, type, 0], answer)) }
        }
        #expect(isSame("socketpair", [1, 1, 0], Self.allow))
        #expect(isSame("socketpair", [30, 1, 0], Self.refused))
    }

    @Test("allows terminals to be asked and set, but never to be fed")
    func ioctls() {
        for request in [0x5401, 0x5413, 0x541B, 0x5421, 0x8004_5430] as [UInt64] {
            #expect(isSame("ioctl", [0, request], Self.allow))
        }
        for request in [0x5412, 0x541C, 0x4004_7601, 0xC018_5E00] as [UInt64] {
            #expect(isSame("ioctl", [0, request], Self.refused))
        }
    }

    @Test("allows harmless prctl requests only")
    func prctls() {
        for request in [1, 4, 15, 16, 38, 0x5356_4d41] as [UInt64] { #expect(isSame("prctl", [request], Self.allow)) }
        for request in [22, 24, 28, 35, 47, 53, 59, 0x5961_6d61] as [UInt64] {
            #expect(isSame("prctl", [request], Self.refused))
        }
    }

    @Test("allows fifos and files to be made, but no devices")
    func mknod() {
        for mode in [0o010644, 0o100644, 0o644] as [UInt64] { #expect(isSame("mknodat", [0, 0, mode], Self.allow)) }
        for mode in [0o020644, 0o060644, 0o140644] as [UInt64] {
            #expect(isSame("mknod", [0, mode], Self.refused))
            #expect(isSame("mknodat", [0, 0, mode], Self.refused))
        }
    }

    @Test("gives no handle of init")
    func pidfd() {
        #expect(isSame("pidfd_open", [1], Self.refused))
        for pid in [0, 2, 3, 257, 0x8000_0001, 0xffff_ffff] as [UInt64] {
            #expect(isSame("pidfd_open", [pid], Self.allow))
        }
    }

    @Test("lets a program ask for its personality, but not turn randomisation off")
    func personality() {
        #expect(isSame("personality", [0xffff_ffff], Self.allow))
        #expect(isSame("personality", [0], Self.allow))
        #expect(isSame("personality", [0x4_0000], Self.refused))
    }

    @Test("differs for scripts in netlink sockets alone, which are refused like any other")
    func scripts() throws {
        let scripts = FilterMachine(try SeccompProgram(SeccompPolicy.standard.forScripts).bytes)
        let socket = UInt32(bitPattern: seccomp_syscall_resolve_name("socket"))
        for family in UInt64(0)...46 {
            for type in [1, 2, 3, 5] as [UInt64] {
                let answer = family == 16 ? Self.refused : call("socket", family, type, 0)
                #expect(scripts.run(number: socket, arguments: [family, type, 0]) == answer)
            }
        }
    }

    @Test("comes with the others in one file, each after its count of instructions")
    func file() throws {
        let all = try SeccompPrograms()
        let scripts = try SeccompProgram(SeccompPolicy.standard.forScripts).bytes
        let contexts = try SeccompProgram(.standard).bytes
        #expect(all.programs.map(\.bytes) == [scripts, contexts] && scripts != contexts)
        #expect(all.bytes.count == scripts.count + contexts.count + 8)
        #expect(
            all.bytes.dropFirst(4).starts(with: scripts) && all.bytes.suffix(contexts.count).elementsEqual(contexts)
        )
        let count = all.bytes.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect(count == scripts.count / 8)
    }

    @Test("without cgroups allows no memory that belongs to no process")
    func withoutCgroups() throws {
        let strict = FilterMachine(try SeccompProgram(.withoutCgroups).bytes)
        for name in ["memfd_create", "shmget"] {
            let number = UInt32(bitPattern: seccomp_syscall_resolve_name(name))
            #expect(filter.run(number: number, arguments: []) == Self.allow)
            #expect(strict.run(number: number, arguments: []) == Self.refused)
        }
    }
}

/// Runs a classic BPF program over the description of one system call, as the kernel does.
struct FilterMachine {
    private struct Instruction {
        var code: UInt16
        var ifTrue: Int
        var ifFalse: Int
        var operand: UInt32
    }

    private let program: [Instruction]

    init(_ bytes: [UInt8]) {
        func word(_ offset: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) } }
        program = stride(from: 0, to: bytes.count, by: 8).map { offset in
            Instruction(
                code: UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8,
                ifTrue: Int(bytes[offset + 2]),
                ifFalse: Int(bytes[offset + 3]),
                operand: word(offset + 4)
            )
        }
    }

    func run(number: UInt32, arguments: [UInt64], architecture: UInt32 = seccomp_arch_native()) -> UInt32 {
        var words = [number, architecture, 0, 0]
        for index in 0..<6 {
            let argument = index < arguments.count ? arguments[index] : 0
            words += [UInt32(truncatingIfNeeded: argument), UInt32(argument >> 32)]
        }
        var accumulator: UInt32 = 0
        var position = 0
        while true {
            let step = program[position]
            position += 1
            func jump(_ condition: Bool) { position += condition ? step.ifTrue : step.ifFalse }
            switch step.code {
            case 0x20: accumulator = words[Int(step.operand) / 4]
            case 0x54: accumulator &= step.operand
            case 0x05: position += Int(step.operand)
            case 0x15: jump(accumulator == step.operand)
            case 0x25: jump(accumulator > step.operand)
            case 0x35: jump(accumulator >= step.operand)
            case 0x45: jump(accumulator & step.operand != 0)
            case 0x06: return step.operand
            default: preconditionFailure("an instruction no seccomp filter has: \(step.code)")
            }
        }
    }
}
