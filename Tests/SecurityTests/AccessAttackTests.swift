import Glibc
import TestSupport
import Testing

/// Attackers in front of the API: other sites, guessers, competitors for a claim, and programs that look for keys.
@Suite(
    "Attacks on access",
    .machine,
    .serialized,
    .nativeOnly("about keys and hosts, with many servers that make no sandbox")
)
struct AccessAttackTests {
    private static let key = "secret-0123456789abcdef"
    private static let settings = ["AUTH_MODE": "token", "API_KEYS": "alice:\(key),bob:bob-0123456789abcdef"]

    @Test("a thousand clients claim at once and one gets the token")
    func claimRace() async throws {
        let server = try await TestServer.start(["AUTH_MODE": "claim"])
        let answers = try await withThrowingTaskGroup(of: [HTTPAnswer].self) { group in
            for _ in 0..<100 {
                group.addTask {
                    var answers: [HTTPAnswer] = []
                    for _ in 0..<10 { answers.append(try await server.send("POST", "/claim")) }
                    return answers
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(answers.filter { $0.status == 200 }.count == 1)
        #expect(answers.filter { $0.status == 404 }.count == 999)
        await server.stop()
    }

    @Test("a program cannot claim a server of its host")
    func claimFromInside() async throws {
        let unclaimed = try await TestServer.start(["AUTH_MODE": "claim", "HOST": "0.0.0.0"])
        let other = try await TestServer.start()
        let code = """
            import socket
            for host in ["127.0.0.1", "localhost", "0.0.0.0", "10.0.2.2", "172.17.0.1", "::1"]:
                try:
                    with socket.create_connection((host, \(unclaimed.port)), 2) as s:
                        s.sendall(b"POST /claim HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\n\\r\\n")
                        print("BREACH", host, s.recv(1000))
                except OSError: pass
            print("held")
            """
        #expect(try await other.execute(code).stdout == "held\n")
        #expect(try await unclaimed.send("POST", "/claim").status == 200)
        await other.stop()
        await unclaimed.stop()
    }

    @Test("without a key nothing but health answers, whatever is sent instead of one")
    func garbage() async throws {
        let server = try await TestServer.start(Self.settings)
        let paths = [
            "/docs", "/redoc", "/metrics", "/openapi.json", "/ready", "/v1/files", "/v1/execute", "/nowhere",
            "/%2e%2e/health", "/health/../docs",
        ]
        for path in paths { #expect(try await server.get(path).status == 401, "\(path)") }
        #expect(try await server.get("/health").status == 200)
        let headers = [
            "Authorization: Bearer", "Authorization: \u{e9}\u{1F600}", "Authorization: Bearer \u{e9}",
            "Authorization: Basic \(Self.key)",
            "Authorization: Bearer \(Self.key)\r\nAuthorization: Bearer \(Self.key)",
            "Authorization: Bearer \(Self.key)\r\nX-API-Key: x",
            "Authorization: Bearer " + String(repeating: "x", count: 15_000), "X-API-Key: alice:\(Self.key)",
            "X-API-Key: alice",
            "Authorization: Bearer \(Self.key.dropLast())", "Authorization: Bearer \(Self.key)\u{0}",
        ]
        for header in headers {
            let connection = try await RawConnection(port: server.port)
            try await connection.send("GET /v1/files HTTP/1.1\r\nHost: localhost\r\n\(header)\r\n\r\n")
            let answer = await connection.receiveAnswer()
            // A header with a NUL is no header: HTTP itself refuses it.
            #expect(
                answer.hasPrefix("HTTP/1.1 401 ") || (header.contains("\u{0}") && answer.hasPrefix("HTTP/1.1 400 ")),
                "\(header): \(answer.prefix(60))"
            )
            await connection.close()
        }
        let connection = try await RawConnection(port: server.port)
        try await connection.send(
            Array("GET /v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ".utf8) + [0xFF, 0x80, 0xC0]
                + Array("\r\n\r\n".utf8)
        )
        #expect(await connection.receiveAnswer().hasPrefix("HTTP/1.1 401 "))
        await connection.close()
        #expect(try await server.get("/v1/files", headers: [("X-API-Key", Self.key)]).status == 200)
        await server.stop()
    }

    @Test("pages of other sites get nothing, by no name, method or kind of form")
    func otherSites() async throws {
        let server = try await TestServer.start()
        for host in ["evil.example", "evil.example:\(server.port)", "127.0.0.1.evil.example", "localhost.evil.example"]
        {
            let connection = try await RawConnection(port: server.port)
            try await connection.send("GET /v1/files HTTP/1.1\r\nHost: \(host)\r\n\r\n")
            #expect(await connection.receiveAnswer().hasPrefix("HTTP/1.1 421 "), "\(host)")
            await connection.close()
        }
        let code = Array(#"{"code":"print(1)"}"#.utf8)
        for type in [
            "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json",
        ] {
            for origin in [
                "https://evil.example", "null", "http://localhost:1", "http://127.0.0.1:\(server.port).evil.example",
            ] {
                let headers = [("Origin", origin), ("Content-Type", type)]
                let answer = try await server.send("POST", "/v1/execute", headers: headers, body: code)
                #expect(answer.status == 403, "\(origin) \(type)")
                #expect(answer.header("Access-Control-Allow-Origin") == nil)
            }
        }
        let preflight = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")]
        let answer = try await server.send("OPTIONS", "/v1/execute", headers: preflight)
        #expect(answer.status == 403)
        #expect(answer.header("Access-Control-Allow-Origin") == nil)
        #expect(try await server.metric("code_interpreter_executions_completed_total") ?? 0 == 0)
        await server.stop()
    }

    @Test("keys are in no command line, environment or log, and in no sandbox")
    func secrets() async throws {
        let server = try await TestServer.start(Self.settings.merging(["LOG_LEVEL": "trace"]) { $1 })
        let headers = [("X-API-Key", Self.key)]
        let code =
            "import os, glob\\nfor p in ['/proc/self/environ'] + glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):\\n  try: print(open(p, 'rb').read())\\n  except OSError: pass\\nprint(os.environ)"
        let answer = try await server.send(
            "POST",
            "/v1/execute",
            headers: headers,
            body: Array(#"{"code":"\#(code)","timeout_ms":30000}"#.utf8)
        )
        #expect(answer.status == 200)
        #expect(!answer.text.contains("0123456789abcdef"))
        let members = ProcessTree(root: server.process.pid).members
        #expect(members.count > 3)
        for member in members {
            for file in ["environ", "cmdline"] {
                let text = Host.text("/proc/\(member.pid)/\(file)") ?? ""
                #expect(!text.contains("0123456789abcdef"), "\(file) of \(member.pid)")
            }
        }
        #expect(try await server.get("/health").text.contains("0123456789abcdef") == false)
        #expect(!server.log.contains("0123456789abcdef"))
        await server.stop()
    }

    @Test("a key on the command line is refused without being repeated", arguments: ["serve", "doctor"])
    func flag(command: String) async throws {
        let folder = try TemporaryFolder("flag")
        let log = "\(folder.path)/log"
        let process = try ChildProcess(
            [Installation.program, command, "--auth-mode=token", "--api-keys", "alice:\(Self.key)"],
            environment: ["API_KEYS": "bob:bob-0123456789abcdef"],
            output: log,
            error: log
        )
        #expect(await process.ending() == .exited(2))
        let text = Host.text(log) ?? ""
        #expect(text.contains("--api-keys"))
        #expect(!text.contains("0123456789abcdef"), "\(text)")
        folder.remove()
    }
}
