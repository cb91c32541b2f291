import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import Synchronization

extension Response {
    /// Status and body in one line.
    func line() async throws -> String {
        let writer = CollectingWriter()
        try await body.write(writer)
        return "\(status.code) \(writer.text)"
    }
}

private final class CollectingWriter: ResponseBodyWriter, Sendable {
    private let buffer = Mutex(ByteBuffer())

    var text: String { buffer.withLock { String(buffer: $0) } }

    func write(_ bytes: ByteBuffer) async throws { buffer.withLock { _ = $0.writeImmutableBuffer(bytes) } }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
