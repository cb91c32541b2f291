import Glibc
import TestSupport
import Testing

/// Processes of the server are killed at moments that a printed seed decides.
@Suite("Recovery", .machine, .serialized, .nativeOnly("deaths of the launcher and of zygotes"))
struct RecoveryTests {
    /// Which process of a server dies.
    enum Victim: String, CaseIterable, Sendable {
        case supervisor, worker, bareZygote, fullZygote

        /// The processes this names in a server's tree: launchers hang below the server, the zygotes below the inner launcher.
        func processes(of server: TestServer) -> [ProcessTree.Member] {
            let tree = ProcessTree(root: server.process.pid)
            let launchers = tree.children(of: server.process.pid)
            let workers = launchers.flatMap { tree.children(of: $0.pid) }
            let zygotes = workers.flatMap { tree.children(of: $0.pid) }.filter { RecoveryTests.isZygote($0.pid) }
            switch self {
            case .supervisor: return launchers
            case .worker: return workers
            case .bareZygote: return zygotes.filter { RecoveryTests.isZygote($0.pid, kind: "bare") }
            case .fullZygote: return zygotes.filter { RecoveryTests.isZygote($0.pid, kind: "full") }
            }
        }
    }

    private static func isZygote(_ pid: pid_t, kind: String = "") -> Bool {
        let arguments = (Host.text("/proc/\(pid)/cmdline") ?? "").split(separator: "\0")
        // A sandbox's main process shows the same arguments, but is a child of its zygote, not of the launcher.
        return arguments.contains { $0.hasSuffix("zygote.py") } && (kind.isEmpty || arguments.contains { $0 == kind })
    }

