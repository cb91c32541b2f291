package import NIOCore
package import NIOPosix
import Synchronization
import _NIOFileSystem

/// Reads one blob from its start to its end; also when the blob loses its name meanwhile. Closes it when nobody holds the reader any more.
package final class BlobReader: Sendable {
    static let chunkBytes = 256 * 1024

    private let descriptor: FileDescriptor
    private let threadPool: NIOThreadPool
    private let offset = Mutex<Int64>(0)

    init(takingOwnershipOf descriptor: FileDescriptor, threadPool: NIOThreadPool) {
        self.descriptor = descriptor
        self.threadPool = threadPool
    }

    /// Opens a blob by its path.
    package convenience init(path: String, threadPool: NIOThreadPool) async throws {
        let descriptor = try await threadPool.runIfActive {
            try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec, .noFollow])
        }
        self.init(takingOwnershipOf: descriptor, threadPool: threadPool)
    }

    deinit {
        // Nothing can be done about it, and nothing was written.
        try? descriptor.close()
    }

    /// The next bytes, nil at the end. One call at a time.
    package func next() async throws -> ByteBuffer? {
        let start = offset.withLock { $0 }
        let chunk = try await threadPool.runIfActive { [descriptor] in
            var buffer = ByteBufferAllocator().buffer(capacity: Self.chunkBytes)
            try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.chunkBytes) { space in
                try descriptor.read(
                    fromAbsoluteOffset: start,
                    into: UnsafeMutableRawBufferPointer(rebasing: space.prefix(Self.chunkBytes))
                )
            }
            return buffer
        }
        if chunk.readableBytes == 0 { return nil }
        offset.withLock { $0 = start + Int64(chunk.readableBytes) }
        return chunk
    }
}
