import TestSupport
import Testing

@Suite("Restarts", .machine, .serialized)
struct RestartTests {
    @Test("files are there after a restart, with their names, sizes and times")
    func filesSurvive() async throws {
        let first = try await TestServer.start()
        let id = try await first.upload("kept 漢字.txt", "kept".utf8)
        let produced = try await first.execute("open('d.txt', 'w').write('produced')").files
        let list = try await first.get("/v1/files").json
        await first.stop(keepingFolder: true)

        let second = try await TestServer.start(in: first.folder)
        #expect(try await second.get("/v1/files").json == list)
        #expect(try await second.download(id) == Array("kept".utf8))
        #expect(try await second.download(#require(produced.first).id) == Array("produced".utf8))
        let answer = try await second.execute(ExecuteRequest("print(open('x').read())", files: [("x", id)]))
        #expect(answer.stdout == "kept\n")
        await second.stop()
    }

    @Test("SIGTERM lets a running program end, or ends it, and answers its client either way")
    func terminates() async throws {
        let server = try await TestServer.start()
        async let running = server.post(
            "/v1/execute",
            #"{"code":"import time\nprint('in')\ntime.sleep(1)\nprint('out')","timeout_ms":5000}"#
        )
        #expect(await eventually { (try? await server.metric("code_interpreter_executions_active")) == 1 })
        let tree = ProcessTree(root: server.process.pid)
        await server.stop()
        // A connection that ends without an answer throws; both are an end.
        if let answer = try? await running { #expect([200, 503].contains(answer.status), "\(answer.text)") }
        #expect(server.process.endingSoFar == .exited(0))
        #expect(await eventually { tree.members.allSatisfy { !$0.isAlive } })
    }

    @Test("two servers side by side do not disturb each other")
    func sideBySide() async throws {
        let first = try await TestServer.start(["POOL_SIZE_FULL": "1", "POOL_SIZE_BARE": "1"])
        let second = try await TestServer.start(["POOL_SIZE_FULL": "1", "POOL_SIZE_BARE": "1"])
        #expect(try await first.execute("print(1)").stdout == "1\n")
        #expect(try await second.execute("print(2)").stdout == "2\n")
        await second.stop()
        for number in 0..<4 { #expect(try await first.execute("print(\(number))").stdout == "\(number)\n") }
        await first.stop()
    }

    @Test("a storage folder that does not exist yet is made")
    func makesStorage() async throws {
        let server = try await TestServer.start()
        #expect(try await server.listedFiles().isEmpty)
        await server.stop()
    }
}
