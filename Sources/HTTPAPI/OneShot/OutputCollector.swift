import Execution
import NIOCore
import Synchronization

/// Gathers the output of one execution until it has ended. Its size is bounded by the execution's own limits.
final class OutputCollector: Sendable {
    private struct Streams {
        var stdout = ByteBuffer()
        var stderr = ByteBuffer()
    }

    private let streams = Mutex(Streams())

    func append(_ bytes: ByteBuffer, to stream: OutputStream) {
        streams.withLock { streams in
            switch stream {
            case .stdout: _ = streams.stdout.writeImmutableBuffer(bytes)
            case .stderr: _ = streams.stderr.writeImmutableBuffer(bytes)
            }
        }
    }

    /// All that was written so far.
    var output: (stdout: ByteBuffer, stderr: ByteBuffer) { streams.withLock { ($0.stdout, $0.stderr) } }
}
