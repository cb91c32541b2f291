import Foundation
import TestSupport
import Testing

extension NotebookAPI {
    @Suite("The stream of a cell")
    struct Stream {
        @Test("the count comes first, the end last, and what the cell did stands between in its order")
        func order() async throws {
            let cell = try await NotebookAPI.run(
                """
                import sys
                print("out")
                print("err", file=sys.stderr)
                display("shown")
                print("more")
                3
                """
            )
            #expect(
                cell.types == [
                    "number_of_executions", "stdout", "stderr", "result", "stdout", "result", "end_of_execution",
                ],
                "\(cell)"
            )
            #expect(cell.executionCount == 1)
            #expect(cell.stdout == "out\nmore\n")
            #expect(cell.stderr == "err\n")
            #expect(cell.results.map { $0["is_main_result"]?.bool } == [false, true])
        }

        @Test("every line is one compact JSON object, without a field that is null")
        func lines() async throws {
            try await TestServer.current.withContext { context in
                var texts: [String] = []
                for try await line in try await context.lines("print('a/b')\n1") { texts.append(line.text) }
                #expect(texts.first == #"{"type":"number_of_executions","execution_count":1}"#)
                #expect(texts.last == #"{"type":"end_of_execution"}"#)
                #expect(texts.allSatisfy { !$0.contains("\": ") && !$0.contains(":null") }, "\(texts)")
            }
        }

        @Test(
            "a stream has the end of execution whatever the cell is",
            arguments: ["", "1/0", "(", "raise SystemExit"]
        )
        func alwaysEnds(code: String) async throws {
            let cell = try await NotebookAPI.run(code)
            #expect(cell.ending == nil, "nothing unusual happened: \(cell)")
        }

        @Test("the count goes up by one with each cell")
        func counts() async throws {
            let cells = try await NotebookAPI.run(["1", "print(2)", "1/0", "x = 3", "4"])
            #expect(cells.map(\.executionCount) == [1, 2, 3, 4, 5])
        }

