import TestSupport
import Testing

/// What the settings of contexts bound.
@Suite(
    "Notebook limits",
    .server(
        [
            "MAX_CONTEXTS": "4", "INTERRUPT_GRACE_SEC": "1", "CONTEXT_IDLE_TIMEOUT_SEC": "4", "CONTEXT_FREEZE_SEC": "1",
            "CONTEXT_MEMORY_LIMIT_MB": "400", "CONTEXT_MAX_EXEC_TIMEOUT_MS": "3000", "CONTEXT_MAX_PROCESSES": "60",
            "POOL_SIZE_NOTEBOOK": "1",
        ],
        usesContexts: true
    ),
    .serialized
)
struct NotebookLimitTests {
    @Test(
        "a cell that takes too much memory ends with that reason, and the next gets a fresh context",
        .needs(.cgroups)
    )
    func memory() async throws {
        try await TestServer.current.withContext { context in
            let cell = try await context.run("print('before')\nx = b'x' * 1_000_000_000", timeout: 30_000)
            #expect(cell.stdout == "before\n", "\(cell)")
            #expect(cell.reason == "memory" && cell.context == "lost", "\(cell)")
            #expect(cell.errorName == "ContextLost")
            #expect(cell.ending?["peak_memory_bytes"]?.int ?? 0 > 200_000_000, "\(cell)")
            let next = try await context.run("6 * 7")
            #expect(next.text == "42" && next.ending == nil && next.executionCount == 1, "\(next)")
        }
    }

    @Test("a child that takes too much memory does not take the context with it without saying so", .needs(.cgroups))
    func memoryOfChild() async throws {
        try await TestServer.current.withContext { context in
            let cell = try await context.run(
                "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = b\"x\" * 1_000_000_000']).returncode",
                timeout: 30_000
            )
            #expect(cell.text == "-9" || cell.reason == "memory", "\(cell)")
            #expect(try await context.run("6 * 7").text == "42")
        }
    }

    @Test("memory that one context took too much of does not leave another without an answer", .needs(.cgroups))
    func memoryBesideOther() async throws {
        let server = try TestServer.current
        try await server.withContext { context in
            let other = try await server.makeContext()
            _ = try await other.run("kept = 1")
            let cell = try await context.run("x = b'x' * 1_000_000_000", timeout: 30_000)
            #expect(cell.reason == "memory", "\(cell)")
            let next = try await other.run("5")
            #expect(next.text == "5" && next.ending == nil, "\(next)")
            try await other.delete()
        }
    }

    @Test("the longest time of a cell is the setting's unless the request has its own")
    func longestTime() async throws {
        try await TestServer.current.withContext { context in
            let cell = try await context.run("kept = 1\nimport time\ntime.sleep(30)")
            #expect(cell.reason == "timeout" && cell.context == "kept", "\(cell)")
            let longer = try await context.run("time.sleep(3.5)\nkept", timeout: 20_000)
            #expect(longer.text == "1" && longer.ending == nil, "\(longer)")
        }
    }

    @Test("one context more than allowed is refused, and allowed again when another is gone")
    func count() async throws {
        let server = try TestServer.current
        try await server.deleteContexts()
        var contexts: [NotebookContext] = []
        var refusal: HTTPAnswer?
        for _ in 0..<6 where refusal == nil {
            let answer = try await server.post("/contexts", "{}")
            if answer.status == 200 {
                contexts.append(NotebookContext(server: server, id: try answer.json["id"]?.string ?? ""))
            } else {
                refusal = answer
            }
        }
        #expect(contexts.count <= 4 && contexts.count >= 3, "the default one may count")
        #expect([429, 503].contains(refusal?.status ?? 0), "\(refusal?.status ?? 0) \(refusal?.text ?? "")")
        try await contexts.last?.delete()
        try await server.makeContext().delete()
        for context in contexts { try await context.delete() }
    }

    @Test("a context that nobody used ends, and is then unknown; the default one is made again on demand")
    func idle() async throws {
        let server = try TestServer.current
        let context = try await server.makeContext()
        _ = try await context.run("x = 1")
        _ = try await server.cell(CellRequest("remembered = 1"))
        #expect(
            try await eventually(within: .seconds(20), every: .milliseconds(300)) {
                try await !server.listedContexts().contains { $0["id"]?.string == context.id }
            }
        )
        #expect(try await server.post("/execute", CellRequest("1", in: context.id).json).status == 404)
        #expect(try await server.cell(CellRequest("'remembered' in globals()")).text == "False")
    }

    @Test("deleting the default context does not break the next cell")
    func deleteDefault() async throws {
        let server = try TestServer.current
        _ = try await server.cell(CellRequest("remembered = 1"))
        #expect(try await server.send("DELETE", "/contexts/default").status == 200)
        let cell = try await server.cell(CellRequest("'remembered' in globals()"))
        #expect(cell.text == "False", "\(cell)")
        #expect(cell.ending == nil && cell.error == nil)
        #expect(try await server.listedContexts().contains { $0["id"] == "default" })
    }

    @Test("a cell that runs longer than the idle time is not idle")
    func busyIsNotIdle() async throws {
        try await TestServer.current.withContext { context in
            let cell = try await context.run("x = 1\nimport time\ntime.sleep(6)\nx", timeout: 30_000)
            #expect(cell.text == "1" && cell.ending == nil, "\(cell)")
        }
    }

    @Test("idle contexts are frozen with all their processes, and answer when they are asked", .needs(.cgroups))
    func frozen() async throws {
        let server = try TestServer.current
        try await server.withContext { context in
            let marker = "burn-\(UInt32.random(in: 0...UInt32.max))"
            let first = try await context.run(
                "import subprocess\np = subprocess.Popen(['sh', '-c', 'while :; do :; done', '\(marker)'])\nkept = 1"
            )
            #expect(first.ending == nil)
            #expect(
                await eventually(within: .seconds(10)) { await Self.isStill(marker) },
                "the process went on burning time"
            )
            let cell = try await context.run("p.poll() is None, kept")
            #expect(cell.text == "(True, 1)", "\(cell)")
            _ = try await context.run("p.kill()")
        }
    }

    /// Whether the process used no CPU time for a while.
    private static func isStill(_ marker: String) async -> Bool {
        func ticks() -> String? {
            let pid = Host.directory("/proc").first { pid in
                Int(pid) != nil && (Host.text("/proc/\(pid)/cmdline") ?? "").hasSuffix("\0\(marker)\0")
            }
            return pid.flatMap { Host.text("/proc/\($0)/stat") }?.split(separator: " ")[13...14].joined(separator: " ")
        }
        guard let before = ticks() else { return false }
        // A process that runs would use some of it.
        try? await Task.sleep(for: .milliseconds(400))
        return ticks() == before
    }

    @Test(
        "a fork bomb and a thread bomb stop at the limit of the sandbox, and their context can be had back",
        .needs(.cgroups),
        arguments: [
            "import os, time\nwhile True:\n    try:\n        if os.fork() == 0: time.sleep(60)\n    except OSError: break",
            "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()",
            "!f() { f | f & }; f",
        ]
    )
    func bombs(code: String) async throws {
        let server = try TestServer.current
        let context = try await server.makeContext()
        _ = try await context.run(code, timeout: 2000)
        _ = try await context.restart()
        let cell = try await context.run("6 * 7")
        #expect(cell.text == "42", "\(cell)")
        try await context.delete()
        let other = try await server.cell(CellRequest("6 * 7"))
        #expect(other.text == "42", "\(other)")
        #expect(try await server.execute("print(6 * 7)").stdout == "42\n")
    }
}
