import Glibc
import Testing

/// What a server holds at one moment: it must be the same before and after any number of executions.
package struct ServerState: Equatable, Sendable {
    var processes: [String: Int]
    /// Descriptors of the server by kind, connections of clients left out; empty where they cannot be read.
    var descriptors: [String: Int]
    /// How many control groups stand below those of the server.
    var controlGroups: Int
    /// What lies in its folder for temporary files.
    var temporaryFiles: [String]

    package init(of server: TestServer) {
        let tree = ProcessTree(root: server.process.pid)
        processes = tree.counts
        descriptors = Self.descriptors(of: server.process.pid)
        controlGroups = tree.controlGroupRoots.reduce(0) { $0 + Host.directory($1).count }
        temporaryFiles = Host.directory("\(server.folder.path)/tmp")
    }

    /// What is different in this state, for people.
    func differences(from before: ServerState) -> String {
        func compare(_ old: [String: Int], _ new: [String: Int]) -> [String] {
            Set(old.keys).union(new.keys).sorted().filter { old[$0] != new[$0] }
                .map { "\($0): \(old[$0] ?? 0) → \(new[$0] ?? 0)" }
        }
        let groups = compare(["control groups": before.controlGroups], ["control groups": controlGroups])
        let files = temporaryFiles == before.temporaryFiles ? [] : ["temporary files: \(temporaryFiles)"]
        return (compare(before.processes, processes) + compare(before.descriptors, descriptors) + groups + files)
            .joined(separator: "\n")
    }

    private static func descriptors(of pid: pid_t) -> [String: Int] {
        let connections = establishedConnections().union(engineConnections())
        return Host.directory("/proc/\(pid)/fd").compactMap { Host.link("/proc/\(pid)/fd/\($0)") }
            .filter { !connections.contains($0) }
            .reduce(into: [:]) { counts, target in
                counts[kind(of: target), default: 0] += 1
            }
    }

    /// A path with what differs from sandbox to sandbox left out, or the type of what has no path.
    private static func kind(of target: String) -> String {
        guard target.hasPrefix("/"), !target.hasPrefix("/memfd") else {
            return String(target.prefix { $0 != ":" && $0 != "[" })
        }
        func isSandbox(_ name: Substring) -> Bool { name.first == "s" && Int(name.dropFirst()) != nil }
        return target.split(separator: "/").map { isSandbox($0) ? "s*" : $0 }.joined(separator: "/")
    }

    /// Sockets over which a server may speak to a container engine, whose client keeps some open; containers that are left are looked for by themselves.
    private static func engineConnections() -> Set<String> {
        if TestBackend.isNative { return [] }
        let lines = (Host.text("/proc/net/unix") ?? "").split(separator: "\n").dropFirst()
        return Set(lines.compactMap { $0.split(separator: " ").dropFirst(6).first.map { "socket:[\($0)]" } })
    }

    /// Sockets of TCP connections that both sides still hold, as /proc/PID/fd names them.
    private static func establishedConnections() -> Set<String> {
        let lines = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap {
            (Host.text($0) ?? "").split(separator: "\n").dropFirst()
        }
        return Set(
            lines.compactMap { line in
                let fields = line.split(separator: " ")
                return fields.count > 9 && fields[3] == "01" ? "socket:[\(fields[9])]" : nil
            }
        )
    }
}

extension TestServer {
    /// Runs `body` and then waits until the server holds what it held before.
    package func checkingForLeaks(withContexts: Bool = false, _ body: @Sendable () async throws -> Void) async throws {
        try await exercise()
        if withContexts { try await exerciseContexts() }
        let before = await settledState()
        try await body()
        guard process.endingSoFar == nil else {
            Issue.record("The server ended during the suite.\n\(logTail)")
            return
        }
        if withContexts { try await leaveDefaultContext() }
        var after = ServerState(of: self)
        let isClean = await eventually(within: .seconds(30), every: .milliseconds(100)) {
            after = ServerState(of: self)
            return after == before
        }
        if !isClean {
            Issue.record("The server holds other things than before.\n\(after.differences(from: before))\n\(logTail)")
        }
    }

