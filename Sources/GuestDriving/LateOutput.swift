import Execution
import NIOCore

/// What threads and processes of earlier cells print while no cell runs, kept for the next one.
///
/// It takes about ``limit`` bytes of memory, however a guest cuts it: neighbours are joined, and each piece counts for
/// what holds it, too.
struct LateOutput {
    struct Piece {
        let stream: OutputStream
        var bytes: ByteBuffer
    }

    static let limit = 256 << 10
    /// What a piece takes beside its text.
    static let overhead = 128
    static let longestPiece = 64 << 10
    static let notice = "\n...[output between cells truncated]\n"

    private var pieces: [Piece] = []
    private var size = 0
    private var isTruncated = false

    mutating func add(_ bytes: ByteBuffer, of stream: OutputStream) {
        guard !isTruncated, bytes.readableBytes > 0 else { return }
        let isNew = !isContinued(by: bytes, of: stream)
        let room = Self.limit - size - (isNew ? Self.overhead : 0)
        let length = max(0, min(bytes.readableBytes, room))
        if length > 0, let kept = bytes.getSlice(at: bytes.readerIndex, length: length) {
            if isNew { append(kept, of: stream) } else { pieces[pieces.count - 1].bytes.writeImmutableBuffer(kept) }
            size += length
        }
        guard length < bytes.readableBytes else { return }
        isTruncated = true
        append(ByteBuffer(string: Self.notice), of: .stderr)
    }

    /// Gives what was kept, in its order, and keeps nothing.
    mutating func take() -> [Piece] {
        defer { self = LateOutput() }
        return pieces
    }

    /// Whether the last piece is of that stream and has room.
    private func isContinued(by bytes: ByteBuffer, of stream: OutputStream) -> Bool {
        guard let last = pieces.last else { return false }
        return last.stream == stream && last.bytes.readableBytes + bytes.readableBytes <= Self.longestPiece
    }

    private mutating func append(_ bytes: ByteBuffer, of stream: OutputStream) {
        pieces.append(Piece(stream: stream, bytes: bytes))
        size += Self.overhead
    }
}
