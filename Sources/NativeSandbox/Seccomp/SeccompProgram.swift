import CLinux
import CSeccomp
import Execution
import Glibc
import SeccompPolicy

/// The filters of a server, which the plan tells apart by number: see docs/PROTOCOL.md.
struct SeccompPrograms: Sendable, Equatable {
    /// What runs under each; the raw value is its number.
    enum Use: Int, CaseIterable {
        case scripts, contexts

        init(_ kind: SandboxKind) { self = SandboxKind.executions.contains(kind) ? .scripts : .contexts }
    }

    let programs: [SeccompProgram]

    /// Compiles what `policy` says for each use.
    init(_ policy: SeccompPolicy = .standard) throws(SystemError) {
        var programs: [SeccompProgram] = []
        for use in Use.allCases {
            let own =
                switch use {
                case .scripts: policy.forScripts
                case .contexts: policy
                }
            programs.append(try SeccompProgram(own))
        }
        self.programs = programs
    }

    /// Each program's count of instructions, four bytes, and the instructions.
    var bytes: [UInt8] {
        programs.flatMap { program in withUnsafeBytes(of: UInt32(program.bytes.count / 8)) { Array($0) } + program.bytes
        }
    }
}

/// A filter that programs in a sandbox run under, as the kernel takes it.
struct SeccompProgram: Sendable, Equatable {
    /// An array of `struct sock_filter`.
    let bytes: [UInt8]

    /// Compiles `policy` for this machine's architecture.
    ///
    /// - Throws: ``SystemError`` of libseccomp; a call of the table that this architecture lacks is skipped.
    init(_ policy: SeccompPolicy) throws(SystemError) {
        let filter = try Filter()
        try filter.set(SCMP_FLTATR_ACT_BADARCH, Self.refuse(EPERM))
        // A binary tree instead of a list: half the instructions for a common call, and a quarter of the time to
        // install it.
        try filter.set(SCMP_FLTATR_CTL_OPTIMIZE, 2)
        for call in policy.allowed.flatMap(\.calls) { try filter.add(Self.allow, call) }
        for call in policy.absent.flatMap(\.calls) { try filter.add(Self.refuse(ENOSYS), call) }
        for rule in policy.conditional { try filter.add(Self.allow, rule.call, rule.conditions) }
        for refusal in policy.refused {
            try filter.add(Self.refuse(refusal.code), refusal.rule.call, refusal.rule.conditions)
        }
        bytes = Self.unknownCallsAreAbsent() + (try filter.export())
    }

    fileprivate static let allow: UInt32 = 0x7fff_0000
    fileprivate static func refuse(_ code: Int32) -> UInt32 { 0x0005_0000 | UInt32(code) }

    /// The last call that existed when the table was made: set_mempolicy_home_node, Linux 5.17.
    private static let lastKnownCall: UInt32 = 450
    /// Calls of the x32 interface have this bit; they are refused, not absent.
    private static let x32Bit: UInt32 = 0x4000_0000

    /// Instructions before the filter proper: a native call newer than the table answers ENOSYS, as on a kernel that
    /// lacks it.
    private static func unknownCallsAreAbsent() -> [UInt8] {
        let architecture = seccomp_arch_native()
        return [
            instruction(0x20, 0, 0, 4),  // load the architecture
            instruction(0x15, 0, 4, architecture),  // another one: on to the filter
            instruction(0x20, 0, 0, 0),  // load the number
            instruction(0x35, 2, 0, x32Bit),  // x32: on to the filter
            instruction(0x25, 0, 1, lastKnownCall),  // known: on to the filter
            instruction(0x06, 0, 0, refuse(ENOSYS)),
        ].flatMap { $0 }
    }

    private static func instruction(_ code: UInt16, _ ifTrue: UInt8, _ ifFalse: UInt8, _ operand: UInt32) -> [UInt8] {
        withUnsafeBytes(of: code) { Array($0) } + [ifTrue, ifFalse] + withUnsafeBytes(of: operand) { Array($0) }
    }
}

/// A filter of libseccomp in the making.
private final class Filter {
    private let context: scmp_filter_ctx

    init() throws(SystemError) {
        guard let context = seccomp_init(SeccompProgram.refuse(EPERM)) else {
            throw SystemError("seccomp_init", code: ENOMEM)
        }
        self.context = context
    }

    deinit { seccomp_release(context) }

    func set(_ attribute: scmp_filter_attr, _ value: UInt32) throws(SystemError) {
        let result = seccomp_attr_set(context, attribute, value)
        if result != 0 { throw SystemError("seccomp_attr_set", code: -result) }
    }

    func add(_ action: UInt32, _ call: String, _ conditions: [SeccompPolicy.Condition] = []) throws(SystemError) {
        let number = seccomp_syscall_resolve_name(call)
        // Negative: this architecture, or this version of libseccomp, does not know it.
        guard number >= 0 else { return }
        let comparisons = conditions.map(Self.comparison)
        let result = seccomp_rule_add_array(context, action, number, UInt32(comparisons.count), comparisons)
        if result != 0 { throw SystemError("seccomp_rule_add", on: call, code: -result) }
    }

    private static func comparison(_ condition: SeccompPolicy.Condition) -> scmp_arg_cmp {
        switch condition {
        case .masked(let argument, let mask, let value):
            scmp_arg_cmp(arg: argument, op: SCMP_CMP_MASKED_EQ, datum_a: UInt64(mask), datum_b: UInt64(value))
        }
    }

    func export() throws(SystemError) -> [UInt8] {
        let file = Descriptor(owning: try systemCall("memfd_create") { ci_memfd_create("seccomp") })
        let result = seccomp_export_bpf(context, file.raw)
        if result != 0 { throw SystemError("seccomp_export_bpf", code: -result) }
        let size = Int(try systemCall("lseek") { lseek(file.raw, 0, SEEK_END) })
        var bytes = [UInt8](repeating: 0, count: size)
        let count = try systemCall("pread") { pread(file.raw, &bytes, size, 0) }
        guard count == size else { throw SystemError("pread", code: EIO) }
        return bytes
    }
}
