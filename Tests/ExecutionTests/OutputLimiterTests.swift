import NIOCore
import Testing

@testable import Execution

@Suite("The output limiter cuts a stream to its limit")
struct OutputLimiterTests {
    private static func naive(_ bytes: [UInt8], limit: Int) -> [UInt8] {
        if bytes.count <= limit { return bytes }
        return Array(bytes.prefix(limit - 32)) + Array("\n...[truncated]".utf8)
    }

    /// Passes `bytes` through in these chunks; gives what came out and the most that was held back on the way.
    private static func limit(_ chunks: [[UInt8]], to limit: Int) -> (
        bytes: [UInt8], limiter: OutputLimiter, mostHeld: Int
    ) {
        var limiter = OutputLimiter(limit: limit)
        var result: [UInt8] = []
        var mostHeld = 0
        for chunk in chunks {
            result += Array(buffer: limiter.append(ByteBuffer(bytes: chunk)))
            if !limiter.isTruncated { mostHeld = max(mostHeld, limiter.seenBytes - result.count) }
        }
        result += Array(buffer: limiter.finish())
        return (result, limiter, mostHeld)
    }

    @Test("exactly the limit passes whole, one byte more is cut", arguments: [32, 33, 64, 100, 1_000])
    func aroundTheLimit(_ limit: Int) {
        for count in [0, 1, limit - 33, limit - 32, limit - 31, limit - 1, limit, limit + 1, 2 * limit] where count >= 0
        {
            let bytes = [UInt8](repeating: 0x61, count: count)
            let (result, limiter, _) = Self.limit([bytes], to: limit)
            #expect(result == Self.naive(bytes, limit: limit), "\(count) of \(limit)")
            #expect(limiter.isTruncated == (count > limit))
            #expect(limiter.seenBytes == count)
        }
    }

    @Test("a character of several bytes may be cut through: the limit counts bytes")
    func multiByteCharacters() {
        let bytes = Array(String(repeating: "🦉", count: 30).utf8)
        for limit in 40...48 {
            let (result, _, _) = Self.limit(bytes.map { [$0] }, to: limit)
            #expect(result == Self.naive(bytes, limit: limit))
        }
    }

    @Test("it gives what a naive one gives, however the stream is chopped, and holds back at most 32 bytes")
    func randomChunks() async {
        await withRandomSeed { random in
            for _ in 0..<3_000 {
                let limit = Int.random(in: 32...200, using: &random)
                let count = Int.random(in: 0...(2 * limit), using: &random)
                let text = String(repeating: "aé漢🦉\0\n", count: count / 10 + 1)
                let bytes = Array(text.utf8.prefix(count))
                var chunks: [[UInt8]] = []
                var rest = bytes[...]
                while !rest.isEmpty {
                    let size = Int.random(in: 0...min(rest.count, 50), using: &random)
                    chunks.append(Array(rest.prefix(size)))
                    rest = rest.dropFirst(size)
                }
                let (result, limiter, mostHeld) = Self.limit(chunks, to: limit)
                #expect(result == Self.naive(bytes, limit: limit))
                #expect(limiter.isTruncated == (bytes.count > limit))
                #expect(mostHeld <= 32)
            }
        }
    }
}
