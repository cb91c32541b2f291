import Glibc
import NIOCore
import Testing

@testable import NativeSandbox

@Suite("The server's end of a channel")
struct GuestChannelTests {
    private func sockets() throws -> (Descriptor, Descriptor) {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        return (Descriptor(owning: ends[0]), Descriptor(owning: ends[1]))
    }

    /// Reads what is there.
    private func read(_ end: Descriptor) -> [UInt8] {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = recv(end.raw, &chunk, chunk.count, Int32(MSG_DONTWAIT))
            if count <= 0 { return all }
            all += chunk[..<count]
        }
    }

    @Test("is sending as long as the guest has not read enough, and keeps what comes after that in its order")
    func order() throws {
        let (ours, theirs) = try sockets()
        var channel = GuestChannel(ours, limit: 100)
        #expect(!channel.isSending)
        let (first, second) = (ByteBuffer(repeating: 1, count: 8 << 20), ByteBuffer(repeating: 2, count: 1000))
        channel.send(first)
        #expect(channel.isSending)
        channel.send(second)
        var received: [UInt8] = []
        while channel.isSending {
            let part = read(theirs)
            try #require(!part.isEmpty)
            received += part
            channel.push()
        }
        received += read(theirs)
        #expect(received == Array(first.readableBytesView) + Array(second.readableBytesView))
    }

    @Test("never has sent what a guest does not take any longer")
    func deaf() throws {
        let (ours, theirs) = try sockets()
        var channel = GuestChannel(ours, limit: 100)
        shutdown(theirs.raw, Int32(SHUT_RD))
        channel.send(ByteBuffer(string: "x"))
        #expect(channel.isSending)
        channel.send(ByteBuffer(string: "y"))
        #expect(channel.isSending)
    }
}
