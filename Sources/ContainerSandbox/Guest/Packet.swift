import NIOCore

/// One message of the stream between server and guest; docs/PROTOCOL.md, "The stream of a container".
struct Packet: Equatable {
    /// Longest payload.
    static let maximumPayload = 256 << 10
    /// What each side may send of a stream beyond what the other one granted.
    static let window = 1 << 20
    /// Kind and stream.
    private static let headerBytes = 5

    enum Kind: UInt8 {
        case open = 1
        case data, input, end, credit, signal, cancel
        case stdout, stderr, exit, answer, ready, usage
    }

    var kind: Kind
    var stream: UInt32
    var payload: ByteBuffer

    /// Writes one packet behind what is in `buffer`.
    static func write(
        _ kind: Kind,
        of stream: UInt32,
        _ payload: ByteBuffer = ByteBuffer(),
        to buffer: inout ByteBuffer
    ) {
        buffer.writeInteger(UInt32(headerBytes + payload.readableBytes), endianness: .little)
        buffer.writeInteger(kind.rawValue)
        buffer.writeInteger(stream, endianness: .little)
        buffer.writeImmutableBuffer(payload)
    }

    /// The bytes of one packet.
    static func bytes(_ kind: Kind, of stream: UInt32, _ payload: ByteBuffer = ByteBuffer()) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: 4 + headerBytes + payload.readableBytes)
        write(kind, of: stream, payload, to: &buffer)
        return buffer
    }

    /// The bytes of a grant.
    static func credit(_ bytes: Int, of stream: UInt32) -> ByteBuffer {
        var payload = ByteBuffer()
        payload.writeInteger(UInt32(bytes), endianness: .little)
        return Self.bytes(.credit, of: stream, payload)
    }

    /// Cuts bytes into packets.
    struct Reader {
        private var bytes = ByteBuffer()

        /// Why a guest is not listened to any longer.
        struct Refused: Error, Equatable {}

        mutating func append(_ more: ByteBuffer) {
            if bytes.readableBytes == 0 { bytes = more } else { bytes.writeImmutableBuffer(more) }
        }

        /// The next whole packet, nil until there is one.
        mutating func next() throws(Refused) -> Packet? {
            guard let length = bytes.getInteger(at: bytes.readerIndex, endianness: .little, as: UInt32.self) else {
                return nil
            }
            let size = Int(length) - Packet.headerBytes
            guard 0...Packet.maximumPayload ~= size else { throw Refused() }
            guard bytes.readableBytes >= 4 + Int(length) else { return nil }
            bytes.moveReaderIndex(forwardBy: 4)
            guard let kind = bytes.readInteger(as: UInt8.self).flatMap(Kind.init(rawValue:)),
                let stream = bytes.readInteger(endianness: .little, as: UInt32.self),
                let payload = bytes.readSlice(length: size)
            else { throw Refused() }
            if bytes.readableBytes == 0 { bytes = ByteBuffer() } else { bytes.discardReadBytesIfLarge() }
            return Packet(kind: kind, stream: stream, payload: payload)
        }
    }
}

extension ByteBuffer {
    /// Lets go of what was read, once that is worth a copy.
    fileprivate mutating func discardReadBytesIfLarge() {
        if readerIndex > 1 << 20 { discardReadBytes() }
    }
}
