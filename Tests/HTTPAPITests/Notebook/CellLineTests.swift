import Execution
import JSON
import NIOCore
import Testing

@testable import HTTPAPI

@Suite("Lines of a cell's stream")
struct CellLineTests {
    private func lines(_ events: CellEvent...) -> [String] {
        var encoder = CellEventEncoder()
        return String(buffer: encoder.lines(events)).split(separator: "\n").map(String.init)
    }

    private func result(_ items: [(String, String)], isMain: Bool = true) -> String {
        var buffer = ByteBuffer()
        let bundle = MIMEBundle(items: items.map { .init(type: $0.0, json: ByteBuffer(string: $0.1)) })
        ResultLine.write(bundle, isMain: isMain, to: &buffer)
        return String(buffer: buffer)
    }

    @Test("have fields of their own for known types and extra for others")
    func fields() {
        #expect(
            result([
                ("image/png", "\"iVBO\""), ("text/plain", "\"a\""), ("e2b/data", "{\"a\":[1]}"), ("x/y", "\"z\""),
                ("application/vnd.a+json", "[1]"), ("application/json", "null"),
            ])
                == #"{"type":"result","text":"a","png":"iVBO","json":null,"data":{"a":[1]},"#
                + #""extra":{"application/vnd.a+json":[1],"x/y":"z"},"is_main_result":true}"# + "\n"
        )
        #expect(result([], isMain: false) == #"{"type":"result","extra":{},"is_main_result":false}"# + "\n")
        #expect(
            result([("text/html", "[1]"), ("text/plain", "{}")])
                == #"{"type":"result","extra":{},"is_main_result":true}"# + "\n",
            "what must be a text is left out where it is none"
        )
    }

    @Test(
        "strip one pair of matching quotes from a text",
        arguments: [
            (#""'abc'""#, #""abc""#), (#""\"abc\"""#, #""abc""#), (#""''""#, #""""#), (#""'""#, #""'""#),
            (#""\"""#, #""\"""#), (#""'a\"""#, #""'a\"""#), (#""abc""#, #""abc""#), (#""''a''""#, #""'a'""#),
            (#""\"\\\"""#, #""\\""#), (#""""#, #""""#),
        ]
    )
    func quotes(json: String, expected: String) {
        #expect(String(buffer: ResultLine.withoutQuotes(ByteBuffer(string: json))) == expected)
    }

    @Test("of output stay below 64 KiB whatever is printed, and join characters cut by their borders")
    func lengths() {
        let flood = ByteBuffer(repeating: 1, count: 200_000)
        let texts = lines(.output(.stdout, flood))
        #expect(texts.count == 20)
        #expect(texts.allSatisfy { $0.utf8.count < 65_536 })
        let smile = Array("😀".utf8)
        var encoder = CellEventEncoder()
        let first = encoder.lines([.output(.stdout, ByteBuffer(bytes: smile[..<2]))])
        let second = encoder.lines([.output(.stdout, ByteBuffer(bytes: smile[2...]))])
        #expect(first.readableBytes == 0)
        #expect(String(buffer: second).contains("\"text\":\"😀\""))
    }

    @Test("tell an unusual end before the end, and an error with it where the interpreter is gone")
    func endings() {
        func end(_ ending: CellEnding) -> [String] {
            var encoder = CellEventEncoder()
            _ = encoder.lines([.started(executionCount: 1)])
            return String(buffer: encoder.end(ending)).split(separator: "\n").map(String.init)
        }
        let last = #"{"type":"end_of_execution"}"#
        #expect(end(CellEnding()) == [last])
        #expect(
            end(CellEnding(stop: .timeLimit, peakMemoryBytes: 5)) == [
                #"{"type":"ending","reason":"timeout","stopped_by":"timeout","context":"kept","peak_memory_bytes":5}"#,
                last,
            ]
        )
        let died = end(CellEnding(death: .signalled(11)))
        #expect(died.count == 3 && died.last == last)
        #expect(
            died.first?.hasPrefix(
                #"{"type":"error","name":"ContextLost","value":"The interpreter was killed by signal 11."#
            ) == true
        )
        #expect(died[1] == #"{"type":"ending","reason":"signal","context":"lost","signal":11}"#)
        #expect(end(CellEnding(death: .unresponsive, stop: .interrupted))[1].contains(#""stopped_by":"interrupt""#))
    }

    @Test("begin with the number of executions also where the cell never began")
    func neverBegun() {
        var encoder = CellEventEncoder()
        let lines = String(buffer: encoder.failure("gone")).split(separator: "\n")
        #expect(lines.first == #"{"type":"number_of_executions","execution_count":0}"#)
        #expect(lines.count == 3 && lines.last == #"{"type":"end_of_execution"}"#)
    }

    @Test("have timestamps in UTC with microseconds")
    func timestamps() {
        var writer = TimestampWriter()
        #expect(writer.write(0) == "1970-01-01T00:00:00.000000+00:00")
        #expect(writer.write(1_763_684_754.698425) == "2025-11-21T00:25:54.698425+00:00")
        #expect(writer.write(951_782_400) == "2000-02-29T00:00:00.000000+00:00")
        #expect(writer.write(4_107_542_399.5) == "2100-02-28T23:59:59.500000+00:00")
        #expect(writer.write(4_107_542_400) == "2100-03-01T00:00:00.000000+00:00")
    }
}

@Suite("The queue between a cell and its client")
struct CellQueueTests {
    @Test("makes the cell wait when its client takes nothing, and not for a client that is gone")
    func backpressure() async {
        let queue = CellQueue()
        let piece = CellEvent.output(.stdout, ByteBuffer(repeating: 65, count: 1 << 20))
        let producer = Task.detached {
            for _ in 0..<64 { queue.append(piece) }
            queue.finish()
        }
        var most = 0
        var count = 0
        while count < 32 {
            let events = await queue.next().events
            most = max(most, events.count)
            count += events.count
        }
        #expect(most <= (CellQueue.limit >> 20) + 1)
        queue.close()
        await producer.value
    }

    @Test("tells of silence once in a while, and of its end after everything")
    func silence() async {
        let queue = CellQueue()
        queue.append(.started(executionCount: 1))
        queue.tick(silence: .zero)
        var next = await queue.next()
        #expect(next.events == [.started(executionCount: 1)] && !next.isLast, "what waits is no silence")
        queue.tick(silence: .seconds(3600))
        queue.tick(silence: .zero)
        next = await queue.next()
        #expect(next.events == [] && !next.isLast)
        queue.append(.started(executionCount: 2))
        queue.finish()
        next = await queue.next()
        #expect(next.events == [.started(executionCount: 2)] && next.isLast)
    }
}
