import Execution
import NIOCore

/// Output that waits to be sent, in the order in which it came: the bytes of both streams in one buffer, and whose they are.
///
/// A chunk of its own for each piece would take a hundred times the memory of a program's single bytes.
struct OutputBacklog {
    /// Bytes of one stream, between which none of the other came.
    private struct Run {
        var stream: OutputStream
        var length: UInt32
    }

    private var bytes = ByteBuffer()
    private var runs: [Run] = []
    private var taken = 0

    /// No run becomes longer by another piece: each is one event.
    private static let longestRun = 64 << 10
    /// How much is taken at once.
    private static let runsAtOnce = 256
    private static let bytesAtOnce = 256 << 10

    var isEmpty: Bool { taken == runs.count }

    /// Adds a piece behind the others. Not after something was taken.
    mutating func append(_ piece: ByteBuffer, to stream: OutputStream) {
        precondition(taken == 0, "output is added to what leaves")
        bytes.writeImmutableBuffer(piece)
        let count = piece.readableBytes
        if let last = runs.last, last.stream == stream, Int(last.length) + count <= Self.longestRun {
            runs[runs.count - 1].length += UInt32(count)
        } else {
            runs.append(Run(stream: stream, length: UInt32(count)))
        }
    }

    /// The next chunks, a bounded number of them; none where it is empty. They share its memory.
    mutating func take() -> [OutputQueue.Chunk] {
        var chunks: [OutputQueue.Chunk] = []
        var count = 0
        while taken < runs.count, chunks.count < Self.runsAtOnce, count < Self.bytesAtOnce {
            let run = runs[taken]
            guard let chunk = bytes.readSlice(length: Int(run.length)) else { break }
            chunks.append((run.stream, chunk))
            count += Int(run.length)
            taken += 1
        }
        return chunks
    }
}
