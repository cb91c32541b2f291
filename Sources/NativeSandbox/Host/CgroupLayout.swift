/// Where this host lets us make control groups.
enum CgroupLayout: Sendable, Equatable {
    /// One hierarchy for each controller.
    case version1([Hierarchy])
    case version2(Unified)
    /// None, and why.
    case missing(String)

    var isMissing: Bool {
        if case .missing = self { true } else { false }
    }

    /// A hierarchy of version 1.
    struct Hierarchy: Sendable, Equatable {
        /// Its controllers, such as `cpu` and `cpuacct`.
        var controllers: [String]
        /// The directory in which ours is made.
        var parent: String
    }

    /// The hierarchy of version 2.
    struct Unified: Sendable, Equatable {
        /// The directory in which ours is made.
        var parent: String
        /// Which of ``CgroupLayout/wantedControllers`` it can give.
        var controllers: [String]
        /// Whether its processes must move into a leaf before it may give controllers to children; only the real root
        /// needs not.
        var needsLeaf: Bool
        /// Those it does not give to children yet.
        var toEnable: [String]
    }

    /// What is used where it exists; only memory and pids are indispensable. Version 2 freezes without a controller.
    static let wantedControllers = ["memory", "pids", "cpu", "cpuacct", "freezer"]
    /// Every directory of ours begins with this.
    static let prefix = "code-interpreter-"

    /// Looks at the hierarchies of this host. Version 2 is used where it has memory and pids, else version 1.
    static func inspect(_ files: HostFiles) -> CgroupLayout {
        guard let own = files.read("/proc/self/cgroup"), let mountInfo = files.read("/proc/self/mountinfo") else {
            return .missing("/proc/self/cgroup or mountinfo cannot be read")
        }
        let mounts = mountInfo.split(separator: "\n").compactMap { CgroupMount(mountInfoLine: $0) }
        let unified = inspectUnified(mounts, own: own, files)
        if case .version2 = unified { return unified }
        let version1 = inspectVersion1(mounts, files)
        if case .version1 = version1 { return version1 }
        return mounts.contains { $0.isUnified && files.read($0.path + "/cgroup.controllers")?.trimmed != "" }
            ? unified : version1
    }

    private static func inspectUnified(_ mounts: [CgroupMount], own: String, _ files: HostFiles) -> CgroupLayout {
        guard let mount = mounts.first(where: { $0.isUnified }) else {
            return .missing("no cgroup hierarchy is mounted")
        }
        // Only the real root of the hierarchy has no cgroup.type; a container sees some other directory as its root.
        let isRealRoot = files.kind(mount.path + "/cgroup.type") == nil
        let parent =
            isRealRoot && files.isWritable(mount.path + "/cgroup.subtree_control")
            ? mount.path : ownDirectory(mount, own: own)
        let available = words(files.read(parent + "/cgroup.controllers"))
        for needed in ["memory", "pids"] where !available.contains(needed) {
            return .missing("the controller '\(needed)' is not delegated to \(parent)")
        }
        for file in ["", "/cgroup.procs", "/cgroup.subtree_control"] where !files.isWritable(parent + file) {
            return .missing("\(parent + file) is not writable")
        }
        let controllers = wantedControllers.filter(available.contains)
        let enabled = words(files.read(parent + "/cgroup.subtree_control"))
        return .version2(
            Unified(
                parent: parent,
                controllers: controllers,
                needsLeaf: files.kind(parent + "/cgroup.type") != nil,
                toEnable: controllers.filter { !enabled.contains($0) }
            )
        )
    }

    private static func inspectVersion1(_ mounts: [CgroupMount], _ files: HostFiles) -> CgroupLayout {
        var hierarchies: [Hierarchy] = []
        for controller in wantedControllers where !hierarchies.contains(where: { $0.controllers.contains(controller) })
        {
            let mount = mounts.first { !$0.isUnified && $0.controllers.contains(controller) }
            if let mount, files.isWritable(mount.path) {
                let controllers = wantedControllers.filter(mount.controllers.contains)
                hierarchies.append(Hierarchy(controllers: controllers, parent: mount.path))
            } else if controller == "memory" || controller == "pids" {
                return .missing(
                    mount.map { "\($0.path) is not writable" } ?? "no hierarchy has the controller '\(controller)'"
                )
            }
        }
        return .version1(hierarchies)
    }

    /// The directory of the own cgroup below the mount; a mount may show only a part of the hierarchy.
    private static func ownDirectory(_ mount: CgroupMount, own: String) -> String {
        let line = own.split(separator: "\n").first { $0.hasPrefix("0::") }
        var path = line.map { $0.dropFirst(3) } ?? "/"
        if mount.root != "/", path.hasPrefix(mount.root) { path = path.dropFirst(mount.root.count) }
        return path == "/" || path.isEmpty ? mount.path : mount.path + path
    }

    private static func words(_ text: String?) -> [String] {
        (text ?? "").split { $0 == " " || $0 == "\n" }.map(String.init)
    }
}

/// One line of /proc/self/mountinfo that is a cgroup file system.
private struct CgroupMount {
    var root: String
    var path: String
    var isUnified: Bool
    var controllers: [String]

    init?(mountInfoLine line: Substring) {
        let fields = line.split(separator: " ")
        guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else { return nil }
        let type = fields[dash + 1]
        guard type == "cgroup" || type == "cgroup2" else { return nil }
        root = String(fields[3])
        path = String(fields[4])
        isUnified = type == "cgroup2"
        controllers = fields[dash + 3].split(separator: ",").map(String.init)
    }
}
