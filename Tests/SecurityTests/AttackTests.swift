import Glibc
import TestSupport
import Testing

/// Hostile programs, one at a time, each on a server that goes on serving others.
@Suite(
    "Attacks",
    .server(["MEMORY_LIMIT_MB": "256", "CPU_TIME_LIMIT_SEC": "20"]),
    .serialized
)
struct AttackTests {
    @Test("hostile programs find their walls", arguments: Attack.all)
    func attack(_ attack: Attack) async throws {
        let server = try TestServer.current
        let host = try HostFacts(server: server)
        defer { host.close() }
        let answer = try await run(attack, on: server, host: host)
        try await judge(answer, of: attack, on: server, host: host)
        let next = try await server.execute("print(6 * 7)", timeout: 60_000)
        #expect(next.stdout == "42\n", "the next program suffers: \(next.json)")
    }

    @Test(
        "an attack as a stream ends like any other",
        arguments: ["32_forged_events", "32_flood", "39_broken_channel", "40_memory_anonymous"]
    )
    func streamed(name: String) async throws {
        let server = try TestServer.current
        let attack = try Attack.named(name)
        let answer = try await server.stream(ExecuteRequest(attack.code, timeout: attack.timeout)).collect()
        #expect(!answer.stdout.contains("BREACH"))
        if !attack.expectation.reasons.isEmpty {
            #expect(attack.expectation.reasons.contains(answer.reason ?? ""), "\(answer.outcome)")
        }
        #expect(try await server.execute("print(6 * 7)").stdout == "42\n")
    }

    @Test("one sandbox finds no shared object of another that runs beside it")
    func sharedObjects() async throws {
        let server = try TestServer.current
        let holder = try Attack.named("13_leave_shared_objects")
        var events = try await server.stream(ExecuteRequest(holder.code, timeout: holder.timeout)).makeAsyncIterator()
        var output = ""
        while !output.contains("ready"), let event = try await events.next() {
            output += try event.json["data"]?.string ?? ""
        }
        #expect(output.contains("ready"), "\(output)")
        let finder = try Attack.named("13_find_shared_objects")
        let answer = try await server.execute(ExecuteRequest(finder.code, timeout: finder.timeout))
        #expect(answer.stdout == "held\n", "\(answer.json)")
    }

    @Test("three fresh runs differ in everything that is random", arguments: [true, false])
    func randomness(isConcurrent: Bool) async throws {
        let server = try TestServer.current
        let attack = try Attack.named("50_randomness")
        var outputs: [String] = []
        if isConcurrent {
            async let first = server.execute(attack.code)
            async let second = server.execute(attack.code)
            async let third = server.execute(attack.code)
            outputs = try await [first.stdout, second.stdout, third.stdout]
        } else {
            for _ in 0..<3 { outputs.append(try await server.execute(attack.code).stdout) }
        }
        let lines = outputs.map { $0.split(separator: "\n").filter { $0.hasPrefix("random") } }
        #expect(lines.allSatisfy { $0.count >= 13 }, "\(outputs)")
        for (first, (second, third)) in zip(lines[0], zip(lines[1], lines[2])) {
            #expect(Set([first, second, third]).count == 3, "\(first)")
        }
    }

    @Test("hashes of strings differ from run to run, as in any fresh Python")
    func hashRandomization() async throws {
        let server = try TestServer.current
        var hashes: Set<String> = []
        for _ in 0..<3 {
            hashes.insert(
                try await server.execute(
                    "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(hash(\"x\"))'], capture_output=True, text=True).stdout)"
                ).stdout
            )
        }
        #expect(hashes.count == 3)
    }

    @Test("no run finds a trace of the one before")
    func traces() async throws {
        let server = try TestServer.current
        let host = try HostFacts(server: server)
        defer { host.close() }
        let leave = try Attack.named("51_leave_traces")
        for _ in 0..<3 {
            let first = try await run(leave, on: server, host: host)
            #expect(first.stdout.hasSuffix("held\n"), "\(first.json)")
            let second = try await run(try Attack.named("51_find_traces"), on: server, host: host)
            #expect(second.stdout.hasSuffix("held\n") && Attack.breaches(in: second.stdout).isEmpty, "\(second.json)")
        }
    }

    private func run(_ attack: Attack, on server: TestServer, host: HostFacts) async throws -> ExecuteAnswer {
        let missing = attack.needs.filter { !Host.has($0) }
        if !missing.isEmpty && Host.isCI { Issue.record("needs \(missing), and CI may not skip it") }
        let stdin = attack.readsFacts ? host.json.description : nil
        return try await server.execute(ExecuteRequest(attack.code, stdin: stdin, timeout: attack.timeout))
    }

    private func judge(_ answer: ExecuteAnswer, of attack: Attack, on server: TestServer, host: HostFacts) async throws
    {
        let expected = attack.expectation
        let output =
            "exit \(answer.exitCode.map(String.init) ?? "null"), \(answer.outcome), \(answer.files.count) files\n\(answer.stdout.suffix(3000))\n\(answer.stderr.suffix(2000))"
        #expect(Attack.breaches(in: answer.stdout).isEmpty, "\(output)")
        if !expected.reasons.isEmpty { #expect(expected.reasons.contains(answer.reason ?? "none"), "\(output)") }
        if !expected.exits.isEmpty {
            #expect(expected.exits.contains(answer.exitCode.map(String.init) ?? "null"), "\(output)")
        }
        if let last = expected.last {
            #expect(answer.stdout.split(whereSeparator: \.isNewline).last.map(String.init) == last, "\(output)")
        }
        if let count = expected.exactFiles {
            #expect(answer.files.count == count, "\(answer.paths.prefix(20)) \(output)")
        }
        if let count = expected.mostFiles { #expect(answer.files.count <= count) }
        if expected.omitsFiles { #expect(answer.outcome["omitted_files"]?.int ?? 0 > 0, "\(output)") }
        if let hit = expected.memoryLimitHit { #expect(answer.outcome["memory_limit_hit"] == .bool(hit), "\(output)") }
        if expected.marker {
            // Eventually: where there are no files to collect, the answer does not wait for the end of survivors.
            let isGone = await eventually { ProcessTree.commandLines.allSatisfy { !$0.contains(host.marker) } }
            #expect(isGone, "still running")
        }
        for file in answer.files.prefix(50) {
            let content = String(decoding: try await server.download(file.id), as: UTF8.self)
            if expected.secret {
                #expect(!content.contains(host.secretContent), "\(file.path) holds the host's secret")
            }
            _ = try await server.send("DELETE", "/v1/files/\(file.id)")
        }
    }
}
