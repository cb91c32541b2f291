import TestSupport
import Testing

// Files live longer than a single use takes, which is more in containers.
@Suite(
    "Limits of files",
    .server(["MAX_FILE_SIZE_MB": "1", "FILE_TTL_SEC": TestBackend.isNative ? "5" : "30"]),
    .serialized
)
struct FileLimitTests {
    @Test(
        "a file of exactly the limit is taken, one byte more gives 413",
        arguments: [(1_048_576, 201), (1_048_577, 413), (6_000_000, 413)]
    )
    func uploadLimit(count: Int, status: Int) async throws {
        let form = Multipart.file("big", [UInt8](repeating: 7, count: count))
        let answer = try await TestServer.current.send("POST", "/v1/files", headers: [form.header], body: form.body)
        #expect(answer.status == status, "\(answer.text)")
        if status == 413 { #expect(try answer.json == ["detail": "File size exceeds maximum of 1 MB"]) }
    }

    @Test("an upload that was refused leaves nothing behind")
    func refusedLeavesNothing() async throws {
        let server = try TestServer.current
        let form = Multipart.file("refused-name", [UInt8](repeating: 7, count: 3_000_000))
        _ = try await server.send("POST", "/v1/files", headers: [form.header], body: form.body)
        #expect(try await !server.listedFiles().values.contains("refused-name"))
        #expect(await eventually { server.storedBytes < 3_000_000 })
    }

    @Test("a produced file above the limit is left out and counted")
    func producedLimit() async throws {
        let answer = try await TestServer.current.execute(
            "open('big', 'wb').write(bytes(3_000_000))\nopen('small', 'w').write('x')"
        )
        #expect(answer.paths == ["small"], "\(answer.json)")
        #expect(answer.outcome["omitted_files"] == 1)
    }

    @Test("a file is gone when its time is up, and so are its bytes")
    func timeToLive() async throws {
        let server = try TestServer.current
        // The index has bytes of its own that come and go.
        let before = server.storedBytes
        var ids: [String] = []
        for _ in 0..<6 { ids.append(try await server.upload("short-lived", [UInt8](repeating: 1, count: 1_000_000))) }
        let id = try #require(ids.last)
        #expect(try await server.download(id).count == 1_000_000)
        let isGone = await eventually(within: .seconds(60), every: .milliseconds(200)) {
            (try? await server.get("/v1/files/\(id)"))?.status == 404
        }
        #expect(isGone)
        #expect(try await server.listedFiles()[id] == nil)
        let answer = try await server.post(
            "/v1/execute",
            #"{"code":"","files":[{"path":"x","file_id":"\#(id)"}]}"#
        )
        #expect(answer.status == 404)
        let isRemoved = await eventually(within: .seconds(90), every: .milliseconds(200)) {
            server.storedBytes < before + 3_000_000
        }
        #expect(isRemoved, "\(server.storedBytes - before) bytes of expired files are still on the disk")
    }
}
