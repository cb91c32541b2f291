import Glibc
import TestSupport
import Testing

/// Hostile cells, each in a context beside another one of the same sandbox that goes on working.
@Suite(
    "Attacks in contexts",
    .server(
        ["INTERRUPT_GRACE_SEC": "1", "CONTEXT_MEMORY_LIMIT_MB": "1024", "POOL_SIZE_NOTEBOOK": "1"],
        usesContexts: true
    ),
    .serialized
)
struct ContextAttackTests {
    @Test("hostile cells harm their own context at most", arguments: Attack.cells)
    func attack(_ attack: Attack) async throws {
        let server = try TestServer.current
        let victim = try await server.makeContext()
        let attacker = try await server.makeContext()
        let memory = server.residentBytes
        _ = try await victim.run("state = 'kept'")

        async let answer = StreamSummary.run(attack.code, in: attacker, timeout: attack.timeout)
        for _ in 0..<3 { try await expectUnharmed(victim) }
        let summary = try await answer
        try judge(summary, of: attack)
        try await expectUnharmed(victim)

        // The attacked context still answers each request with a stream; a restart makes it good again.
        let next = try await StreamSummary.run("print('next')\n6 * 7", in: attacker, timeout: 3000)
        #expect(next.isComplete, "\(next)")
        #expect(try await attacker.restart().status == 200)
        let fresh = try await attacker.run("print('fresh')\n6 * 7")
        #expect(fresh.types == ["number_of_executions", "stdout", "result", "end_of_execution"], "\(fresh)")
        #expect(fresh.text == "42" && fresh.stdout == "fresh\n" && fresh.executionCount == 1, "\(fresh)")
        #expect(try await server.execute("print(6 * 7)").stdout == "42\n")
        try await attacker.delete()
        try await expectUnharmed(victim)
        try await victim.delete()
        #expect(server.residentBytes - memory < 150_000_000, "memory of the server grew")
    }

    private func expectUnharmed(_ victim: NotebookContext) async throws {
        let cell = try await victim.run("print('out')\nstate")
        #expect(cell.types == ["number_of_executions", "stdout", "result", "end_of_execution"], "\(cell)")
        #expect(cell.text == "kept" && cell.stdout == "out\n", "the other context suffers: \(cell)")
    }

    private func judge(_ summary: StreamSummary, of attack: Attack) throws {
        #expect(summary.isComplete, "\(summary)")
        #expect(summary.broken == nil, "\(summary)")
        let expected = attack.expectation
        if !expected.reasons.isEmpty {
            #expect(expected.reasons.contains(summary.ending?["reason"]?.string ?? "none"), "\(summary)")
        }
        if let context = expected.context {
            #expect(context == summary.ending?["context"]?.string ?? "kept", "\(summary)")
        }
        #expect(summary.count == 1, "a forged count: \(summary)")
    }

