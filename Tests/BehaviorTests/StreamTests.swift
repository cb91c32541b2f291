import Foundation
import TestSupport
import Testing

extension OneShot {
    @Suite("Streaming")
    struct Streaming {
        @Test("the answer is an event stream that nobody on the way may hold back")
        func headers() async throws {
            let response = try await TestServer.current.openStream(ExecuteRequest("print(1)"))
            #expect(response.status == 200)
            #expect(response.header("Content-Type")?.hasPrefix("text/event-stream") == true)
            #expect(response.header("Cache-Control") == "no-cache")
            #expect(response.header("X-Accel-Buffering") == "no")
            _ = try await ServerSentEvents(response).collect()
        }

        @Test("output events come first, one result event ends the stream")
        func order() async throws {
            var events: [ServerSentEvent] = []
            for try await event in try await TestServer.current.stream(ExecuteRequest("print('a')")) {
                events.append(event)
            }
            #expect(events.count >= 2)
            #expect(events.dropLast().allSatisfy { $0.event == "output" })
            let result = try #require(events.last)
            #expect(result.event == "result")
            #expect(try result.json["exit_code"] == 0)
            #expect(try result.json["timed_out"] == false)
            #expect(try result.json["files"] == [])
            #expect(try result.json["duration_ms"]?.int != nil)
            #expect(try result.json["stdout"] == nil)
        }

        @Test("events are compact JSON on one line with the fields of the contract")
        func compactFrames() async throws {
            // One write, so that it cannot arrive in two events.
            let program = "import os\n_ = os.write(1, b'a/b\\n')"
            let text = try await TestServer.current.openStream(ExecuteRequest(program)).answer().text
            let frames = text.components(separatedBy: "\n\n")
            #expect(frames.last == "")
            let output = try #require(frames.first)
            #expect(output.hasPrefix("event: output\ndata: {\""), "\(text)")
            #expect(!output.contains("\": "), "compact: \(output)")
            let data = try JSON(parsing: output.components(separatedBy: "data: ")[1])
            #expect(data == ["stream": "stdout", "data": "a/b\n"])
        }

        @Test("the first output arrives while the program still runs")
        func incremental() async throws {
            let server = try TestServer.current
            let request = ExecuteRequest("import os, time\nos.write(1, b'first')\ntime.sleep(50)", timeout: 55_000)
            let first = try await withDeadline(.seconds(20), "the first event") {
                for try await event in try await server.stream(request) { return event }
                return ServerSentEvent(event: "none", data: "{}")
            }
            #expect(first.event == "output")
            #expect(try first.json == ["stream": "stdout", "data": "first"])
        }

        @Test("each output arrives while the program waits for the next")
        func manyIncrements() async throws {
            // It never ends by itself: whoever has read three of its outputs has not waited for its end.
            let code = """
                import itertools, time
                for i in itertools.count():
                    print(f"tick {i}", flush=True)
                    time.sleep(0.2)
                """
            let stream = try await TestServer.current.stream(ExecuteRequest(code, timeout: 55_000))
            let outputs = try await withDeadline(.seconds(40), "three outputs") {
                var outputs: [String] = []
                for try await event in stream where event.event == "output" {
                    outputs.append(try event.json["data"]?.string ?? "")
                    if outputs.count == 3 { break }
                }
                return outputs
            }
            #expect(outputs.count == 3 && outputs.joined().hasPrefix("tick 0"), "\(outputs)")
        }

        @Test("standard output and error keep their order where the program flushes")
        func streamOrder() async throws {
            let code = """
                import sys, time
                for i in range(4):
                    print(i, file=sys.stdout if i % 2 == 0 else sys.stderr, flush=True)
                    time.sleep(0.2)
                """
            var seen: [String] = []
            for try await event in try await TestServer.current.stream(ExecuteRequest(code))
            where event.event == "output" {
                let json = try event.json
                let text = "\(json["stream"]?.string ?? "") \(json["data"]?.string ?? "")"
                // Unbuffered, a line's end is a piece of its own.
                if !text.hasSuffix(" \n") { seen.append(text.filter { $0 != "\n" }) }
            }
            #expect(seen == ["stdout 0", "stderr 1", "stdout 2", "stderr 3"])
        }

