import Glibc
import TestSupport
import Testing

/// What clients hear while the engine cannot be reached, and after it can be again.
@Suite("Loss of the engine", .machine, .serialized, .dockerOnly)
struct DockerEngineLossTests {
    /// The engine's socket under a name that can be taken away. What is connected stays so: new containers cannot be
    /// attached to, and the engine tells nobody.
    private struct Link: Sendable {
        let folder: TemporaryFolder
        let target: String
        var path: String { "\(folder.path)/docker.sock" }
        var settings: [String: String] {
            ["DOCKER_HOST": "unix://\(path)", "POOL_SIZE_BARE": "1", "POOL_SIZE_FULL": "1", "POOL_SIZE_NOTEBOOK": "1"]
        }

        init() throws {
            guard case .docker(let host, _) = TestBackend.current, host.hasPrefix("unix://") else {
                throw TestBackend.NoEngine()
            }
            folder = try TemporaryFolder("engine")
            target = String(host.dropFirst("unix://".count))
            // The server gives up root.
            guard chmod(folder.path, 0o711) == 0 else {
                throw SystemCallError(call: "chmod", object: folder.path, errno: errno)
            }
        }

        func set() throws {
            guard symlink(target, path) == 0 else { throw SystemCallError(call: "symlink", object: path, errno: errno) }
        }
    }

    @Test("is told by /ready and to requests, with a time to come back, and ends by itself")
    func lossAndReturn() async throws {
        let link = try Link()
        defer { link.folder.remove() }
        try link.set()
        let server = try await TestServer.start(link.settings)
        #expect(unlink(link.path) == 0)
        let isRefused = await eventually(within: .seconds(60)) {
            guard let answer = try? await server.post("/v1/execute", ["code": "print(1)"]) else { return false }
            return answer.status == 503 && answer.header("Retry-After") != nil
        }
        #expect(isRefused, "\(server.logTail)")
        #expect(try await eventually(within: .seconds(30)) { try await server.get("/ready").status == 503 })
        try link.set()
        let isBack = await eventually(within: .seconds(60)) {
            (try? await server.execute("print(6*7)").stdout) == "42\n"
        }
        #expect(isBack, "\(server.logTail)")
        #expect(try await eventually(within: .seconds(30)) { try await server.get("/ready").status == 200 })
        await server.stop()
    }

    @Test("no language is called unknown before the image has said which ones it has")
    func languages() async throws {
        let link = try Link()
        defer { link.folder.remove() }
        let server = try TestServer.launch(link.settings)
        #expect(await eventually(within: .seconds(60)) { (try? await server.get("/health")) != nil })
        let early = try await server.post("/contexts", ["language": "bash"])
        #expect(early.status == 503 && early.header("Retry-After") != nil, "\(early.status) \(early.text)")
        try link.set()
        let isMade = await eventually(within: .seconds(60)) {
            (try? await server.post("/contexts", ["language": "bash"]).status) == 200
        }
        #expect(isMade, "\(server.logTail)")
        let unknown = try await server.post("/contexts", ["language": "no-such"])
        #expect(unknown.status == 400, "\(unknown.status) \(unknown.text)")
        await server.stop()
    }
}
