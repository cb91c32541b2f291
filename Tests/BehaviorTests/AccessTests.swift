import Glibc
import TestSupport
import Testing

@Suite("Access", .machine, .serialized, .nativeOnly("about keys and hosts, with many servers that make no sandbox"))
struct AccessTests {
    private static let alice = "alice-0123456789abcdef"
    private static let bob = "bob-0123456789abcdef"
    private static let code = Array(#"{"code":"print(6*7)","timeout_ms":30000}"#.utf8)

    private static func bearer(_ key: String) -> [(String, String)] { [("Authorization", "Bearer \(key)")] }

    @Test("keys of the environment and of a file that only the starter can read open the API, each its own part of it")
    func keys() async throws {
        let folder = try TemporaryFolder("keys")
        let path = try folder.file("keys", "# keys\nbob:\(Self.bob)\n".utf8)
        chmod(path, 0o600)
        let server = try await TestServer.start([
            "AUTH_MODE": "token", "API_KEYS": "alice:\(Self.alice)", "API_KEYS_FILE": path,
        ])
        for (name, value) in [
            ("Authorization", "Bearer \(Self.alice)"), ("X-API-Key", Self.bob), ("X-Access-Token", Self.alice),
        ] {
            let answer = try await server.send("POST", "/v1/execute", headers: [(name, value)], body: Self.code)
            #expect(answer.status == 200)
            #expect(try answer.json["stdout"] == "42\n")
        }
        for headers in [[], Self.bearer("wrong-0123456789abcdef")] {
            let answer = try await server.send("POST", "/v1/execute", headers: headers, body: Self.code)
            #expect(answer.status == 401)
            #expect(answer.text == #"{"detail":"Unauthorized"}"#)
            #expect(answer.header("WWW-Authenticate") == "Bearer")
        }
        let program = Array(#"{"code":"open('made','w').write('x')","timeout_ms":30000}"#.utf8)
        let made = try await server.send("POST", "/v1/execute", headers: Self.bearer(Self.alice), body: program).json
        let id = try #require(made["files"]?.array?.first?["file_id"]?.string)
        #expect(try await server.get("/v1/files/\(id)", headers: Self.bearer(Self.alice)).status == 200)
        #expect(try await server.get("/v1/files/\(id)", headers: Self.bearer(Self.bob)).status == 404)
        await server.stop()
        folder.remove()
    }

    @Test("a server is claimed once, and anew after a restart, by somebody who sees nothing of the one before")
    func claim() async throws {
        let first = try await TestServer.start(["AUTH_MODE": "claim"])
        #expect(try await first.send("POST", "/v1/execute", body: Self.code).status == 403)
        let token = try #require(try await first.send("POST", "/claim").json["token"]?.string)
        #expect(token.utf8.count == 43)
        #expect(try await first.send("POST", "/claim").status == 404)
        let form = Multipart.file("kept", [1])
        let upload = try await first.send(
            "POST",
            "/v1/files",
            headers: [form.header] + Self.bearer(token),
            body: form.body
        )
        #expect(upload.status == 201)
        #expect(!first.log.contains(token))
        await first.stop(keepingFolder: true)
        let second = try await TestServer.start(["AUTH_MODE": "claim"], in: first.folder)
        #expect(try await second.get("/v1/files", headers: Self.bearer(token)).status == 403)
        let next = try #require(try await second.send("POST", "/claim").json["token"]?.string)
        #expect(next != token)
        #expect(try await second.get("/v1/files", headers: Self.bearer(token)).status == 401)
        #expect(try await second.get("/v1/files", headers: Self.bearer(next)).text == #"{"files":[]}"#)
        await second.stop()
    }

    @Test("a server open to all says so at its start and in health")
    func openServer() async throws {
        let server = try await TestServer.start(["HOST": "0.0.0.0"])
        let warnings = try await server.get("/health").json["warnings"]?.array ?? []
        #expect(warnings.count == 1)
        let text = try #require(warnings.first?.string)
        #expect(text.contains("without authentication"))
        #expect(server.log.contains(text))
        await server.stop()
        let closed = try await TestServer.start(["HOST": "0.0.0.0", "AUTH_MODE": "claim"])
        #expect(try await closed.get("/health").json["warnings"]?.array?.isEmpty == true)
        #expect(!closed.log.contains("without authentication"))
        await closed.stop()
    }
}