    @Test(
        "programs that look for a way out of a sandbox find none from a context",
        arguments: [
            "01_reachability", "02_foreign_system_calls", "03_privileges", "04_set_id_programs", "05_nested_namespaces",
            "07_kill_everything", "10_core_dumps", "11_other_processes", "12_own_executable", "14_priorities",
            "16_read_only_root", "17_device_nodes", "19_overlay_attributes", "20_kernel_settings", "21_time_and_names",
            "47_no_network", "51_zygote_is_out_of_reach",
        ]
    )
    func walls(name: String) async throws {
        let server = try TestServer.current
        let host = try HostFacts(server: server)
        defer { host.close() }
        let attack = try Attack.named(name)
        let victim = try await server.makeContext()
        _ = try await victim.run("state = 'kept'")
        let attacker = try await server.makeContext()
        // A cell has no standard input; and its number counts everything that ever ran in its sandbox.
        let code =
            "import io, os, sys\nsys.stdin = io.StringIO(os.environ.get('FACTS', ''))\n"
            + attack.code.replacing("os.getpid() > 50", with: "False")
        let cell = try await attacker.run(
            code,
            environment: ["FACTS": .string(host.json.description)],
            timeout: attack.timeout
        )
        #expect(Attack.breaches(in: cell.stdout).isEmpty, "\(cell)")
        // A cell that kills all it can reach may kill itself.
        if name != "07_kill_everything" || cell.ending == nil { #expect(cell.stdout.hasSuffix("held\n"), "\(cell)") }
        try await expectUnharmed(victim)
        try await attacker.delete()
        try await victim.delete()
    }

    @Test("51: no data of a deleted context can be seen in a new one")
    func traces() async throws {
        let server = try TestServer.current
        let leave = try Attack.named("51_context_leave")
        let find = try Attack.named("51_context_find")
        for _ in 0..<3 {
            let facts: JSON = ["FACTS": .string("canary\(UInt32.random(in: 1_000_000...UInt32.max))|tail")]
            let first = try await server.makeContext()
            let left = try await first.run(leave.code, environment: facts)
            #expect(left.stdout == "held\n", "\(left)")
            try await first.delete()
            let second = try await server.makeContext()
            let found = try await second.run(find.code, environment: facts)
            #expect(found.stdout == "held\n", "\(found)")
            try await second.delete()
        }
    }

    @Test("51: a restarted context sees nothing of what it was")
    func tracesAfterRestart() async throws {
        let server = try TestServer.current
        let facts: JSON = ["FACTS": .string("canary\(UInt32.random(in: 1_000_000...UInt32.max))|tail")]
        let context = try await server.makeContext()
        #expect(try await context.run(Attack.named("51_context_leave").code, environment: facts).stdout == "held\n")
        #expect(try await context.restart().status == 200)
        let found = try await context.run(Attack.named("51_context_find").code, environment: facts)
        #expect(found.stdout == "held\n", "\(found)")
        try await context.delete()
    }

    @Test(
        "34: a client that does not read costs the server no memory, and leaving ends its cell",
        arguments: [
            "while True: print('x' * 10_000)", "import os\nwhile True: os.write(2, b'y' * 65536)",
            "while True: display({'image/png': 'A' * 200_000}, raw=True)", "'x' * 30_000_000",
            "for i in range(10 ** 9): display(i)",
        ]
    )
    func slowReader(code: String) async throws {
        let server = try TestServer.current
        let context = try await server.makeContext()
        _ = try await context.run("kept = 1")
        let before = server.residentBytes
        let connection = try await context.start(code, until: "", isReading: false)
        var largest = 0
        _ = await eventually(within: .seconds(3), every: .milliseconds(50)) {
            largest = max(largest, server.residentBytes)
            return false
        }
        #expect(largest - before < 120_000_000, "\((largest - before) / 1_000_000) MB more")
        // A reader that stands still does not keep others waiting.
        #expect(try await server.cell(CellRequest("6 * 7")).text == "42")
        await connection.close()
        let next = try await context.run("6 * 7")
        #expect(next.text == "42" && next.ending == nil, "\(next)")
        try await context.delete()
    }

    @Test("39: a flood after the end of a cell does not grow the server while nobody asks")
    func lateFlood() async throws {
        let server = try TestServer.current
        let context = try await server.makeContext()
        let before = server.residentBytes
        _ = try await StreamSummary.run(Attack.named("39_context_late_flood").code, in: context, timeout: 3000)
        var largest = 0
        _ = await eventually(within: .seconds(2), every: .milliseconds(50)) {
            largest = max(largest, server.residentBytes)
            return false
        }
        #expect(largest - before < 120_000_000, "\((largest - before) / 1_000_000) MB more")
        #expect(try await context.restart().status == 200)
        #expect(try await context.run("6 * 7").text == "42")
        try await context.delete()
    }

    @Test("39: cells that are answered for and never read neither end the server nor stay in its memory")
    func unreadCells() async throws {
        let server = try TestServer.current
        let victim = try await server.makeContext()
        let attacker = try await server.makeContext()
        _ = try await victim.run("state = 'kept'")
        let attack = try Attack.named("39_context_unread_cells")
        let before = server.residentBytes
        let first = try await StreamSummary.run(attack.code, in: attacker, timeout: attack.timeout)
        #expect(first.isComplete, "\(first)")
        // More than a socket holds.
        let code = "# " + String(repeating: "x", count: 1_000_000) + "\n6 * 7"
        for _ in 0..<6 {
            let next = try await StreamSummary.run(code, in: attacker, timeout: 20_000)
            #expect(next.isComplete, "\(next)")
            #expect(try await server.get("/health").status == 200)
            try await expectUnharmed(victim)
        }
        #expect(server.process.endingSoFar == nil)
        #expect(server.residentBytes - before < 120_000_000, "memory of the server grew")
        #expect(try await attacker.restart().status == 200)
        #expect(try await attacker.run("6 * 7").text == "42")
        try await attacker.delete()
        try await victim.delete()
    }

    @Test("requests that are deep, long or odd are refused or run, and the server goes on")
    func oddRequests() async throws {
        let server = try TestServer.current
        let bodies = [
            #"{"code":"1","env_vars":"# + String(repeating: "[", count: 100_000),
            #"{"code":"1","env_vars":"# + String(repeating: #"{"a":"#, count: 50_000) + "1"
                + String(repeating: "}", count: 50_001),
            #"{"code":"1","code":"2","timeout_ms":99999999999999999999999}"#, #"{"code":"\ud800"}"#,
            #"{"code":"\u0000"}"#,
            #"{"code":"1","context_id":""# + String(repeating: "x", count: 1_000_000) + "\"}",
            #"{"code":"1","language":""# + String(repeating: "x", count: 1_000_000) + "\"}",
        ]
        for body in bodies {
            let answer = try await server.post("/execute", body)
            #expect([200, 400, 404, 413, 422].contains(answer.status), "\(answer.status) \(answer.text.prefix(300))")
            #expect(answer.text.utf8.count < 1_200_000)
            if answer.status == 200 {
                #expect(answer.text.hasSuffix("{\"type\":\"end_of_execution\"}\n"), "\(answer.text)")
            }
        }
        #expect(try await server.cell(CellRequest("6 * 7")).text == "42")
    }

    @Test(
        "a cell of a megabyte, and one nested beyond what Python compiles, end like any other",
        arguments: [
            "x = '" + String(repeating: "a", count: 1_000_000) + "'\nlen(x)",
            String(repeating: "(", count: 150) + String(repeating: ")", count: 150),
            String(repeating: "-", count: 200_000) + "1", String(repeating: "x = 1\n", count: 50_000),
            "1" + String(repeating: " + 1", count: 5_000),
        ]
    )
    func heavySource(code: String) async throws {
        let server = try TestServer.current
        let context = try await server.makeContext()
        let summary = try await StreamSummary.run(code, in: context, timeout: 20_000)
        #expect(summary.isComplete, "\(summary)")
        #expect(try await context.run("6 * 7").text == "42")
        try await context.delete()
    }

    @Test("forty contexts that are made, killed, dropped and deleted leave nothing")
    func churn() async throws {
        let server = try TestServer.current
        var random = SeededGenerator(seed: 38)
        let hostile = [
            "import os\nos._exit(1)", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
            "import os\nos.closerange(0, 2000)",
            "import os\nos.write(900, b'x' * 100)\nimport time\ntime.sleep(9)", "1",
        ]
        for _ in 0..<40 {
            let context = try await server.makeContext()
            let code = hostile[Int.random(in: 0..<hostile.count, using: &random)]
            switch Int.random(in: 0..<3, using: &random) {
            case 0: #expect(try await StreamSummary.run(code, in: context, timeout: 2000).isComplete)
            case 1: await (try context.start(code, until: "number_of")).close()
            default: break
            }
            let deletion = try await server.send("DELETE", "/contexts/\(context.id)")
            #expect(deletion.status == 200)
        }
        #expect(try await server.cell(CellRequest("6 * 7")).text == "42")
    }
}

/// What came of a cell whose stream may be as long as it likes: nothing is kept but its ends.
struct StreamSummary: CustomStringConvertible {
    var lines = 0
    var bytes = 0
    var count: Int?
    var ending: JSON?
    var error: JSON?
    /// Whether the last line is the end, and no line before it was.
    var isComplete = false
    /// A line that is no JSON object of the contract.
    var broken: String?
    private var first: [String] = []

