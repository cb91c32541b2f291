import Execution
import NIOCore
import Synchronization
import Testing

@testable import HTTPAPI

@Suite struct ExecuteTests {
    /// Prints its own source.
    private static let quine: FakeBackend.Program = { script, output in
        output(.stdout, ByteBuffer(string: script.code))
        return Outcome(ending: .exited(0), duration: .microseconds(7_900))
    }

    @Test("the answer has the fields of the contract and ours, in this order") func answersInOrder() async throws {
        try await TestAPI.with {
            $0.backend.program = { _, output in
                output(.stdout, ByteBuffer(string: "out\n"))
                output(.stderr, ByteBuffer(string: "err \"quoted\"\n"))
                return Outcome(
                    ending: .exited(3),
                    duration: .microseconds(7_900),
                    peakMemoryBytes: 4096,
                    cpuTime: .milliseconds(12),
                    wasMemoryLimitHit: true,
                    truncatedStreams: [.stderr]
                )
            }
        } _: { api in
            let response = try await api.post("/v1/execute", #"{"code":"x"}"#)
            #expect(response.status == 200)
            #expect(response["content-type"] == "application/json")
            #expect(response["x-request-id"]?.isEmpty == false)
            #expect(
                response.text
                    == #"{"stdout":"out\n","stderr":"err \"quoted\"\n","exit_code":3,"timed_out":false,"duration_ms":7,"#
                    + #""files":[],"outcome":{"reason":"exit","peak_memory_bytes":4096,"cpu_time_ms":12,"#
                    + #""memory_limit_hit":true,"stdout_truncated":false,"stderr_truncated":true,"omitted_files":0}}"#
            )
        }
    }

