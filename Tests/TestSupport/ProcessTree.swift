package import Glibc

/// The processes of a server at one moment.
package struct ProcessTree: Sendable {
    /// One process, named so that a later one of the same number is another.
    package struct Member: Hashable, Sendable {
        package var pid: pid_t
        package var parent: pid_t
        package var name: String
        /// Clock ticks since boot.
        package var startTime: UInt64

        /// Whether this very process still exists and is no zombie.
        package var isAlive: Bool {
            guard let (now, state) = ProcessTree.read(pid) else { return false }
            return now.startTime == startTime && state != "Z" && state != "X"
        }
    }

    package var members: [Member]
    /// Control groups the members are in, as paths below the mount point of their hierarchy, without the root.
    package var controlGroups: Set<String>

    /// Takes stock of `root` and everything below it.
    package init(root: pid_t) {
        let all = Host.directory("/proc").compactMap { pid_t($0) }.compactMap { ProcessTree.read($0)?.0 }
        let children = Dictionary(grouping: all, by: \.parent)
        var members = all.filter { $0.pid == root }
        var next = 0
        while next < members.count {
            members += children[members[next].pid] ?? []
            next += 1
        }
        self.members = members
        controlGroups = Set(members.flatMap { ProcessTree.controlGroups(of: $0.pid) })
    }

    /// How many processes there are of each name.
    package var counts: [String: Int] { members.reduce(into: [:]) { $0[$1.name, default: 0] += 1 } }

    /// The highest of ``controlGroups`` that the project made, one a hierarchy.
    var controlGroupRoots: Set<String> {
        Set(
            controlGroups.map { group in
                let parts = group.split(separator: "/")
                let depth = parts.firstIndex { $0.contains("code-interpreter") } ?? parts.endIndex - 1
                return "/" + parts[...depth].joined(separator: "/")
            }
        )
    }

    /// Members below `parent`, one level.
    package func children(of parent: pid_t) -> [Member] { members.filter { $0.parent == parent } }

    /// The command lines of every process of the machine, arguments joined by spaces.
    package static var commandLines: [String] {
        Host.directory("/proc").compactMap { pid_t($0) }.compactMap { Host.text("/proc/\($0)/cmdline") }
            .map { $0.split(separator: "\0").joined(separator: " ") }
    }

    private static func read(_ pid: pid_t) -> (Member, state: Character)? {
        guard let text = Host.text("/proc/\(pid)/stat"), let open = text.firstIndex(of: "("),
            let close = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: close)...].split(separator: " ")
        guard fields.count > 19, let parent = pid_t(fields[1]), let start = UInt64(fields[19]),
            let state = fields[0].first
        else { return nil }
        return (
            Member(pid: pid, parent: parent, name: String(text[text.index(after: open)..<close]), startTime: start),
            state
        )
    }

    /// Directories in /sys/fs/cgroup of a process that the project made: their path names it.
    private static func controlGroups(of pid: pid_t) -> [String] {
        (Host.text("/proc/\(pid)/cgroup") ?? "").split(separator: "\n").compactMap { line in
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[2].contains("code-interpreter") else { return nil }
            let hierarchies =
                ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
                + parts[1].split(separator: ",").map { "/sys/fs/cgroup/\($0)" }
            return hierarchies.map { $0 + parts[2] }.first { access($0, F_OK) == 0 }
        }
    }
}
