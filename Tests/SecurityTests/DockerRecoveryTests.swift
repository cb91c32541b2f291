import Glibc
import TestSupport
import Testing

/// Nothing stays behind in an engine, however a server ends.
@Suite("Recovery with Docker", .machine, .serialized, .dockerOnly)
struct DockerRecoveryTests {
    @Test("a server killed while containers run leaves none, and finds its files again")
    func killed() async throws {
        let server = try await TestServer.start(["POOL_SIZE_NOTEBOOK": "1"])
        let owner = try #require(Host.text("\(server.storage)/owner"))
        let id = try await server.upload("kept", "kept".utf8)
        _ = try await server.cell(CellRequest("x = 1"))
        let running = Task { try? await server.execute("import time\ntime.sleep(50)", timeout: 55_000) }
        #expect(
            await eventually(within: .seconds(30)) {
                (try? await server.metric("code_interpreter_executions_active")) == 1
            }
        )
        #expect(await !TestBackend.containers(of: owner).isEmpty)
        server.process.signal(SIGKILL)
        _ = await server.process.ending()
        _ = await running.value
        // Their standard input ended with the server.
        #expect(
            await eventually(within: .seconds(60)) { await TestBackend.containers(of: owner, running: true).isEmpty }
        )
        // One that was in the making may have been made, but not started.
        let left = Set(await TestBackend.containers(of: owner))
        let next = try await TestServer.start(in: server.folder)
        #expect(
            await eventually(within: .seconds(30)) { await left.isDisjoint(with: TestBackend.containers(of: owner)) }
        )
        #expect(try await next.download(id) == Array("kept".utf8))
        #expect(try await next.execute("print(6*7)").stdout == "42\n")
        await next.stop()
        #expect(await eventually(within: .seconds(30)) { await TestBackend.containers(of: owner).isEmpty })
    }

    @Test(
        "what an earlier run left is removed at the next start, and what is expired, whosever it was; others are not touched"
    )
    func reaped() async throws {
        let server = try await TestServer.start()
        let owner = try #require(Host.text("\(server.storage)/owner"))
        await server.stop(keepingFolder: true)
        let mine = [
            "code-interpreter.owner": owner, "code-interpreter.run": "earlier",
            "code-interpreter.expires": "9999999999",
        ]
        let left = try await TestBackend.leaveContainer(labels: mine)
        let stranger = String(repeating: "5", count: 32)
        let expired = try await TestBackend.leaveContainer(
            labels: ["code-interpreter.owner": stranger, "code-interpreter.run": "a", "code-interpreter.expires": "1"]
        )
        let alive = try await TestBackend.leaveContainer(
            labels: [
                "code-interpreter.owner": stranger, "code-interpreter.run": "b",
                "code-interpreter.expires": "9999999999",
            ]
        )
        let next = try await TestServer.start(in: server.folder)
        #expect(await eventually(within: .seconds(20)) { await !TestBackend.containers(of: owner).contains(left) })
        #expect(
            await eventually(within: .seconds(20)) { await TestBackend.containers(of: stranger) == [alive] },
            "\(expired)"
        )
        await next.stop()
        await TestBackend.removeContainer(alive)
    }
}