    /// Uses every part once, several at a time: what is opened lazily is open afterwards.
    private func exercise() async throws {
        try await withThrowingTaskGroup { group in
            for _ in 0..<12 {
                group.addTask {
                    let id = try await self.upload("warm.txt", "warm".utf8)
                    let code = "import pandas; open('out.txt', 'w').write(open('in.txt').read() * 2)"
                    let answer = try await self.execute(ExecuteRequest(code, timeout: 20_000, files: [("in.txt", id)]))
                    _ = try await self.stream(ExecuteRequest("print(1)", timeout: 20_000)).collect()
                    _ = try await self.listedFiles()
                    for file in answer.files.map(\.id) + [id] {
                        _ = try await self.download(file)
                        _ = try await self.send("DELETE", "/v1/files/\(file)")
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Uses contexts, several at a time, and leaves the default one.
    private func exerciseContexts() async throws {
        try await withThrowingTaskGroup { group in
            for number in 0..<4 {
                group.addTask {
                    let context = try await self.makeContext()
                    let cell = try await context.run("import matplotlib.pyplot, pandas\n!echo \(number)\n\(number)")
                    guard cell.text == "\(number)" else { throw BrokenStream(rest: "\(cell)") }
                    _ = try await context.restart()
                    try await context.delete()
                }
            }
            try await group.waitForAll()
        }
        try await leaveDefaultContext()
    }

    /// Deletes every context and makes a new default one.
    private func leaveDefaultContext() async throws {
        try await deleteContexts()
        _ = try await send("DELETE", "/contexts/default")
        _ = try await cell(CellRequest("1"))
    }

    /// The state once nothing moves any more.
    private func settledState() async -> ServerState {
        var last = ServerState(of: self)
        var agreements = 0
        _ = await eventually(within: .seconds(20), every: .milliseconds(150)) {
            let now = ServerState(of: self)
            agreements = now == last ? agreements + 1 : 0
            last = now
            return agreements >= 4
        }
        return last
    }
}

/// What of this project is on the machine at one moment, whoever made it.
package struct MachineState: Sendable {
    private var mounts: Set<String>
    private var sharedMemory: Set<String>

    package static func now() -> MachineState {
        let mounts = (Host.text("/proc/self/mounts") ?? "").split(separator: "\n").map(String.init)
        return MachineState(
            // Containers of tests that run meanwhile have theirs where the tests' daemon keeps its data.
            mounts: Set(
                mounts.filter {
                    ($0.contains("code-interpreter") || $0.hasPrefix("tmpfs")) && !$0.contains("/.build/images/docker/")
                }
            ),
            // Unit tests that run meanwhile have folders there.
            sharedMemory: Set(Host.directory("/dev/shm").filter { !$0.hasPrefix("code-interpreter-tree-") })
        )
    }

    /// Records an issue for everything that a server left behind which had this `tree`, and whose containers have this `owner`.
    package func expectNothingLeft(of tree: ProcessTree, folder: String, owner: String? = nil) async {
        var alive: [ProcessTree.Member] = []
        var groups: [String] = []
        let isClean = await eventually(within: .seconds(20)) {
            alive = tree.members.filter(\.isAlive)
            groups = tree.controlGroups.filter { access($0, F_OK) == 0 }
            return alive.isEmpty && groups.isEmpty
        }
        if !isClean { Issue.record("Left behind: processes \(alive), control groups \(groups)") }
        var containers: [String] = []
        _ = await eventually(within: .seconds(20)) {
            if let owner { containers = await TestBackend.containers(of: owner) }
            return containers.isEmpty
        }
        if !containers.isEmpty { Issue.record("Left behind: containers \(containers)") }
        let now = MachineState.now()
        let newMounts = now.mounts.subtracting(mounts)
        if !newMounts.isEmpty { Issue.record("Left behind: mounts \(newMounts.sorted())") }
        let newObjects = now.sharedMemory.subtracting(sharedMemory)
        if !newObjects.isEmpty { Issue.record("Left behind in /dev/shm: \(newObjects.sorted())") }
    }
}
