import Glibc
import TestSupport
import Testing

/// A wall is taken away before the server starts: it must refuse, or run in a reduced mode that a setting named and /health shows.
@Suite("Missing walls", .machine, .serialized, .needs(.root), .nativeOnly("missing walls of native sandboxes"))
struct FailClosedTests {
    private static let withoutCgroups = [
        "/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c",
        "mount -t tmpfs -o ro none /sys/fs/cgroup && exec \"$@\"", "sh",
    ]

    /// A command in front of another that takes a system call away from it.
    private static func without(_ systemCall: String) -> [String] {
        ["/usr/bin/python3", Installation.parent(of: #filePath) + "/without_system_call.py", systemCall]
    }

    /// Starts a server that has to end by itself, and gives its log.
    private func refusal(prefix: [String], _ settings: [String: String] = [:]) async throws -> String {
        let server = try TestServer.launch(settings, prefix: prefix)
        let hasEnded = await eventually(within: .seconds(60)) { server.process.endingSoFar != nil }
        #expect(hasEnded, "the server runs although a wall is missing\n\(server.logTail)")
        if !hasEnded {
            let health = try? await server.get("/health").text
            Issue.record("health: \(health ?? "none")")
            server.process.signal(SIGKILL)
        }
        let ending = await server.process.ending()
        #expect(ending != .exited(0))
        let log = server.log
        #expect(!log.isEmpty, "it says why")
        server.folder.remove()
        return log.lowercased()
    }

    @Test("without control groups the server does not start, and says what is missing", .needs(.unshareCommand))
    func withoutCgroups() async throws {
        let log = try await refusal(prefix: Self.withoutCgroups)
        #expect(log.contains("cgroup"), "\(log)")
    }

    @Test(
        "without control groups it starts where ALLOW_WITHOUT_CGROUPS says so, and tells it in /health and the log",
        .needs(.unshareCommand)
    )
    func allowedWithoutCgroups() async throws {
        let before = MachineState.now()
        let server = try await TestServer.start(
            ["ALLOW_WITHOUT_CGROUPS": "true", "CPU_TIME_LIMIT_SEC": "2"],
            prefix: Self.withoutCgroups
        )
        let health = try await server.get("/health").json
        #expect(health["status"] == "ok")
        #expect("\(health)".contains("without-cgroups"), "\(health)")
        #expect(server.log.lowercased().contains("cgroup"))
        #expect(try await server.execute("print(6*7)").stdout == "42\n")
        let bomb = try await server.execute(
            "import os, time\nn = 0\ntry:\n    while n < 300:\n        if os.fork() == 0: time.sleep(30); os._exit(0)\n        n += 1\nexcept BlockingIOError: print(n <= 64)\nos.kill(0, 9)"
        )
        #expect(bomb.exitCode == 137)
        let memory = try await server.execute("x = b'x' * 4_000_000_000", timeout: 20_000)
        #expect(memory.exitCode == 137 || memory.stderr.contains("MemoryError"), "\(memory.json)")
        #expect(try await server.execute("while True: pass", timeout: 55_000).reason == "cpu")
        let tree = ProcessTree(root: server.process.pid)
        await server.stop()
        await before.expectNothingLeft(of: tree, folder: server.folder.path)
    }

    /// A system call that is taken away, with arguments, and the word that must be in the message.
    private static let removed = [
        ("landlock_create_ruleset", "landlock"), ("seccomp", "seccomp"), ("clone-newuser", "user"),
        ("mount_setattr", "mount"),
        ("fsopen", "workspace"), ("clone-newnet", "namespace"),
    ]

    @Test("without a system call that a wall needs the server does not start", arguments: removed)
    func withoutSystemCall(name: String, word: String) async throws {
        let log = try await refusal(prefix: Self.without(name))
        #expect(log.contains(word) || log.contains(name), "\(log)")
    }

    @Test("without Landlock it starts where ALLOW_WITHOUT_LANDLOCK says so, and tells it in /health")
    func allowedWithoutLandlock() async throws {
        let server = try await TestServer.start(
            ["ALLOW_WITHOUT_LANDLOCK": "true"],
            prefix: Self.without("landlock_create_ruleset")
        )
        let health = try await server.get("/health").json
        #expect("\(health)".contains("without-landlock"), "\(health)")
        #expect(try await server.execute("print(6*7)").stdout == "42\n")
        await server.stop()
    }

    @Test(
        "settings that would share an identity with root or other users are refused",
        arguments: [
            ["RUN_AS_USER": "root"], ["RUN_AS_USER": "0:0"], ["SANDBOX_UID_BASE": "0"], ["RUN_AS_USER": "100001"],
            ["SANDBOX_UID_BASE": "4294967295"],
        ]
    )
    func identities(settings: [String: String]) async throws {
        let log = try await refusal(prefix: [], settings)
        #expect(settings.keys.allSatisfy { log.contains($0.lowercased()) }, "\(log)")
    }

    @Test("the server itself is not root and holds no capability once it runs")
    func serverIsUnprivileged() async throws {
        let server = try await TestServer.start()
        let status = Host.text("/proc/\(server.process.pid)/status") ?? ""
        let lines = Dictionary(
            status.split(separator: "\n").map { $0.split(separator: ":", maxSplits: 1) }.filter { $0.count == 2 }
                .map { (String($0[0]), $0[1].split { $0 == "\t" || $0 == " " }.joined(separator: " ")) }
        ) { first, _ in first }
        #expect(lines["Uid"]?.split(separator: " ").contains("0") == false, "\(lines["Uid"] ?? "")")
        #expect(lines["Gid"]?.split(separator: " ").contains("0") == false)
        #expect(lines["Groups"]?.split(separator: " ").contains("0") != true)
        for name in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            #expect(lines[name] == "0000000000000000", "\(name) \(lines[name] ?? "")")
        }
        #expect(lines["NoNewPrivs"] == "1")
        let files = Host.directory(server.storage)
        #expect(!files.isEmpty)
        var information = stat()
        #expect(stat(server.storage, &information) == 0)
        #expect(information.st_mode & 0o077 == 0, "others can look into the storage")
        await server.stop()
    }
}
