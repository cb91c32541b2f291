import Execution

extension SandboxPlan {
    /// `[init]`: what PID 1 of every sandbox does, in order.
    mutating func addInit() {
        // First of all: whatever the sandbox uses from here on counts as its own.
        add(.`init`, "join-cgroups")
        // After joining, so that the sandbox's own group looks like the root to it.
        add(.`init`, "cgroup-namespace")
        add(.`init`, "workspace", Path.workspace)
        add(.`init`, "workspace", Path.home)
        add(
            .`init`,
            "tmpfs",
            "/tmp",
            "size=\(settings.temporarySizeMB)m,nr_inodes=\(settings.workspaceInodes),mode=1777"
        )
        add(.`init`, "tmpfs", "/dev/shm", "size=\(settings.sharedMemorySizeMB)m,nr_inodes=1024,mode=1777")
        add(.`init`, "devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=620,max=16")
        add(.`init`, "proc", "/proc", "hidepid=invisible")
        for name in Self.maskedFiles { add(.`init`, "mask", "/proc/\(name)", Path.mask) }
        add(.`init`, "loopback-up")
        add(.`init`, "hostname", "sandbox")
        // Last of the namespaces: so the others belong to the parent's user namespace, where nothing inside has any
        // power.
        add(.`init`, "user-namespace", "\(Self.insideID)", "\(Self.insideID)")
        add(.`init`, "drop-capabilities")
        add(.`init`, "no-new-privileges")
        add(.`init`, "undumpable")
    }

    /// `[entry]`: what every child of a zygote does before it sees anything from outside, in order.
    mutating func addEntry() {
        // Before the namespaces hide the files.
        add(.entry, "join-cgroups")
        add(.entry, "namespaces")
        add(.entry, "directory", Path.workspace)
        add(.entry, "new-session")
        addResourceLimits()
        // The bounding set needs a capability to shrink, so it goes before the identity.
        add(.entry, "drop-bounding-set")
        add(.entry, "identity", "\(Self.insideID)", "\(Self.insideID)")
        // A change of ids inside a user namespace that was entered does not drop them.
        add(.entry, "drop-capabilities")
        // Landlock and seccomp need it.
        add(.entry, "no-new-privileges")
        // A change of ids made the process undumpable; it must read its own /proc.
        add(.entry, "dumpable")
        addLandlock()
        add(.entry, "umask", "022")
        add(.entry, "descriptors")
        add(.entry, "default-signals")
        // Last: the steps before use calls that it refuses.
        addSeccomp()
    }

    /// One filter for each kind, and none without.
    private mutating func addSeccomp() {
        for use in SeccompPrograms.Use.allCases {
            begin(.entry, for: SandboxKind.allCases.filter { SeccompPrograms.Use($0) == use })
            add(.entry, "seccomp", "\(use.rawValue)")
        }
    }

    private mutating func addLandlock() {
        guard let rules = LandlockRules(abi: facts.landlockABI) else { return }
        add(.entry, "landlock-handle", hexadecimal(rules.handled), hexadecimal(rules.scopes))
        add(.entry, "landlock-allow", "/", hexadecimal(rules.reading))
        for path in [Path.workspace, Path.home, "/tmp", "/dev/shm"] {
            add(.entry, "landlock-allow", path, hexadecimal(rules.everythingButDevices))
        }
        for name in Self.devices { add(.entry, "landlock-allow", "/dev/\(name)", hexadecimal(rules.device)) }
        add(.entry, "landlock-allow", "/dev/pts", hexadecimal(rules.terminals))
        add(.entry, "landlock-enforce")
    }

    private func hexadecimal(_ mask: UInt64) -> String { String(mask, radix: 16) }
}

/// What Landlock lets a program do to files; landlock(7) names the rights.
struct LandlockRules: Sendable, Equatable {
    /// Everything this kernel's Landlock knows: what no rule allows is refused.
    let handled: UInt64
    /// Abstract sockets and signals beyond the own processes: since version 6.
    let scopes: UInt64

    /// Nil where the kernel has no Landlock.
    init?(abi: Int) {
        guard abi >= 1 else { return nil }
        let bits: UInt64 = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13
        handled = (1 << bits) - 1
        scopes = abi >= 6 ? 0b11 : 0
    }

    private static let execute: UInt64 = 1 << 0
    private static let writeFile: UInt64 = 1 << 1
    private static let readFile: UInt64 = 1 << 2
    private static let readDirectory: UInt64 = 1 << 3
    private static let makeCharacterDevice: UInt64 = 1 << 6
    private static let makeBlockDevice: UInt64 = 1 << 11
    private static let truncate: UInt64 = 1 << 14
    private static let deviceControl: UInt64 = 1 << 15

    /// For everything: read and execute.
    var reading: UInt64 { Self.execute | Self.readFile | Self.readDirectory }
    /// For the directories that belong to the sandbox.
    var everythingButDevices: UInt64 {
        handled & ~(Self.makeCharacterDevice | Self.makeBlockDevice | Self.deviceControl)
    }
    /// For /dev/null and its like.
    var device: UInt64 { handled & (Self.readFile | Self.writeFile | Self.truncate | Self.deviceControl) }
    /// For pseudo terminals.
    var terminals: UInt64 { handled & (Self.readFile | Self.writeFile | Self.readDirectory | Self.deviceControl) }
}
