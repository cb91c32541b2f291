import Execution

/// Decides how every sandbox of this server is built: settings and facts in, a plan out. Nothing is looked up or
/// changed here.
struct SandboxPlan: Sendable, Equatable {
    /// What goes to the launcher.
    private(set) var plan = PlanText()
    /// How users are told apart; see ``Identity``.
    let identity: Identity
    /// Which statistics the launcher hands over with a sandbox, in order.
    var statistics: [Statistic] = []

    let settings: NativeSettings
    let facts: HostFacts
    /// Distinguishes the control groups of this server from those of others.
    let token: String
    /// Names and contents of the files that run inside.
    let runtimeFiles: [RuntimeFile]

    struct RuntimeFile: Sendable, Equatable {
        var name: String
        var content: String
    }

    /// One file of a control group.
    enum Statistic: Sendable, Equatable {
        case outOfMemoryEvents, memoryPeak, processorUsage, processes
    }

    /// Paths every sandbox has.
    enum Path {
        static let workspace = "/workspace"
        static let home = "/home/user"
        static let installation = "/opt/code-interpreter"
        static let environment = installation + "/venv"
        static let runtime = installation + "/runtime"
        /// A file nobody may open, mounted over those that tell about the host.
        static let mask = installation + "/masked"
        static let entryLibrary = installation + "/lib/libSandboxEntry.so"
    }

    /// Of /proc, readable for everybody and about the host: its boot arguments, addresses and keys. Its other files are either
    /// harmless, such as meminfo, or root's alone.
    static let maskedFiles = ["cmdline", "kallsyms", "keys", "timer_list", "latency_stats"]

    /// Who a sandbox's program is, inside.
    static let insideID = 1000
    static let insideName = "user"

    init(settings: NativeSettings, facts: HostFacts, token: String, runtimeFiles: [RuntimeFile]) {
        self.settings = settings
        self.facts = facts
        self.token = token
        self.runtimeFiles = runtimeFiles
        self.identity = Identity.choose(facts, settings)
        addLauncher()
        addRoot()
        addLimits()
        addWorkspace()
        addStatistics()
        addInit()
        addEntry()
    }

    mutating func add(_ section: PlanText.Section, _ verb: String, _ arguments: String...) {
        plan.add(verb, arguments, to: section)
    }

    /// The following steps of a section count for sandboxes of these kinds; for every sandbox where there are none.
    mutating func begin(_ section: PlanText.Section, for kinds: [SandboxKind]) {
        plan.add("for", kinds.map(\.rawValue), to: section)
    }

    private mutating func addWorkspace() {
        add(.workspace, "option", "size", "\(settings.workspaceSizeMB)m")
        add(.workspace, "option", "nr_inodes", "\(settings.workspaceInodes)")
        add(.workspace, "option", "mode", "0700")
    }
}

/// Which ids of the host the programs of sandboxes have.
enum Identity: Sendable, Equatable {
    /// Root gives each sandbox its own.
    case own(first: Int, count: Int)
    /// Not root, but with subordinate ids: each sandbox its own.
    case subordinate(SubordinateIDs)
    /// Not root: all sandboxes have the server's id; what separates them are namespaces, Landlock and seccomp.
    case shared
    /// The same as root, whose server takes on this id.
    case sharedByRoot(id: UInt32)

    /// tmpfs mounts can be idmapped since Linux 6.3; without that a workspace cannot belong to two ids.
    static let idmappedWorkspaceKernel = HostFacts.KernelVersion(6, 3)

    static func choose(_ facts: HostFacts, _ settings: NativeSettings) -> Identity {
        if facts.isRoot {
            return facts.kernel >= idmappedWorkspaceKernel
                ? .own(first: settings.sandboxUIDBase, count: settings.sandboxSlots)
                : .sharedByRoot(id: settings.serverUID)
        }
        guard let ids = facts.subordinateIDs, facts.hasIDMapTools, ids.count >= 16,
            facts.kernel >= idmappedWorkspaceKernel
        else { return .shared }
        return .subordinate(ids)
    }
}
