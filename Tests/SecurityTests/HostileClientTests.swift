import Foundation
import TestSupport
import Testing

/// Wire-level attacks: malformed, slow and greedy clients.
@Suite(
    "Hostile clients",
    .server(["MAX_CONCURRENT_EXECUTIONS": "4", "MAX_FILE_SIZE_MB": "30"]),
    .serialized,
    .nativeOnly("about the wire, the same whatever makes sandboxes")
)
struct HostileClientTests {
    private static let code = #"{"code":"print(6*7)","timeout_ms":30000}"#

    private static func request(_ body: String = code, extra: String = "", length: Int? = nil) -> String {
        "POST /v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(extra)Content-Length: \(length ?? body.utf8.count)\r\n\r\n\(body)"
    }

    private func expectServing() async throws {
        #expect(try await TestServer.current.execute("print(6*7)", timeout: 50_000).stdout == "42\n")
    }

    @Test("a well-formed request over a bare socket is answered, two in a row and two at once")
    func pipelining() async throws {
        let server = try TestServer.current
        let connection = try await RawConnection(port: server.port)
        try await connection.send(Self.request())
        #expect(await connection.receiveAnswer().hasPrefix("HTTP/1.1 200 "))
        try await connection.send(Self.request() + Self.request(#"{"code":"print('second')","timeout_ms":30000}"#))
        let text = await connection.receive {
            $0.components(separatedBy: "HTTP/1.1 200").count == 4 && $0.contains("second")
        }
        #expect(text.components(separatedBy: "42\\n").count == 3, "\(text)")
        await connection.close()
    }

    @Test(
        "requests whose length is not clear are refused and nothing after them is taken for a request",
        arguments: [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 5x\r\n", "Content-Length: 0x5\r\n", "Content-Length: 99999999999999999999999\r\n",
            "Content-Length: +5\r\n",
            "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "Content-Length:\r\n", "Content-Length: 5, 5, 6\r\n",
        ]
    )
    func smuggling(headers: String) async throws {
        let server = try TestServer.current
        let connection = try await RawConnection(port: server.port)
        let smuggled = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        try await connection.send(
            "POST /v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(headers)\r\n0\r\n\r\n\(smuggled)"
        )
        let text = await connection.receive(within: .seconds(6)) { $0.contains("\r\n\r\n") }
        let answers = text.components(separatedBy: "HTTP/1.1 ").dropFirst()
        #expect(!answers.contains { $0.hasPrefix("200") }, "\(text)")
        await connection.close()
        try await expectServing()
    }

    @Test(
        "broken request lines and headers are refused or dropped",
        arguments: [
            "GET / HTTP/1.1\r\nHost: localhost\r\n folded: b\r\n\r\n", "GET /health HTTP/1.1\nHost: localhost\n\n",
            "GET  /health  HTTP/1.1\r\n\r\n", "\0\0\0\0\r\n\r\n",
            "GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n", "G\u{0}T /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /health HTTP/1.1\r\nHo st: a\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost : a\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost: localhost\r\nX: \u{0}\r\n\r\n",
            "GET \u{1}\u{2} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "CONNECT x:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ]
    )
    func brokenRequests(text: String) async throws {
        let connection = try await RawConnection(port: TestServer.current.port)
        try await connection.send(text)
        _ = await connection.receive(within: .seconds(3)) { $0.contains("\r\n\r\n") }
        await connection.close()
        try await expectServing()
    }

    @Test("headers without end are cut off")
    func endlessHeaders() async throws {
        let connection = try await RawConnection(port: TestServer.current.port)
        try await connection.send("GET /health HTTP/1.1\r\nHost: localhost\r\n")
        let line = "X-Header: " + String(repeating: "a", count: 8000) + "\r\n"
        for _ in 0..<200 {
            // The server may have ended the connection already, which is what is wanted.
            guard (try? await connection.send(line)) != nil, !connection.isClosedByPeer else { break }
        }
        let text = await connection.receive(within: .seconds(20)) { $0.contains("\r\n\r\n") }
        #expect(connection.isClosedByPeer || text.hasPrefix("HTTP/1.1 4"), "\(text.prefix(200))")
        await connection.close()
        try await expectServing()
    }

    @Test("a body that is too large is refused before it is all there")
    func largeBody() async throws {
        let server = try TestServer.current
        let before = server.residentBytes
        let connection = try await RawConnection(port: server.port)
        try await connection.send(
            "POST /v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4000000000\r\n\r\n{\"code\":\""
        )
        let chunk = [UInt8](repeating: UInt8(ascii: "x"), count: 1_000_000)
        for _ in 0..<200 where !connection.isClosedByPeer && connection.text.isEmpty {
            // Refused in the middle is what is wanted.
            guard (try? await withDeadline(.seconds(5), "send", { try await connection.send(chunk) })) != nil else {
                break
            }
        }
        #expect(server.residentBytes - before < 120_000_000)
        let text = await connection.receive(within: .seconds(10)) { $0.contains("\r\n\r\n") }
        #expect(connection.isClosedByPeer || text.contains(" 413 ") || text.contains(" 400 "), "\(text.prefix(300))")
        await connection.close()
        try await expectServing()
    }

    @Test(
        "an upload above the limit is refused although its length is not told, or told wrongly",
        arguments: ["chunked", "small", "none"]
    )
    func falseLength(kind: String) async throws {
        let server = try TestServer.current
        let connection = try await RawConnection(port: server.port)
        let head =
            kind == "chunked" ? "Transfer-Encoding: chunked\r\n" : kind == "small" ? "Content-Length: 300\r\n" : ""
        try await connection.send(
            "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n\(head)\r\n"
        )
        let part = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n"
        let chunk = String(repeating: "y", count: 1 << 20)
        @Sendable func piece(_ text: String) -> String {
            kind == "chunked" ? "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n" : text
        }
        try await connection.send(piece(part))
        for _ in 0..<40 where !connection.isClosedByPeer && connection.text.isEmpty {
            // Refused in the middle is what is wanted.
            guard (try? await withDeadline(.seconds(5), "send", { try await connection.send(piece(chunk)) })) != nil
            else { break }
        }
        let text = await connection.receive(within: .seconds(10)) { $0.contains("\r\n\r\n") }
        #expect(connection.isClosedByPeer || text.hasPrefix("HTTP/1.1 4"), "\(text.prefix(300))")
        #expect(!text.contains(" 201 "), "\(text.prefix(300))")
        await connection.close()
        try await expectServing()
    }

    @Test("an upload that ends in the middle leaves nothing")
    func brokenUpload() async throws {
        let server = try TestServer.current
        let before = server.storedBytes
        for _ in 0..<5 {
            let connection = try await RawConnection(port: server.port)
            try await connection.send(
                "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"half-done\"\r\n\r\n"
            )
            try await connection.send([UInt8](repeating: 7, count: 2_000_000))
            await connection.close()
        }
        #expect(await eventually { server.storedBytes < before + 2_000_000 })
        #expect(try await !server.listedFiles().values.contains("half-done"))
    }

    @Test(
        "a body that ends in the middle of its form is refused",
        arguments: [
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nabc", "--b", "", "--b--\r\n",
            "garbage", "--b\r\n\r\nabc\r\n--b--\r\n",
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n", "\r\n\r\n--b--",
            "--b\r\nX\r\n\r\n\r\n--b--",
        ]
    )
    func truncatedForm(body: String) async throws {
        let answer = try await TestServer.current.post("/v1/files", body, type: "multipart/form-data; boundary=b")
        #expect((400..<500).contains(answer.status), "\(answer.status) \(answer.text)")
        _ = try answer.json
    }

    @Test(
        "a form of a hundred thousand parts, or with endless part headers, is bounded",
        arguments: ["parts", "headers"]
    )
    func hugeForm(kind: String) async throws {
        let server = try TestServer.current
        let before = server.residentBytes
        var body = ""
        if kind == "parts" {
            for number in 0..<100_000 {
                body += "--b\r\nContent-Disposition: form-data; name=\"p\(number)\"\r\n\r\nx\r\n"
            }
        } else {
            body =
                "--b\r\n" + String(repeating: "X-Header: " + String(repeating: "a", count: 1000) + "\r\n", count: 8000)
        }
        let answer = try await server.post("/v1/files", body + "--b--\r\n", type: "multipart/form-data; boundary=b")
        #expect((400..<500).contains(answer.status), "\(answer.status) \(answer.text.prefix(200))")
        #expect(server.residentBytes - before < 100_000_000)
        try await expectServing()
    }

    @Test(
        "names that climb are only names",
        arguments: ["../../../etc/cron.d/x", "/etc/passwd", "..", "a/../../b", "C:\\\\x", "%2e%2e%2fx", "index.sqlite"]
    )
    func climbingNames(name: String) async throws {
        let server = try TestServer.current
        let form = Multipart.file(name, Array("climb".utf8))
        let answer = try await server.send("POST", "/v1/files", headers: [form.header], body: form.body)
        #expect(answer.status == 201 || (400..<500).contains(answer.status), "\(answer.text)")
        if let id = try answer.json["file_id"]?.string { #expect(try await server.download(id) == Array("climb".utf8)) }
        #expect(Host.text("/etc/cron.d/x") == nil)
        #expect(
            !Host.directory(server.folder.path).contains { !["storage", "tmp", "server.log"].contains($0) },
            "\(Host.directory(server.folder.path))"
        )
        try await expectServing()
    }

    @Test(
        "JSON that is deep, huge or odd is a wrong request",
        arguments: [
            String(repeating: "[", count: 100_000),
            String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000),
            String(repeating: "{\"a\":", count: 100_000), #"{"code":1e400}"#, #"{"code":"","timeout_ms":1e400}"#,
            #"{"code":"","timeout_ms":\#(String(repeating: "9", count: 5000))}"#,
            #"{"code":"","x":\#(String(repeating: "[", count: 50_000) + String(repeating: "]", count: 50_000))}"#,
            #"{"code":"\u0000","files":[{"path":"\u0000","file_id":"\u0000"}]}"#,
            "[" + String(repeating: "1,", count: 500_000) + "1]",
        ]
    )
    func oddJSON(body: String) async throws {
        let answer = try await TestServer.current.post("/v1/execute", body)
        #expect(
            answer.status == 200 || (400..<500).contains(answer.status),
            "\(answer.status) \(answer.text.prefix(300))"
        )
        #expect(answer.body.count < 20_000_000)
        try await expectServing()
    }

