import NIOCore
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("Taking a container's outputs apart")
struct StreamDemultiplexerTests {
    private static func frame(_ kind: UInt8, _ payload: String) -> [UInt8] {
        let count = UInt32(payload.utf8.count)
        return [kind, 0, 0, 0] + withUnsafeBytes(of: count.bigEndian) { Array($0) } + payload.utf8
    }

    private static let stream =
        frame(1, "first") + frame(2, "problem") + frame(1, "") + frame(2, "") + frame(0, "zero") + frame(1, "last")

    private struct Collected: Equatable {
        var output = ""
        var error = ""
    }

    private static func collect(_ pieces: [[UInt8]]) throws -> Collected {
        var frames = StreamDemultiplexer()
        var collected = Collected()
        for piece in pieces {
            try frames.feed(ByteBuffer(bytes: piece)) { output, payload in
                #expect(payload.readableBytes > 0)
                switch output {
                case .standardOutput: collected.output += String(buffer: payload)
                case .standardError: collected.error += String(buffer: payload)
                }
            }
        }
        try frames.finish()
        return collected
    }

    private static let expected = Collected(output: "firstzerolast", error: "problem")

    @Test("gives the same however the stream is cut in two")
    func cutInTwo() throws {
        for place in 0...Self.stream.count {
            #expect(try Self.collect([Array(Self.stream[..<place]), Array(Self.stream[place...])]) == Self.expected)
        }
    }

    @Test("gives the same byte by byte")
    func byteByByte() throws {
        #expect(try Self.collect(Self.stream.map { [$0] }) == Self.expected)
    }

    @Test("says when the stream ends inside a frame", arguments: 1..<13)
    func truncated(count: Int) {
        #expect(throws: EngineError.self) { try Self.collect([Array(Self.stream[..<count])]) }
    }

    @Test(
        "refuses what is no frame",
        arguments: [
            [4, 0, 0, 0, 0, 0, 0, 1], [1, 0, 1, 0, 0, 0, 0, 1], [1, 0, 0, 0, 1, 0, 0, 1],
            [1, 0, 0, 0, 255, 255, 255, 255],
            Array("hello, I am a terminal".utf8),
        ] as [[UInt8]]
    )
    func garbled(bytes: [UInt8]) throws {
        let error = try #require(throws: EngineError.self) { try Self.collect([bytes]) }
        guard case .garbled = error else { return #expect(Bool(false), "\(error)") }
    }

    @Test("throws what the daemon says in the stream")
    func daemonError() throws {
        let bytes = Self.frame(1, "ok") + Self.frame(3, "out of\u{1b}[31m disks")
        for place in 0...bytes.count {
            let pieces = [Array(bytes[..<place]), Array(bytes[place...])]
            let error = try #require(throws: EngineError.self) { try Self.collect(pieces) }
            #expect(error == .refused(status: 500, message: "out of [31m disks"))
        }
    }
}

@Suite("The answer to a request to attach")
struct AttachmentAnswerTests {
    private static let upgraded =
        "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

    @Test("begins the stream right behind the head, wherever it is cut")
    func heads() throws {
        for head in [Self.upgraded, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"] {
            let bytes = Array((head + "\u{1}stream").utf8)
            for place in 0...bytes.count {
                var answer = AttachmentAnswer()
                var stream: ByteBuffer?
                for piece in [bytes[..<place], bytes[place...]] {
                    if var started = stream {
                        started.writeBytes(piece)
                        stream = started
                    } else if case .stream(let rest) = try answer.feed(ByteBuffer(bytes: piece)) {
                        stream = rest
                    }
                }
                #expect(stream.map { String(buffer: $0) } == "\u{1}stream")
            }
        }
    }

    @Test("throws the daemon's message, with or without a length, in chunks too")
    func refusals() throws {
        let body = #"{"message":"No such container: x"}"#
        var answer = AttachmentAnswer()
        #expect(throws: EngineError.notFound("No such container: x")) {
            try answer.feed(
                ByteBuffer(string: "HTTP/1.1 404 Not Found\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            )
        }
        for text in [body, "22\r\n\(body)\r\n0\r\n\r\n"] {
            var answer = AttachmentAnswer()
            #expect(try answer.feed(ByteBuffer(string: "HTTP/1.1 409 Conflict\r\n\r\n\(text)")) == .incomplete)
            #expect(answer.ended() == .refused(status: 409, message: "No such container: x"))
        }
    }

    @Test("refuses what is no HTTP and what has no end")
    func garbled() throws {
        var answer = AttachmentAnswer()
        #expect(throws: EngineError.self) { try answer.feed(ByteBuffer(string: "SSH-2.0-OpenSSH\r\n\r\n")) }
        answer = AttachmentAnswer()
        #expect(throws: EngineError.self) {
            try answer.feed(ByteBuffer(repeating: UInt8(ascii: "x"), count: 20_000))
        }
    }
}