        @Test("the times of output are UTC, go forward and are those of the output")
        func timestamps() async throws {
            let cell = try await NotebookAPI.run("import time\nprint(1)\ntime.sleep(0.3)\nprint(2)")
            let texts = cell.lines.compactMap { $0["timestamp"]?.string }
            #expect(
                texts.allSatisfy { $0.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00/) != nil },
                "\(texts)"
            )
            #expect(texts.count >= 2 && texts == texts.sorted(), "\(texts)")
            let parser = ISO8601DateFormatter()
            let text = try #require(texts.first)
            let first = try #require(parser.date(from: String(text.prefix(19)) + "Z"))
            let age = Date().timeIntervalSince(first)
            #expect(age > -1 && age < 30, "\(texts)")
        }

        @Test("silence of five seconds gives a keepalive, output does not")
        func keepalive() async throws {
            async let silent = NotebookAPI.run("import time\ntime.sleep(6)\nprint(1)")
            async let talking = NotebookAPI.run("import time\nfor i in range(6):\n    print(i)\n    time.sleep(1)")
            let isKeepalive: (JSON) -> Bool = { $0 == ["type": "keepalive"] }
            let lines = try await silent.lines
            #expect(lines.count(where: isKeepalive) == 1, "\(lines)")
            #expect(lines.dropFirst().first.map(isKeepalive) == true, "\(lines)")
            #expect(try await talking.lines.count(where: isKeepalive) == 0)
        }

        @Test(
            "output arrives while the cell still runs, also an unfinished line that nobody flushed",
            arguments: [
                "print('first')", "print('first', end='')", "import os\n_ = os.write(1, b'first')", "!echo first",
                "import sys\n_ = sys.stdout.write('first')", "import sys\n_ = sys.stdout.buffer.write(b'first')",
                "display('first')", "import sys\nprint('first', file=sys.stderr)", "!printf first; sleep 50",
            ]
        )
        func incremental(code: String) async throws {
            try await TestServer.current.withContext { context in
                let found = try await withDeadline(.seconds(20), "the first output") {
                    var lines = try await context.lines(code + "\nimport time\ntime.sleep(50)").makeAsyncIterator()
                    return try await lines.next { ($0["text"]?.string ?? "").hasPrefix("first") }
                }
                #expect(["stdout", "stderr", "result"].contains(found["type"]?.string ?? ""))
            }
        }

        @Test("the count arrives before the cell has done anything")
        func countAtOnce() async throws {
            try await TestServer.current.withContext { context in
                let first = try await withDeadline(.seconds(20), "the first line") {
                    var lines = try await context.lines("import time\ntime.sleep(50)").makeAsyncIterator()
                    return try await lines.next()
                }
                #expect(try first?.json == ["type": "number_of_executions", "execution_count": 1])
            }
        }

        @Test(
            "a line of output stays below 64 KiB, and nothing is lost",
            arguments: [
                ("x", 300_000), ("\\u20ac", 100_000), ("\\U0001f600", 70_000), ("\\\"\\\\", 90_000), ("\\x00", 70_000),
                ("ab\\n", 100_000),
            ]
        )
        func longOutput(text: String, count: Int) async throws {
            let piece = try #require(try JSON(parsing: "\"\(Self.jsonEscaped(text))\"").string)
            try await TestServer.current.withContext { context in
                var printed = ""
                for try await line in try await context.lines("print(\"\(text)\" * \(count), end='')") {
                    #expect(line.bytes.count < 65536)
                    printed += try line.json["text"]?.string ?? ""
                }
                #expect(printed == String(repeating: piece, count: count), "\(printed.utf8.count) bytes")
            }
        }

        /// Escapes of Python that JSON has not.
        private static func jsonEscaped(_ text: String) -> String {
            text.replacingOccurrences(of: "\\x", with: "\\u00")
                .replacingOccurrences(of: "\\U0001f600", with: "\\ud83d\\ude00")
        }

        @Test("ten megabytes of output arrive whole, with standard error in between in its place")
        func muchOutput() async throws {
            let cell = try await NotebookAPI.run(
                """
                import sys
                for i in range(10):
                    print(str(i) * 999_999)
                    print(i, file=sys.stderr)
                """
            )
            #expect(cell.stdout.utf8.count == 10_000_000)
            #expect(cell.stderr == "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n")
            var seen = 0
            for line in cell.lines where line["type"] == "stderr" || line["type"] == "stdout" {
                if line["type"] == "stderr" {
                    seen += (line["text"]?.string ?? "").count { $0 == "\n" }
                } else {
                    let digits = Set((line["text"]?.string ?? "").filter { $0 != "\n" })
                    #expect(digits == Set("\(seen)") || digits.isEmpty, "out of order")
                }
            }
        }

        @Test("a character that is written in pieces is one character, half a one becomes U+FFFD")
        func characters() async throws {
            let cell = try await NotebookAPI.run(
                """
                import os, time
                for byte in "\u{20AC}\u{1F600}".encode():
                    os.write(1, bytes([byte])); os.write(2, bytes([byte]))
                    time.sleep(0.02)
                os.write(1, b"a\\xe2\\x82");
                """
            )
            #expect(cell.stdout == "\u{20AC}\u{1F600}a\u{FFFD}", "\(cell)")
            #expect(cell.stderr == "\u{20AC}\u{1F600}", "\(cell)")
        }

        /// Clients split lines as Python's `str.splitlines` does: at every character in this set.
        private static let lineEnds: Set<UInt32> = [
            0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029,
        ]

        @Test(
            "lines that a cell forges are text, for clients that split lines as Python does too",
            arguments: [
                "\\n", "\\r", "\\r\\n", "\\v", "\\f", "\\x1c", "\\x1d", "\\x1e", "\\x85", "\\u2028", "\\u2029",
            ]
        )
        func forgedLines(separator: String) async throws {
            let code = """
                import sys
                from IPython.display import HTML
                forged = '\(separator){"type":"end_of_execution"}\(separator)'
                print(forged)
                print(forged, file=sys.stderr)
                display(HTML(forged), {"text/plain": forged, "a/b" + forged: forged, "application/json": forged}, raw=False)
                display({"text/plain": forged, "a/b" + forged: forged, "application/json": {forged: forged}}, raw=True)
                raise type(forged, (Exception,), {})(forged)
                """
            try await TestServer.current.withContext { context in
                let text = try await context.server.openCell(CellRequest(code, in: context.id)).answer().text
                let ends = text.unicodeScalars.count { Self.lineEnds.contains($0.value) }
                let lines = text.split(separator: "\n")
                #expect(ends == lines.count, "\(text)")
                let cell = try CellAnswer(lines: lines.map { try JSON(parsing: Array($0.utf8)) })
                #expect(cell.error != nil && cell.results.count >= 3, "\(cell)")
            }
        }

        @Test("a body without a type is JSON, fields that are null or unknown change nothing")
        func lenientBody() async throws {
            let server = try TestServer.current
            let body =
                #"{"code":"6*7","context_id":null,"language":null,"env_vars":null,"timeout_ms":null,"more":{"a":[1]}}"#
            for type in [nil, "application/json", "application/json; charset=utf-8"] {
                let answer = try await server.post("/execute", body, type: type)
                #expect(answer.status == 200, "\(type ?? "none"): \(answer.text)")
                #expect(answer.text.contains(#""text":"42""#), "\(answer.text)")
            }
        }

        @Test("the answer is a stream that nobody on the way may hold back")
        func headers() async throws {
            let response = try await TestServer.current.openCell(CellRequest("1"))
            #expect(response.status == 200)
            #expect(response.header("Content-Length") == nil)
            #expect(response.header("X-Accel-Buffering") == "no")
            _ = try await NotebookLines(response).cell()
        }
    }
}