    /// A seed from RANDOM_SEED, or a new one.
    private func generator(_ name: String) -> SeededGenerator {
        let seed = Host.environment("RANDOM_SEED").flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64.max)
        print("\(name): RANDOM_SEED=\(seed)")
        return SeededGenerator(seed: seed)
    }

    @Test(
        "the server outlives the death of its worker and its zygotes and serves again by itself",
        arguments: [Victim.worker, .bareZygote, .fullZygote]
    )
    func survives(victim: Victim) async throws {
        var random = generator("survives \(victim)")
        let before = MachineState.now()
        let server = try await TestServer.start()
        let id = try await server.upload("kept", "kept".utf8)
        for _ in 0..<4 {
            let load = Task { await Self.load(server, count: 12) }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...400, using: &random)))
            let processes = victim.processes(of: server)
            #expect(!processes.isEmpty, "there is no \(victim) in \(ProcessTree(root: server.process.pid).members)")
            for process in processes { kill(process.pid, SIGKILL) }
            await load.value
            let servesAgain = await eventually(within: .seconds(60), every: .milliseconds(50)) {
                let bare = try? await server.execute("print(6*7)")
                let full = try? await server.execute("import pandas\nprint(6*7)")
                return bare?.stdout == "42\n" && full?.stdout == "42\n"
            }
            guard servesAgain else {
                Issue.record("it does not serve again\n\(server.logTail)")
                break
            }
            #expect(await eventually(within: .seconds(30)) { (try? await server.get("/ready"))?.status == 200 })
            #expect(await eventually(within: .seconds(30)) { processes.allSatisfy { !$0.isAlive } })
        }
        #expect(try await server.download(id) == Array("kept".utf8))
        #expect(server.process.endingSoFar == nil)
        let tree = ProcessTree(root: server.process.pid)
        await server.stop()
        await before.expectNothingLeft(of: tree, folder: server.folder.path)
    }

    @Test("after the death of the outer launcher the server serves again, or ends so that it can be started again")
    func supervisorKilled() async throws {
        let before = MachineState.now()
        let server = try await TestServer.start()
        let id = try await server.upload("kept", "kept".utf8)
        let tree = ProcessTree(root: server.process.pid)
        for process in Victim.supervisor.processes(of: server) { kill(process.pid, SIGKILL) }
        let isDecided = await eventually(within: .seconds(60), every: .milliseconds(50)) {
            if let ending = server.process.endingSoFar { return ending != .exited(0) }
            return (try? await server.execute("print(6*7)"))?.stdout == "42\n"
        }
        #expect(isDecided, "it runs, and serves nobody\n\(server.logTail)")
        #expect(await eventually { tree.members.filter { $0.pid != server.process.pid }.allSatisfy { !$0.isAlive } })
        if server.process.endingSoFar == nil { await server.stop(keepingFolder: true) }
        let next = try await TestServer.start(in: server.folder)
        #expect(try await next.download(id) == Array("kept".utf8))
        #expect(try await next.execute("print(6*7)").stdout == "42\n")
        await before.expectNothingLeft(of: tree, folder: server.folder.path)
        await next.stop()
    }

    @Test("a run that dies with its zygote's launcher is told to its client, at once")
    func runningClientIsTold() async throws {
        let server = try await TestServer.start()
        let request = ExecuteRequest("import time\nprint('in')\ntime.sleep(50)", timeout: 55_000)
        let last = try await withDeadline(.seconds(30), "the end of the stream") {
            var last: ServerSentEvent?
            for try await event in try await server.stream(request) {
                if last == nil { Victim.worker.processes(of: server).forEach { kill($0.pid, SIGKILL) } }
                last = event
            }
            return last
        }
        #expect(last?.event == "error", "\(String(describing: last))")
        #expect(try last?.json["message"]?.string?.isEmpty == false)
        await server.stop()
    }

    @Test("a killed server leaves nothing behind once the next one runs, and no acknowledged file is lost")
    func serverKilled() async throws {
        var random = generator("serverKilled")
        let before = MachineState.now()
        var acknowledged: [String: [UInt8]] = [:]
        var deleted: Set<String> = []
        var folder: TemporaryFolder?
        for round in 0..<6 {
            let server = try await TestServer.start(in: folder)
            folder = server.folder
            try await expectFiles(acknowledged, without: deleted, on: server)
            let writer = Task { await Self.upload(to: server, round: round) }
            let load = Task { await Self.load(server, count: 20) }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...900, using: &random)))
            let tree = ProcessTree(root: server.process.pid)
            server.process.signal(SIGKILL)
            _ = await server.process.ending()
            let written = await writer.value
            acknowledged.merge(written.kept) { _, new in new }
            deleted.formUnion(written.deleted)
            await load.value
            #expect(
                await eventually(within: .seconds(20)) { tree.members.allSatisfy { !$0.isAlive } },
                "\(tree.members.filter(\.isAlive)) outlive their server"
            )
        }
        #expect(!acknowledged.isEmpty, "the server was always killed before any upload ended")
        let last = try await TestServer.start(in: folder)
        try await expectFiles(acknowledged, without: deleted, on: last)
        let orphans = last.storedBytes - acknowledged.values.reduce(0) { $0 + $1.count }
        #expect(
            orphans < 3_000_000,
            "\(orphans) bytes beside the files: blobs without an entry, or an index out of proportion"
        )
        let tree = ProcessTree(root: last.process.pid)
        await last.stop()
        await before.expectNothingLeft(of: tree, folder: last.folder.path)
    }

    @Test("everything killed at once is swept away by the next start")
    func allKilled() async throws {
        let before = MachineState.now()
        let server = try await TestServer.start()
        async let running: Void = Self.load(server, count: 6)
        #expect(await eventually { (try? await server.metric("code_interpreter_executions_active")) ?? 0 > 0 })
        let tree = ProcessTree(root: server.process.pid)
        for member in tree.members { kill(member.pid, SIGKILL) }
        await running
        _ = await server.process.ending()
        let next = try await TestServer.start(in: server.folder)
        #expect(try await next.execute("print(6*7)").stdout == "42\n")
        await before.expectNothingLeft(of: tree, folder: server.folder.path)
        let nextTree = ProcessTree(root: next.process.pid)
        await next.stop()
        await before.expectNothingLeft(of: nextTree, folder: next.folder.path)
    }

    /// Executions of all kinds whose fate does not matter.
    private static func load(_ server: TestServer, count: Int) async {
        await withTaskGroup { group in
            for number in 0..<count {
                let code =
                    number % 2 == 0
                    ? "open('x', 'w').write('x' * 1000)\nimport time; time.sleep(0.05)" : "import pandas\nprint(1)"
                group.addTask {
                    // Requests under way when the server is killed fail; the test asks only what is left afterwards.
                    _ = try? await HTTP.send(
                        "POST",
                        server.url + "/v1/execute",
                        headers: [("Content-Type", "application/json")],
                        body: Array(ExecuteRequest(code, timeout: 10_000).json.description.utf8),
                        deadline: .seconds(60)
                    )
                }
            }
        }
    }

    /// Uploads and deletes files until the server is gone.
    ///
    /// - Returns: what the server acknowledged.
    private static func upload(to server: TestServer, round: Int) async -> (
        kept: [String: [UInt8]], deleted: Set<String>
    ) {
        var kept: [String: [UInt8]] = [:]
        var deleted: Set<String> = []
        for number in 0..<100 {
            let content = (0..<(1000 * (1 + number % 50))).map {
                UInt8(truncatingIfNeeded: $0 &* (number + 3) &+ round)
            }
            // An error is the server's death: the end of this round.
            guard let id = try? await server.upload("\(round)-\(number)", content) else { break }
            kept[id] = content
            guard number % 4 == 3 else { continue }
            kept[id] = nil
            guard let answer = try? await server.send("DELETE", "/v1/files/\(id)"), answer.status == 204 else { break }
            deleted.insert(id)
        }
        return (kept, deleted)
    }

    private func expectFiles(_ files: [String: [UInt8]], without deleted: Set<String>, on server: TestServer)
        async throws
    {
        let listed = Set(try await server.listedFiles().keys)
        for (id, content) in files {
            #expect(listed.contains(id), "an acknowledged file is not listed")
            #expect(try await server.download(id) == content, "an acknowledged file is lost or broken")
        }
        #expect(listed.isDisjoint(with: deleted), "a deleted file is back")
    }
}