    @Test("ten thousand files to stage are refused or staged, not an error of the server")
    func manyStagedFiles() async throws {
        let server = try TestServer.current
        let id = try await server.upload("x", "x".utf8)
        let items = (0..<10_000).map { #"{"path":"f\#($0)","file_id":"\#(id)"}"# }.joined(separator: ",")
        let answer = try await server.post(
            "/v1/execute",
            #"{"code":"import os; print(len(os.listdir()))","timeout_ms":50000,"files":[\#(items)]}"#
        )
        #expect(
            answer.status == 200 || (400..<500).contains(answer.status),
            "\(answer.status) \(answer.text.prefix(300))"
        )
        try await expectServing()
    }

    @Test("a client that drips its headers, and a thousand that say nothing, stop nobody")
    func idleConnections() async throws {
        let server = try TestServer.current
        var idle: [RawConnection] = []
        for number in 0..<400 {
            let connection = try await RawConnection(port: server.port)
            if number % 2 == 0 { try await connection.send("POST /v1/execute HTTP/1.1\r\nHost: localhost\r\nX-Drip: ") }
            idle.append(connection)
        }
        try await expectServing()
        #expect(try await server.get("/health").status == 200)
        for connection in idle { await connection.close() }
        try await expectServing()
    }

    @Test("a client that does not read makes neither the server grow nor others wait")
    func slowReader() async throws {
        let server = try TestServer.current
        // More than the sockets take, less than the limit of output, which would end the program.
        let body = #"""
            {"code":"import os, time\nfor _ in range(99):\n  os.write(1, b'x' * 10000); os.write(2, b'x' * 10000)\ntime.sleep(20)","timeout_ms":30000}
            """#
        let before = server.residentBytes
        var connections: [RawConnection] = []
        for _ in 0..<3 {
            let connection = try await RawConnection(port: server.port, isReading: false)
            try await connection.send(
                "POST /v1/execute/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            connections.append(connection)
        }
        #expect(await eventually { (try? await server.metric("code_interpreter_executions_active")) ?? 0 >= 3 })
        for _ in 0..<10 { try await expectServing() }
        #expect(server.residentBytes - before < 100_000_000)
        for connection in connections { await connection.close() }
        #expect(
            await eventually(within: .seconds(30)) {
                (try? await server.metric("code_interpreter_executions_active")) == 0
            }
        )
    }

    @Test("a download that nobody reads holds no file in memory and no other client up")
    func slowDownload() async throws {
        let server = try TestServer.current
        let id = try await server.upload("large", [UInt8](repeating: 1, count: 25_000_000))
        let before = server.residentBytes
        var connections: [RawConnection] = []
        for _ in 0..<10 {
            let connection = try await RawConnection(port: server.port, isReading: false)
            try await connection.send("GET /v1/files/\(id) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connections.append(connection)
        }
        try await expectServing()
        #expect(server.residentBytes - before < 80_000_000)
        for connection in connections { await connection.close() }
        #expect(try await server.send("DELETE", "/v1/files/\(id)").status == 204)
    }

    @Test("a large upload does not raise memory by its size")
    func uploadMemory() async throws {
        let server = try TestServer.current
        _ = try await server.upload("warm", [UInt8](repeating: 1, count: 1_000_000))
        let before = server.residentBytes
        let id = try await server.upload("large", [UInt8](repeating: 1, count: 28_000_000))
        #expect(server.residentBytes - before < 30_000_000, "grown by \(server.residentBytes - before)")
        _ = try await server.send("DELETE", "/v1/files/\(id)")
    }

    @Test(
        "paths of staged files are data: quotes, commands and newlines in them run nothing",
        arguments: [
            "a'; touch owned; '.txt", "$(touch owned)", "`touch owned`", "a\nb",
            "\"\"\"; import os; os._exit(9) #", "{0}", "%s%n", "-c", "a\\b", "\u{202E}txt",
        ]
    )
    func pathsAreData(path: String) async throws {
        let server = try TestServer.current
        let id = try await server.upload("x", "content".utf8)
        let code =
            "import os\nnames = [n for n in os.listdir('.') if n != '__main__.py']\nprint(len(names), open(names[0]).read())"
        let answer = try await server.execute(ExecuteRequest(code, files: [(path, id)]))
        #expect(answer.stdout == "1 content\n", "\(answer.json)")
        #expect(answer.paths == [])
    }

    @Test("nothing that a client sends gets into the log as a line of its own, and code not at all")
    func logInjection() async throws {
        let server = try TestServer.current
        let fake = "2030-01-01T00:00:00 error forged-line-7141"
        let id = try await server.execute("open('a\\n\(fake)', 'w').write('x')").files[0].id
        let form = Multipart.file("a\r\n\(fake)", Array("x".utf8))
        _ = try await server.send("POST", "/v1/files", headers: [form.header], body: form.body)
        _ = try await server.post(
            "/v1/execute",
            ["code": .string("# \(fake)\nprint('\(fake)')"), "stdin": .string(fake), "timeout_ms": 30000]
        )
        _ = try await server.post(
            "/v1/execute",
            ["code": "", "files": [["path": .string("a\r\n\(fake)"), "file_id": .string(id)]]]
        )
        _ = try await server.post(
            "/v1/execute",
            ["code": "", "files": [["path": "x", "file_id": .string("y\n\(fake)")]]]
        )
        _ = try await server.get("/v1/files/x%0a2030-01-01T00:00:00%20error%20forged-line-7141")
        _ = try await server.send(
            "GET",
            "/health",
            headers: [("User-Agent", "x forged-line-7141"), ("X-Request-ID", "forged-line-7141")]
        )
        let lines = server.log.split(whereSeparator: \.isNewline)
        #expect(!lines.contains { $0.hasPrefix("2030-01-01") })
        #expect(!server.log.contains("print('"), "code is not logged")
    }
}