    @Test(
        "every ending has its exit code and its reason",
        arguments: [
            (.exited(0), #""exit_code":0,"timed_out":false,"#, #"{"reason":"exit","memory"#),
            (.signalled(11), #""exit_code":139,"timed_out":false,"#, #"{"reason":"signal","signal":11,"memory"#),
            (.timedOut, #""exit_code":null,"timed_out":true,"#, #"{"reason":"timeout","memory"#),
            (.cpuLimit, #""exit_code":137,"timed_out":false,"#, #"{"reason":"cpu","memory"#),
            (.memoryLimit, #""exit_code":137,"timed_out":false,"#, #"{"reason":"memory","memory"#),
            (.outputLimit, #""exit_code":137,"timed_out":false,"#, #"{"reason":"output_limit","memory"#),
        ] as [(Outcome.Ending, String, String)]
    )
    func describesEndings(_ ending: Outcome.Ending, _ code: String, _ reason: String) {
        let result = ExecutionResult(outcome: Outcome(ending: ending, duration: .zero), files: [], omittedFiles: 0)
        let text = String(buffer: ExecutionAnswer.json(result, stdout: ByteBuffer(), stderr: ByteBuffer()))
        #expect(text.contains(code))
        #expect(text.contains(reason))
    }

    @Test("the program gets what the request says") func passesTheRequestOn() async throws {
        let seen = Mutex<Script?>(nil)
        try await TestAPI.with {
            $0.backend.program = { script, _ in
                seen.withLock { $0 = script }
                return Outcome(ending: .exited(0), duration: .zero)
            }
        } _: { api in
            let body =
                #"{"code":"print(1)\n","stdin":"in\u0000put 😀","last_line_interactive":"off","unknown":[1,{"a":2}]}"#
            let response = try await api.post("/v1/execute", body)
            #expect(response.status == 200)
            let expected = Script(code: "print(1)\n", standardInput: "in\0put 😀", isLastLineInteractive: false)
            #expect(seen.withLock(\.self) == expected)
        }
    }

    @Test("a program's files can be fetched by the ids of the answer") func givesFiles() async throws {
        try await TestAPI.with {
            $0.backend.produced = ["b/plot.png": [1, 2, 3], "a.txt": [4]]
        } _: { api in
            let response = try await api.post("/v1/execute", #"{"code":"x"}"#)
            let files = response.text.split(separator: #"{"path":"#).dropFirst().map(String.init)
            #expect(files.count == 2)
            #expect(files.first?.hasPrefix(#""a.txt","kind":"file","file_id":""#) == true)
            #expect(files.last?.hasPrefix(#""b/plot.png","kind":"file","file_id":""#) == true)
            let id = try #require(files.last?.split(separator: #""file_id":""#).last?.prefix(36))
            let download = try await api.request("GET", "/v1/files/\(id)")
            #expect(download.body == [1, 2, 3])
            #expect(download["content-disposition"] == #"attachment; filename="plot.png""#)
        }
    }

    @Test("uploaded files are staged where the request says") func stagesFiles() async throws {
        try await TestAPI.with { api in
            let id = try #require(try await api.upload("data.csv", [1, 2]).field("file_id"))
            let body = #"{"code":"x","files":[{"path":"in/data.csv","file_id":"\#(id)"}]}"#
            #expect(try await api.post("/v1/execute", body).status == 200)
            #expect(api.backend.stagedPaths == ["in/data.csv"])
        }
    }

    @Test("output that is no text is repaired, and control characters come through") func repairsOutput() async throws {
        try await TestAPI.with {
            $0.backend.program = { _, output in
                output(.stdout, ByteBuffer(bytes: [0xFF, 0x00, 0x1B, 0x5B, 0x0D, 0xE2, 0x82]))
                output(.stdout, ByteBuffer(bytes: [0xAC, 0xED, 0xA0, 0x80]))
                return Outcome(ending: .exited(0), duration: .zero)
            }
        } _: { api in
            let response = try await api.post("/v1/execute", #"{"code":"x"}"#)
            #expect(response.text.hasPrefix(#"{"stdout":"\#u{FFFD}\u0000\u001b[\r€\#u{FFFD}\#u{FFFD}\#u{FFFD}","#))
        }
    }

    @Test("a large code and a large output pass whole") func passesLargeTexts() async throws {
        try await TestAPI.with {
            $0.backend.program = Self.quine
        } _: { api in
            let code = String(repeating: "# 0123456789 😀 é\n", count: 100_000)
            let json = code.replacing("\n", with: "\\n")
            let response = try await api.post("/v1/execute", "{\"code\":\"\(json)\"}")
            #expect(response.status == 200)
            #expect(response.text.hasPrefix("{\"stdout\":\"\(json)\",\"stderr\""))
        }
    }

    @Test("a client that disconnects cancels the program") func disconnectingCancels() async throws {
        let (started, cancelled) = (Signal(), Signal())
        try await TestAPI.with {
            $0.backend.program = { _, _ in
                started.announce()
                do { try await Task.sleep(for: .seconds(60)) } catch { cancelled.announce() }
                throw CancellationError()
            }
        } _: { api in
            for path in ["/v1/execute", "/v1/execute/stream"] {
                try await RawConnection.with(port: api.port) { connection in
                    try await connection.send(TestAPI.request("POST", path, body: Array(#"{"code":"x"}"#.utf8)))
                    #expect(await started.arrives())
                }
                #expect(await cancelled.arrives(), "\(path)")
            }
        }
    }

    @Test("no room is 429 after the queue time, no backend is 503, both with Retry-After") func refusesUnderLoad()
        async throws
    {
        let (started, released) = (Signal(), Signal())
        try await TestAPI.with {
            $0.service.maxConcurrentExecutions = 1
            $0.service.queueTimeout = .milliseconds(50)
            $0.backend.program = { _, _ in
                started.announce()
                _ = await released.arrives()
                return Outcome(ending: .exited(0), duration: .zero)
            }
        } _: { api in
            async let first = api.post("/v1/execute", #"{"code":"x"}"#)
            #expect(await started.arrives())
            for path in ["/v1/execute", "/v1/execute/stream"] {
                let refused = try await api.post(path, #"{"code":"x"}"#)
                #expect(refused.status == 429)
                #expect(refused["retry-after"] == "2")
                let detail = "Execution capacity on this replica is saturated. Retry after the Retry-After delay."
                #expect(refused.text == "{\"detail\":\"\(detail)\"}")
            }
            released.announce()
            #expect(try await first.status == 200)
        }
        try await TestAPI.with {
            $0.service.sandboxTimeout = .milliseconds(50)
            $0.backend.makeError = .unavailable("secret reason", retryAfter: .seconds(10))
        } _: { api in
            let refused = try await api.post("/v1/execute", #"{"code":"x"}"#)
            #expect(refused.status == 503)
            #expect(refused["retry-after"] == "10")
            #expect(!refused.text.contains("secret"))
        }
    }

    @Test("a fault of ours is 500 and says nothing about us") func hidesFaults() async throws {
        struct Oops: Error { var secret = "/var/secret" }
        try await TestAPI.with {
            $0.backend.program = { _, _ in throw Oops() }
        } _: { api in
            let response = try await api.post("/v1/execute", #"{"code":"x"}"#)
            #expect(response.status == 500)
            #expect(response.text == #"{"detail":"Internal Server Error"}"#)
        }
    }
}
