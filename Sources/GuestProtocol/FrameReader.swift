import NIOCore

/// Cuts the bytes of a channel into frames.
package struct FrameReader: Sendable {
    /// Longest frame of a guest that runs one program: it has little to say.
    package static let scriptLimit = 1 << 20
    /// Longest frame of a context: a picture is one.
    package static let contextLimit = 32 << 20

    private let limit: Int
    /// What was read and belongs to no frame yet.
    private var bytes = ByteBuffer()
    /// The frame that has begun, without its length, and how much of it is missing.
    private var begun: (body: ByteBuffer, missing: Int)?

    /// Why a guest is not listened to any longer.
    package struct Refused: Error, Equatable {
        package init() {}
    }

    /// Takes frames of at most `limit` bytes.
    package init(limit: Int) { self.limit = limit }

    /// Takes what was read.
    package mutating func append(_ more: UnsafeRawBufferPointer) {
        let length = min(begun?.missing ?? 0, more.count)
        if length > 0 {
            begun?.body.writeBytes(UnsafeRawBufferPointer(rebasing: more[..<length]))
            begun?.missing -= length
        }
        if length < more.count { bytes.writeBytes(UnsafeRawBufferPointer(rebasing: more[length...])) }
    }

    /// The next whole frame, nil until there is one.
    package mutating func next() throws(Refused) -> GuestFrame? {
        if begun == nil { try begin() }
        guard let (body, missing) = begun, missing == 0 else { return nil }
        begun = nil
        guard let frame = GuestFrame(Self.compact(body)) else { throw Refused() }
        return frame
    }

    private var length: Int? {
        bytes.getInteger(at: bytes.readerIndex, endianness: .little, as: UInt32.self).map(Int.init)
    }

    /// Begins a frame whose length is there. What it announces takes no memory: only what has come does, and grows by
    /// doubling.
    private mutating func begin() throws(Refused) {
        guard let length else { return }
        guard length <= limit else { throw Refused() }
        bytes.moveReaderIndex(forwardBy: 4)
        let part = min(length, bytes.readableBytes)
        let body = bytes.readSlice(length: part) ?? ByteBuffer()
        begun = (body: part < length ? Self.copy(body) : body, missing: length - part)
        if bytes.readableBytes == 0 {
            bytes = ByteBuffer()
        } else if bytes.readerIndex >= bytes.readableBytes {
            // A guest may never let it be empty.
            bytes = Self.copy(bytes)
        }
    }

    /// A frame that lives on, in whoever waits for its client, holds no more memory than its own size is worth.
    private static func compact(_ body: ByteBuffer) -> ByteBuffer {
        body.readableBytes < body.storageCapacity / 2 ? copy(body) : body
    }

    private static func copy(_ bytes: ByteBuffer) -> ByteBuffer {
        var copy = ByteBufferAllocator().buffer(capacity: bytes.readableBytes)
        copy.writeImmutableBuffer(bytes)
        return copy
    }

    /// How many bytes of memory it holds.
    var heldBytes: Int { bytes.storageCapacity + (begun?.body.storageCapacity ?? 0) }
}
