import Execution
import Glibc
import NIOCore
import NIOPosix

extension Workspace {
    /// Reads a regular file piece by piece, each when it is asked for, at most `limit` bytes in all.
    func read(
        _ path: WorkspacePath,
        limit: Int,
        on threads: NIOThreadPool
    ) async throws -> AsyncThrowingStream<ByteBuffer, any Error> {
        let opened = try await threads.runIfActive { Self.openRegular(path.string, in: self.root)?.file }
        guard let file = opened else { throw SandboxError.notARegularFile(path) }
        let position = Position()
        return AsyncThrowingStream {
            let offset = position.value
            let wanted = min(Self.chunkBytes, limit - offset)
            guard wanted > 0 else { return nil }
            let chunk = try await threads.runIfActive { try Self.chunk(of: file, at: offset, wanted: wanted) }
            position.value += chunk.readableBytes
            return chunk.readableBytes > 0 ? chunk : nil
        }
    }

    /// At most `wanted` bytes; none at the end of the file.
    static func chunk(of file: Descriptor, at offset: Int, wanted: Int) throws -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: wanted)
        try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { space throws(SystemError) in
            try systemCall("pread") { pread(file.raw, space.baseAddress, wanted, off_t(offset)) }
        }
        return buffer
    }

    /// How far a stream was read.
    ///
    /// Safety: a stream made by unfolding asks for one piece at a time, so nobody reads this while it is written.
    private final class Position: @unchecked Sendable {
        var value = 0
    }
}
