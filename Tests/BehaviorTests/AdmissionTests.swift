import TestSupport
import Testing

@Suite(
    "Admission",
    .server([
        "MAX_CONCURRENT_EXECUTIONS": "1", "EXECUTION_QUEUE_TIMEOUT_SEC": "1", "EXECUTION_RETRY_AFTER_SEC": "7",
    ]),
    .serialized,
    .nativeOnly("about queues, with pools that are full in a moment")
)
struct AdmissionTests {
    /// Runs `body` while a program takes the only place.
    private func whilePlaceIsTaken(_ body: @Sendable (TestServer) async throws -> Void) async throws {
        let server = try TestServer.current
        let request = ExecuteRequest("import time\nprint('in')\ntime.sleep(50)", timeout: 55_000)
        var events = try await server.stream(request).makeAsyncIterator()
        #expect(try await events.next()?.event == "output")
        try await body(server)
    }

    @Test(
        "a request that waited for too long gives 429, Retry-After and the contract's words",
        arguments: ["/v1/execute", "/v1/execute/stream"]
    )
    func saturated(path: String) async throws {
        try await whilePlaceIsTaken { server async throws in
            let before = ContinuousClock.now
            let answer = try await server.post(path, #"{"code":"print(1)"}"#)
            #expect(answer.status == 429)
            #expect(answer.header("Retry-After") == "7")
            #expect(
                try answer.json
                    == ["detail": "Execution capacity on this replica is saturated. Retry after the Retry-After delay."]
            )
            #expect(ContinuousClock.now - before > .milliseconds(900), "it waited in the queue")
            #expect(
                try await server.metric("code_interpreter_executions_rejected_total", label: "status=\"429\"") ?? 0 >= 1
            )
        }
    }

    @Test("a wrong request is told so at once, however full the server is")
    func wrongRequestsDoNotQueue() async throws {
        try await whilePlaceIsTaken { server async throws in
            #expect(try await server.post("/v1/execute", "{}").status == 422)
            #expect(
                try await server.post("/v1/execute", #"{"code":"","files":[{"path":"x","file_id":"none"}]}"#).status
                    == 404
            )
            #expect(try await server.post("/v1/execute", #"{"code":"","timeout_ms":99999999}"#).status == 422)
        }
    }

    @Test("files, health and metrics are served while every place is taken")
    func otherRoutesStayUp() async throws {
        try await whilePlaceIsTaken { server async throws in
            let id = try await server.upload("x", "x".utf8)
            #expect(try await server.download(id) == [UInt8(ascii: "x")])
            #expect(try await server.get("/health").status == 200)
            #expect(try await server.get("/ready").status == 200)
            #expect(try await server.metric("code_interpreter_executions_active") == 1)
            #expect(try await server.metric("code_interpreter_executions_limit") == 1)
        }
    }

    @Test("a client that goes away makes room at once")
    func disconnectCancels() async throws {
        let server = try TestServer.current
        let body = #"{"code":"import time\ntime.sleep(50)","timeout_ms":55000}"#
        for path in ["/v1/execute", "/v1/execute/stream"] {
            let connection = try await RawConnection(port: server.port)
            try await connection.send(
                "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            #expect(await eventually { (try? await server.metric("code_interpreter_executions_active")) == 1 })
            await connection.close()
            let isFree = await eventually(within: .seconds(10)) {
                (try? await server.post("/v1/execute", #"{"code":"print(1)","timeout_ms":30000}"#))?.status == 200
            }
            #expect(isFree, "the place on \(path) was still taken")
        }
    }

    @Test("a client that goes away while it waits is not run")
    func disconnectWhileWaiting() async throws {
        let server = try TestServer.current
        let request = ExecuteRequest("import time\nprint('in', flush=True)\ntime.sleep(0.8)", timeout: 30_000)
        var events = try await server.stream(request).makeAsyncIterator()
        _ = try await events.next()
        let body = #"{"code":"open('ran.txt','w').write('x')","timeout_ms":55000}"#
        let waiting = try await RawConnection(port: server.port)
        try await waiting.send(
            "POST /v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        )
        await waiting.close()
        while try await events.next() != nil {}
        #expect(await eventually { (try? await server.execute("print(1)"))?.stdout == "1\n" })
        #expect(try await !server.listedFiles().values.contains("ran.txt"))
    }

    @Test("the queue is served in order, and whoever waits less than the limit is served")
    func queueServes() async throws {
        let server = try TestServer.current
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    try await server.post("/v1/execute", #"{"code":"print(1)","timeout_ms":30000}"#).status
                }
            }
            for try await status in group { #expect(status == 200) }
        }
    }
}
