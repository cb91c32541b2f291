import Execution
import NIOCore
import Testing

@testable import GuestDriving

@Suite("Output between cells")
struct LateOutputTests {
    @Test("is given in its order, once, and what belongs together in one piece")
    func order() {
        var late = LateOutput()
        for (stream, text) in [(OutputStream.stdout, "a"), (.stdout, "b"), (.stderr, "c"), (.stdout, "d")] {
            late.add(ByteBuffer(string: text), of: stream)
        }
        let pieces = late.take()
        #expect(pieces.map(\.stream) == [.stdout, .stderr, .stdout])
        #expect(pieces.map { String(buffer: $0.bytes) } == ["ab", "c", "d"])
        #expect(late.take().isEmpty)
    }

    @Test("takes as little memory in tiny pieces as in large ones")
    func tinyPieces() {
        var late = LateOutput()
        for number in 0..<300_000 {
            late.add(ByteBuffer(string: "x"), of: number.isMultiple(of: 2) ? .stdout : .stderr)
        }
        let pieces = late.take()
        #expect(pieces.count <= LateOutput.limit / LateOutput.overhead)
        #expect(pieces.last.map { String(buffer: $0.bytes) } == LateOutput.notice)
    }

    @Test("of one stream is kept up to the limit, however it was cut", arguments: [1, 1000, 64 << 10])
    func oneStream(size: Int) {
        var late = LateOutput()
        let bytes = ByteBuffer(repeating: UInt8(ascii: "x"), count: size)
        for _ in 0..<(LateOutput.limit / size + 1) { late.add(bytes, of: .stdout) }
        let pieces = late.take()
        #expect(pieces.allSatisfy { $0.bytes.readableBytes <= LateOutput.longestPiece })
        let kept = pieces.filter { $0.stream == .stdout }.reduce(0) { $0 + $1.bytes.readableBytes }
        #expect((LateOutput.limit - 1024...LateOutput.limit).contains(kept))
        #expect(pieces.last.map { String(buffer: $0.bytes) } == LateOutput.notice)
    }
}
