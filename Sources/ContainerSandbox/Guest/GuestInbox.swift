import Execution
import GuestDriving
import NIOCore

/// What a process said and nobody has taken yet, in the order in which it came.
///
/// It costs some bytes for each one that came, however a guest cuts them: output is copied and joined, as a packet of one byte would hold the whole buffer that
/// it was read into.
struct GuestInbox {
    /// So many bytes of one output, or something else.
    private struct Run {
        /// nil stands for the next of `events`.
        var stream: OutputStream?
        var length: UInt32
    }

    /// Most bytes of output in one event, in what is taken at once, and most events of that.
    private static let pieceBytes = 64 << 10
    private static let batchBytes = 256 << 10
    private static let batchEvents = 1024

    private var runs = CircularBuffer<Run>()
    private var output = ByteBuffer()
    private var events = CircularBuffer<GuestEvent>()

    var isEmpty: Bool { runs.isEmpty }

    /// Takes what was printed.
    mutating func add(_ bytes: ByteBuffer, of stream: OutputStream) {
        let length = UInt32(bytes.readableBytes)
        if let last = runs.last, last.stream == stream {
            runs[runs.index(before: runs.endIndex)].length += length
        } else {
            runs.append(Run(stream: stream, length: length))
        }
        output.writeImmutableBuffer(bytes)
    }

    /// Takes anything that is no output.
    mutating func add(_ event: GuestEvent) {
        runs.append(Run(stream: nil, length: 0))
        events.append(event)
    }

    /// Takes out the first event, unless that is output.
    mutating func takeFirst() -> GuestEvent? {
        guard let first = runs.first, first.stream == nil else { return nil }
        runs.removeFirst()
        return events.popFirst()
    }

    /// Takes out what one wait may bring, and says how many bytes of output that is.
    mutating func take() -> (events: [GuestEvent], bytes: Int) {
        var taken: [GuestEvent] = []
        var bytes = 0
        while bytes < Self.batchBytes, taken.count < Self.batchEvents, let run = runs.first {
            guard let stream = run.stream else {
                if let event = takeFirst() { taken.append(event) }
                continue
            }
            let length = min(Int(run.length), Self.pieceBytes)
            guard let slice = output.readSlice(length: length) else {
                preconditionFailure("runs are as long as the output")
            }
            var piece = ByteBufferAllocator().buffer(capacity: length)
            piece.writeImmutableBuffer(slice)
            taken.append(.output(stream, piece))
            bytes += length
            if length == Int(run.length) { runs.removeFirst() } else { runs[runs.startIndex].length -= UInt32(length) }
        }
        if output.readableBytes == 0 { output = ByteBuffer() } else { output.discardReadBytes() }
        if runs.isEmpty { self = GuestInbox() }
        return (taken, bytes)
    }

    /// Throws frames away.
    mutating func removeFrames() {
        var kept = GuestInbox()
        var all = self
        while !all.isEmpty {
            for event in all.take().events {
                switch event {
                case .frame: break
                case .output(let stream, let bytes): kept.add(bytes, of: stream)
                case .outputEnded, .garbled: kept.add(event)
                }
            }
        }
        self = kept
    }
}
