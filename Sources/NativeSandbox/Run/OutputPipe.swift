import Execution
import Glibc
import GuestDriving
import NIOCore

/// The server's end of one output stream of a process.
struct OutputPipe {
    let stream: OutputStream
    /// Nil when nobody can print there any longer.
    private(set) var end: Descriptor?

    init(_ stream: OutputStream, end: Descriptor) {
        self.stream = stream
        self.end = end
    }

    /// Reads once what is there, with the help of `space`; nil when nothing is.
    mutating func read(into space: UnsafeMutableRawBufferPointer) -> GuestEvent? {
        guard let end else { return nil }
        let count = Glibc.read(end.raw, space.baseAddress, space.count)
        if count < 0, errno == EINTR || errno == EAGAIN { return nil }
        guard count > 0 else {
            self.end = nil
            return .outputEnded(stream)
        }
        return .output(stream, ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: space[..<count])))
    }
}