    var description: String {
        "\(lines) lines, \(bytes) bytes, ending \(ending ?? .null), error \(error ?? .null), broken \(broken ?? "none")\n"
            + first.joined(separator: "\n")
    }

    /// Runs a cell and reads its stream to the end, for 60 s at most.
    static func run(_ code: String, in context: NotebookContext, timeout: Int) async throws -> StreamSummary {
        try await withDeadline(.seconds(60), "the end of a hostile cell") {
            var summary = StreamSummary()
            for try await line in try await context.lines(code, timeout: timeout) { summary.take(line) }
            return summary
        }
    }

    private static let types = [
        "number_of_executions", "stdout", "stderr", "result", "error", "keepalive", "ending", "end_of_execution",
    ].map { Array("{\"type\":\"\($0)\"".utf8) }

    private mutating func take(_ line: NotebookLines.Element) {
        lines += 1
        bytes += line.bytes.count
        if first.count < 8 { first.append(String(line.text.prefix(200))) }
        if isComplete { broken = "a line after the end: \(line.text.prefix(200))" }
        if !Self.types.contains(where: { line.bytes.starts(with: $0) }) { broken = String(line.text.prefix(200)) }
        // Reading each of a flood's lines as JSON would take longer than making them.
        guard lines < 200 || line.bytes.count < 400, line.bytes.count < 1_000_000 else { return }
        guard let json = try? line.json else {
            broken = String(line.text.prefix(200))
            return
        }
        switch json["type"] {
        case "number_of_executions":
            if lines > 1 { broken = "a second count: \(line.text)" }
            count = json["execution_count"]?.int
        case "ending": ending = json
        case "error": error = json
        case "end_of_execution": isComplete = true
        default: break
        }
    }
}
