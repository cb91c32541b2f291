import Execution
import NIOCore
import Testing

@testable import HTTPAPI

@Suite("Output that waits to be sent", .timeLimit(.minutes(5)))
struct OutputQueueTests {
    private static func text(_ chunk: OutputQueue.Chunk) -> String { "\(chunk.stream): \(String(buffer: chunk.bytes))" }

    @Test("is put together where one stream follows itself, and keeps the order of both")
    func order() async throws {
        let queue = OutputQueue()
        let pieces: [(OutputStream, String)] = [
            (.stdout, "a"), (.stdout, "b"), (.stderr, "c"), (.stdout, "d"), (.stdout, "e"),
        ]
        for (stream, piece) in pieces { queue.append(ByteBuffer(string: piece), to: stream) }
        let first = await queue.next() ?? []
        #expect(first.map(Self.text) == ["stdout: ab", "stderr: c", "stdout: de"])
        queue.append(ByteBuffer(string: "f"), to: .stdout)
        let second = await queue.next() ?? []
        #expect(second.map(Self.text) == ["stdout: f"], "what was taken stays as it was")
        queue.finish()
        let end = await queue.next()
        #expect(end == nil)
    }

    @Test("is in few chunks however small the pieces are, and none is longer than an event may be")
    func singleBytes() async throws {
        let queue = OutputQueue()
        let byte = ByteBuffer(string: "x")
        for _ in 0..<200_000 { queue.append(byte, to: .stdout) }
        queue.finish()
        var sizes: [Int] = []
        while let chunks = await queue.next() { sizes += chunks.map { $0.bytes.readableBytes } }
        #expect(sizes == [65_536, 65_536, 65_536, 3_392])
    }

    @Test("is taken in bounded portions where the streams alternate")
    func alternating() async throws {
        let queue = OutputQueue()
        for number in 0..<10_000 {
            queue.append(ByteBuffer(string: "\(number)\n"), to: number.isMultiple(of: 2) ? .stdout : .stderr)
        }
        queue.finish()
        var all: [String] = []
        var largest = 0
        while let chunks = await queue.next() {
            largest = max(largest, chunks.count)
            all += chunks.map(Self.text)
        }
        #expect(all == (0..<10_000).map { "\($0.isMultiple(of: 2) ? "stdout" : "stderr"): \($0)\n" })
        #expect(largest <= 256)
    }

    @Test("that begins while somebody waits for it wakes them; an end without output does too")
    func waiting() async throws {
        let queue = OutputQueue()
        async let first = queue.next()
        queue.append(ByteBuffer(string: "late"), to: .stderr)
        let chunks = await first ?? []
        #expect(chunks.map(Self.text) == ["stderr: late"])
        async let second = queue.next()
        queue.finish()
        let end = await second
        #expect(end == nil)
    }
}
