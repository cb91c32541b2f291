import TestSupport
import Testing

@Suite(
    "Staged files",
    .server(["MAX_CONCURRENT_EXECUTIONS": "1", "EXECUTION_QUEUE_TIMEOUT_SEC": "5", "WORKSPACE_SIZE_MB": "64"]),
    .serialized,
    .nativeOnly("about queues, with pools that are full in a moment")
)
struct StagedFileTests {
    /// Fits once into a workspace, and not twice.
    private static let large = [UInt8](repeating: 1, count: 40 << 20)

    private static func body(_ code: String, _ files: [(path: String, id: String)]) -> String {
        ExecuteRequest(code, files: files).json.description
    }

    @Test("of thirty thousand files with one path only the last is copied")
    func onePath() async throws {
        let server = try TestServer.current
        let large = try await server.upload("large", Self.large)
        let last = try await server.upload("last", "last".utf8)
        // All of them would be more than a terabyte.
        let files = Array(repeating: (path: "a", id: large), count: 30_000) + [(path: "./a", id: last)]
        let answer = try await server.post("/v1/execute", Self.body("print(open('a').read())", files))
        #expect(answer.status == 200, "\(answer.text)")
        #expect(try answer.json["stdout"] == "last\n")
    }

    @Test("files that fit into no workspace are refused while every place is taken")
    func tooLarge() async throws {
        let server = try TestServer.current
        let large = try await server.upload("large", Self.large)
        let running = ExecuteRequest("import time\nprint('in')\ntime.sleep(50)", timeout: 55_000)
        var events = try await server.stream(running).makeAsyncIterator()
        #expect(try await events.next()?.event == "output")
        for path in ["/v1/execute", "/v1/execute/stream"] {
            let answer = try await server.post(path, Self.body("1", [("a", large), ("x/b", large)]))
            #expect(answer.status == 413, "\(answer.text)")
            #expect(try answer.detail == "The files do not fit into the workspace, at path 'x/b'.")
        }
    }
}
