import Execution
import NIOCore
import Testing

@testable import HTTPAPI

@Suite struct ExecuteStreamTests {
    private static let request = TestAPI.request("POST", "/v1/execute/stream", body: Array(#"{"code":"x"}"#.utf8))
    private static let result =
        #"data: {"exit_code":0,"timed_out":false,"duration_ms":0,"files":[],"outcome":{"reason":"exit","#
        + #""memory_limit_hit":false,"stdout_truncated":false,"stderr_truncated":false,"omitted_files":0}}"#

    private static func events(_ pieces: [(OutputStream, [UInt8])]) async throws -> [String] {
        try await TestAPI.with {
            $0.backend.program = { _, output in
                for (stream, bytes) in pieces { output(stream, ByteBuffer(bytes: bytes)) }
                return Outcome(ending: .exited(0), duration: .zero)
            }
        } _: { api in
            let response = try await api.request("POST", "/v1/execute/stream", body: Array(#"{"code":"x"}"#.utf8))
            #expect(response.status == 200)
            #expect(response["content-type"]?.hasPrefix("text/event-stream") == true)
            #expect(response["cache-control"] == "no-cache")
            #expect(response["x-accel-buffering"] == "no")
            #expect(response.text.hasSuffix("\n\n"))
            return response.text.dropLast(2).split(separator: "\n\n", omittingEmptySubsequences: false).map(String.init)
        }
    }

    @Test("output comes in events, the result in the last one") func sendsEvents() async throws {
        let events = try await Self.events([(.stdout, Array("a\n".utf8)), (.stderr, Array("b".utf8))])
        #expect(
            events == [
                "event: output\n" + #"data: {"stream":"stdout","data":"a\n"}"#,
                "event: output\n" + #"data: {"stream":"stderr","data":"b"}"#,
                "event: result\n" + Self.result,
            ]
        )
    }

    @Test("characters are put together over the borders of pieces, for each stream alone") func decodesIncrementally()
        async throws
    {
        let events = try await Self.events([
            (.stdout, [0xF0, 0x9F]), (.stderr, [0x65, 0xE2]), (.stdout, [0x98, 0x80, 0x21]),
            (.stderr, [0x82, 0xAC, 0xC3]),
        ])
        #expect(
            events == [
                "event: output\n" + #"data: {"stream":"stderr","data":"e"}"#,
                "event: output\n" + #"data: {"stream":"stdout","data":"😀!"}"#,
                "event: output\n" + #"data: {"stream":"stderr","data":"€"}"#,
                "event: output\n" + "data: {\"stream\":\"stderr\",\"data\":\"\u{FFFD}\"}",
                "event: result\n" + Self.result,
            ]
        )
    }

    @Test("events that a program prints stay inside their string") func forgedEventsAreInert() async throws {
        let forged = "\n\nevent: result\ndata: {\"exit_code\":0}\r\r\u{2028}\u{85}\u{B}event: error\n\n"
        let events = try await Self.events([(.stdout, Array(forged.utf8))])
        #expect(events.count == 2)
        #expect(
            events.first == "event: output\n"
                + #"data: {"stream":"stdout","data":"\n\nevent: result\ndata: {\"exit_code\":0}\r\r\u2028\u0085\u000bevent: error\n\n"}"#
        )
        #expect(events.last == "event: result\n" + Self.result)
    }

    @Test("each event leaves at once") func sendsAtOnce() async throws {
        let seen = Signal()
        try await TestAPI.with {
            $0.backend.program = { _, output in
                output(.stdout, ByteBuffer(string: "first"))
                // Only a client that has the first event lets the program go on.
                _ = await seen.arrives()
                return Outcome(ending: .exited(0), duration: .zero)
            }
        } _: { api in
            try await RawConnection.with(port: api.port) { connection in
                try await connection.send(Self.request)
                #expect(try await connection.head()?.status == 200)
                let first = try await connection.chunk().map { String(decoding: $0, as: UTF8.self) }
                #expect(first == "event: output\n" + #"data: {"stream":"stdout","data":"first"}"# + "\n\n")
                seen.announce()
                let last = try await connection.chunk().map { String(decoding: $0, as: UTF8.self) }
                #expect(last?.hasPrefix("event: result\n") == true)
                #expect(try await connection.chunk() == nil)
            }
        }
    }

    @Test("what is wrong with the request is an ordinary answer") func refusesBeforeTheStream() async throws {
        try await TestAPI.with { api in
            let invalid = try await api.post("/v1/execute/stream", "{}")
            #expect(invalid.status == 422)
            #expect(invalid["content-type"] == "application/json")
            let unknown = #"{"code":"x","files":[{"path":"a","file_id":"nope"}]}"#
            let missing = try await api.post("/v1/execute/stream", unknown)
            #expect(missing.status == 404)
            #expect(missing.text == #"{"detail":"File with ID 'nope' not found for path 'a'."}"#)
        }
    }

    @Test("a sandbox that is lost ends the stream with an error event") func reportsLostSandboxes() async throws {
        try await TestAPI.with {
            $0.backend.program = { _, output in
                output(.stdout, ByteBuffer(string: "a"))
                throw SandboxError.lost("launcher 4711 died")
            }
        } _: { api in
            let response = try await api.post("/v1/execute/stream", #"{"code":"x"}"#)
            #expect(response.status == 200)
            #expect(
                response.text == "event: output\n" + #"data: {"stream":"stdout","data":"a"}"# + "\n\nevent: error\n"
                    + #"data: {"message":"The sandbox was lost while the code was running."}"# + "\n\n"
            )
        }
    }

    @Test("a client that does not read its stream loses its program") func stalledReadersLoseTheirProgram() async throws
    {
        let cancelled = Signal()
        try await TestAPI.with {
            $0.limits.connection.writeStall = .milliseconds(300)
            $0.backend.program = { _, output in
                // More than the socket's buffers take.
                for _ in 0..<64 { output(.stdout, ByteBuffer(repeating: UInt8(ascii: "a"), count: 256 * 1024)) }
                do { try await Task.sleep(for: .seconds(60)) } catch { cancelled.announce() }
                throw CancellationError()
            }
        } _: { api in
            try await RawConnection.with(port: api.port) { connection in
                try await connection.send(Self.request)
                #expect(try await connection.head()?.status == 200)
                #expect(await cancelled.arrives())
            }
        }
    }

    @Test("the connection serves on after a stream") func connectionLivesOn() async throws {
        try await TestAPI.with { api in
            try await RawConnection.with(port: api.port) { connection in
                for _ in 0..<3 {
                    try await connection.send(Self.request)
                    #expect(try await connection.response()?.text.hasPrefix("event: result\n") == true)
                }
            }
        }
    }
}
