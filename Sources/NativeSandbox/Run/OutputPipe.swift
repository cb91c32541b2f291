import Execution
import Glibc
import NIOCore

/// The server's end of one output stream of a program.
struct OutputPipe {
    let stream: OutputStream
    private(set) var end: Descriptor?
    private var limiter: OutputLimiter

    init(_ stream: OutputStream, end: Descriptor, limit: Int) {
        self.stream = stream
        self.end = end
        self.limiter = OutputLimiter(limit: limit)
    }

    var isOpen: Bool { end != nil }
    var isTruncated: Bool { limiter.isTruncated }

    /// Reads once what is there and passes on what the limit lets through; gives how many bytes were read.
    mutating func read(into space: UnsafeMutableRawBufferPointer, _ pass: (OutputStream, ByteBuffer) -> Void) -> Int {
        guard let end else { return 0 }
        let count = Glibc.read(end.raw, space.baseAddress, space.count)
        if count < 0, errno == EINTR || errno == EAGAIN { return 0 }
        guard count > 0 else {
            finish(pass)
            return 0
        }
        // Beyond the limit nothing is kept, so nothing is copied.
        if limiter.isTruncated { return count }
        give(limiter.append(ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: space[..<count]))), pass)
        return count
    }

    /// Closes it and passes on what was held back.
    mutating func finish(_ pass: (OutputStream, ByteBuffer) -> Void) {
        guard end != nil else { return }
        end = nil
        give(limiter.finish(), pass)
    }

    private func give(_ bytes: ByteBuffer, _ pass: (OutputStream, ByteBuffer) -> Void) {
        if bytes.readableBytes > 0 { pass(stream, bytes) }
    }
}
