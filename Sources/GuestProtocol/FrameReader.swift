import NIOCore

/// Cuts the bytes of a channel into frames.
package struct FrameReader: Sendable {
    /// Longest frame of a guest that runs one program: it has little to say.
    package static let scriptLimit = 1 << 20
    /// Longest frame of a context: a picture is one.
    package static let contextLimit = 32 << 20

    private let limit: Int
    private var bytes = ByteBuffer()

    /// Why a guest is not listened to any longer.
    package struct Refused: Error, Equatable {
        package init() {}
    }

    /// Takes frames of at most `limit` bytes.
    package init(limit: Int) { self.limit = limit }

    /// Takes what was read.
    package mutating func append(_ more: UnsafeRawBufferPointer) {
        bytes.writeBytes(more)
    }

    private var length: Int? {
        bytes.getInteger(at: bytes.readerIndex, endianness: .little, as: UInt32.self).map(Int.init)
    }

    /// The next whole frame, nil until there is one.
    package mutating func next() throws(Refused) -> GuestFrame? {
        guard let length else { return nil }
        guard length <= limit else { throw Refused() }
        guard bytes.readableBytes >= 4 + length else { return nil }
        bytes.moveReaderIndex(forwardBy: 4)
        guard let body = bytes.readSlice(length: length), let frame = GuestFrame(Self.compact(body)) else {
            throw Refused()
        }
        if bytes.readableBytes == 0 {
            bytes = ByteBuffer()
        } else if bytes.readerIndex >= bytes.readableBytes {
            // A guest may never let it be empty.
            bytes.discardReadBytes()
        }
        return frame
    }

    /// A frame that lives on, in whoever waits for its client, holds no more memory than its own size is worth.
    private static func compact(_ body: ByteBuffer) -> ByteBuffer {
        guard body.readableBytes < body.storageCapacity / 2 else { return body }
        var copy = ByteBufferAllocator().buffer(capacity: body.readableBytes)
        copy.writeImmutableBuffer(body)
        return copy
    }

    /// How many bytes of memory it holds.
    var heldBytes: Int { bytes.storageCapacity }
}
