import NIOCore
import Testing

@testable import ContainerSandbox

@Suite("Packets of the stream of a container")
struct PacketTests {
    private static let packets = [
        Packet(kind: .ready, stream: 0, payload: ByteBuffer(string: "{}")),
        Packet(kind: .stdout, stream: 1, payload: ByteBuffer()),
        Packet(kind: .data, stream: .max, payload: ByteBuffer(repeating: 7, count: 300)),
        Packet(kind: .usage, stream: 1 << 20, payload: ByteBuffer(string: #"{"cpu_us":1}"#)),
    ]

    private static var bytes: [UInt8] {
        var buffer = ByteBuffer()
        for packet in packets { Packet.write(packet.kind, of: packet.stream, packet.payload, to: &buffer) }
        return Array(buffer.readableBytesView)
    }

    private static func header(_ length: UInt32, kind: UInt8 = 8) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(length, endianness: .little)
        buffer.writeInteger(kind)
        buffer.writeInteger(UInt32(1), endianness: .little)
        return buffer
    }

    @Test("are understood wherever they are cut")
    func cuts() throws {
        let bytes = Self.bytes
        for cut in 0...bytes.count {
            var reader = Packet.Reader()
            var found: [Packet] = []
            for piece in [bytes[..<cut], bytes[cut...]] {
                reader.append(ByteBuffer(bytes: piece))
                while let packet = try reader.next() { found.append(packet) }
            }
            #expect(found == Self.packets, "cut at \(cut)")
        }
        var reader = Packet.Reader()
        var found: [Packet] = []
        for byte in bytes {
            reader.append(ByteBuffer(bytes: [byte]))
            while let packet = try reader.next() { found.append(packet) }
        }
        #expect(found == Self.packets)
    }

    @Test(
        "are refused before they are there when their length is none",
        arguments: [0, 4, 262_150, 1 << 31, UInt32.max]
    )
    func lengths(length: UInt32) {
        var reader = Packet.Reader()
        reader.append(Self.header(length))
        #expect(throws: Packet.Reader.Refused.self) { try reader.next() }
    }

    @Test("may have the longest payload")
    func longest() throws {
        let packet = Packet(kind: .data, stream: 3, payload: ByteBuffer(repeating: 1, count: Packet.maximumPayload))
        var reader = Packet.Reader()
        reader.append(Packet.bytes(packet.kind, of: packet.stream, packet.payload))
        #expect(try reader.next() == packet)
        #expect(try reader.next() == nil)
    }

    @Test("are refused when their kind is unknown", arguments: [0, 14, 255])
    func kinds(kind: UInt8) {
        var reader = Packet.Reader()
        reader.append(Self.header(5, kind: kind))
        #expect(throws: Packet.Reader.Refused.self) { try reader.next() }
    }
}
