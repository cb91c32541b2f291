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

    /// What may be sent when this packet has granted more on top of `credit`; nil for what is no grant, or one beyond the window.
    func raise(_ credit: Int) -> Int? {
        guard payload.readableBytes == 4,
            let bytes = payload.getInteger(at: payload.readerIndex, endianness: .little, as: UInt32.self),
            bytes > 0, credit + Int(bytes) <= Self.window
        else { return nil }
        return credit + Int(bytes)
    }

    /// Cuts bytes into packets.
    struct Reader {
        private var bytes = ByteBuffer()

        /// Why a guest is not listened to any longer.
        struct Refused: Error, Equatable {}

        mutating func append(_ more: ByteBuffer) {
            bytes.discardReadBytes()
            bytes.writeImmutableBuffer(more)
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
                let slice = bytes.readSlice(length: size)
            else { throw Refused() }
            // A copy: a slice would keep whatever it arrived with in memory for as long as somebody keeps it.
            return Packet(kind: kind, stream: stream, payload: ByteBuffer(bytes: slice.readableBytesView))
        }
    }
}