        @Test("a character that arrives in two pieces is one character")
        func splitCharacter() async throws {
            let code = """
                import os, time
                for byte in "\u{20AC}\u{1F600}".encode():
                    os.write(1, bytes([byte])); os.write(2, bytes([byte]))
                    time.sleep(0.05)
                """
            let answer = try await TestServer.current.stream(ExecuteRequest(code)).collect()
            #expect(answer.stdout == "\u{20AC}\u{1F600}")
            #expect(answer.stderr == "\u{20AC}\u{1F600}")
        }

        @Test("half a character at the end becomes U+FFFD")
        func halfCharacter() async throws {
            let answer = try await TestServer.current.stream(ExecuteRequest("import os\nos.write(1, b'a\\xe2\\x82')"))
                .collect()
            #expect(answer.stdout == "a\u{FFFD}")
        }

        @Test(
            "a stream says the same as a plain answer",
            arguments: [
                "print('x'); import sys; print('y', file=sys.stderr); sys.exit(3)", "1/0", "'last line'",
                "import os; os.kill(os.getpid(), 9)",
                "open('f', 'w').write('1')", "print('x' * 1_200_000)", "import sys; sys.stdout.write('z' * 1_000_000)",
            ]
        )
        func sameAsPlain(code: String) async throws {
            let server = try TestServer.current
            let plain = try await server.execute(code, interactive: true)
            let streamed = try await server.stream(ExecuteRequest(code, interactive: true)).collect()
            #expect(streamed.stdout == plain.stdout)
            #expect(streamed.stderr == plain.stderr)
            #expect(streamed.exitCode == plain.exitCode)
            #expect(streamed.isTimedOut == plain.isTimedOut)
            #expect(streamed.paths == plain.paths)
            #expect(streamed.reason == plain.reason)
        }

        @Test("a time-out ends the stream with a result")
        func timeOut() async throws {
            let request = ExecuteRequest("import time\nprint('partial')\ntime.sleep(100)", timeout: 1500)
            let answer = try await TestServer.current.stream(request).collect()
            #expect(answer.stdout == "partial\n")
            #expect(answer.isTimedOut)
            #expect(answer.exitCode == nil)
        }

        @Test("files of a streamed program can be fetched")
        func files() async throws {
            let server = try TestServer.current
            let answer = try await server.stream(ExecuteRequest("open('s.txt', 'w').write('streamed')")).collect()
            #expect(try await server.download(#require(answer.file("s.txt"))) == Array("streamed".utf8))
        }

        @Test(
            "events that a program prints are text",
            arguments: [
                "event: result\\ndata: {\\\"exit_code\\\": 99}\\n\\n", "\\n\\nevent: error\\ndata: {}\\n\\n",
                "data: [DONE]\\n\\n", ": comment\\nid: 5\\nretry: 1\\n",
                "\\r\\revent: result\\rdata: {}\\r\\r", "\\u2028event: result\\u2029",
            ]
        )
        func forgedEvents(text: String) async throws {
            let code = "text = \"\(text)\"\nprint(text)\nimport sys\nprint(repr(text), file=sys.stderr)"
            let answer = try await TestServer.current.stream(ExecuteRequest(code)).collect()
            #expect(answer.exitCode == 0)
            let plain = try await TestServer.current.execute(code)
            #expect(Array(answer.stdout.utf8) == Array(plain.stdout.utf8))
        }

        @Test(
            "everything wrong with a request is a plain error before the stream starts",
            arguments: [
                ("{}", 422), ("{", 422), (#"{"code":"1","timeout_ms":0}"#, 422),
                (#"{"code":"1","timeout_ms":9999999}"#, 422),
                (#"{"code":"1","files":[{"path":"a","file_id":"none"}]}"#, 404),
            ]
        )
        func plainErrors(body: String, status: Int) async throws {
            let answer = try await TestServer.current.post("/v1/execute/stream", body)
            #expect(answer.status == status)
            #expect(answer.header("Content-Type")?.hasPrefix("application/json") == true)
            #expect(try answer.json["detail"] != nil)
        }
    }
}
