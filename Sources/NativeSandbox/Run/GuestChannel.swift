import CLinux
import Glibc
import GuestProtocol
import NIOCore

/// The server's end of a guest's channel: frames out, frames in. Never blocks.
struct GuestChannel {
    private let socket: Descriptor
    private var outgoing = ByteBuffer()
    /// Whether the guest takes nothing any longer.
    private var isDeaf = false
    /// Ride on the next byte that is sent.
    private var passengers: [Descriptor] = []
    private var frames: FrameReader
    /// Whether the guest is still listened to.
    private(set) var isOpen = true
    /// Whether it was given up because of what it said, and nobody was told yet.
    private var isGarbled = false

    /// Takes frames of at most `limit` bytes.
    init(_ socket: Descriptor, limit: Int) {
        self.socket = socket
        frames = FrameReader(limit: limit)
    }

    /// What to poll for; nil when there is nothing to expect.
    var interest: pollfd? {
        guard isOpen else { return nil }
        let events = Int16(POLLIN) | (outgoing.readableBytes > 0 ? Int16(POLLOUT) : 0)
        return pollfd(fd: socket.raw, events: events, revents: 0)
    }

    /// Whether a frame has not left whole yet, or never will.
    var isSending: Bool { isDeaf || outgoing.readableBytes > 0 }

    /// Sends as much of `frame` as there is room for behind earlier ones, and the rest with ``push()``. `passengers`
    /// stay open until they left.
    mutating func send(_ frame: ByteBuffer, with passengers: [Descriptor] = []) {
        if isDeaf { return }
        if outgoing.readableBytes == 0 { outgoing = frame } else { outgoing.writeImmutableBuffer(frame) }
        self.passengers += passengers
        push()
    }

    /// Sends as much as there is room for.
    mutating func push() {
        while isOpen, outgoing.readableBytes > 0 {
            let numbers = passengers.map(\.raw)
            let count = outgoing.withUnsafeReadableBytes {
                ci_send(socket.raw, $0.baseAddress, $0.count, numbers, Int32(numbers.count))
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { return }
                // A guest that is gone shows by its exit.
                outgoing = ByteBuffer()
                isDeaf = true
                return
            }
            // They have arrived; ours are closed.
            passengers = []
            outgoing.moveReaderIndex(forwardBy: count)
        }
    }

    /// Reads once what the guest said, with the help of `space`. After a frame that is not understood it is not listened to any longer.
    mutating func pull(into space: UnsafeMutableRawBufferPointer) -> [GuestFrame] {
        guard isOpen else { return [] }
        let count = recv(socket.raw, space.baseAddress, space.count, Int32(MSG_DONTWAIT))
        if count < 0, errno == EAGAIN || errno == EINTR { return [] }
        guard count > 0 else {
            isOpen = false
            return []
        }
        frames.append(UnsafeRawBufferPointer(rebasing: space[..<count]))
        var found: [GuestFrame] = []
        do {
            while let frame = try frames.next() { found.append(frame) }
        } catch {
            isOpen = false
            isGarbled = true
        }
        return found
    }

    /// Whether it was given up because of what it said; true once.
    mutating func takeGarbled() -> Bool {
        defer { isGarbled = false }
        return isGarbled
    }

    /// Stops listening.
    mutating func close() { isOpen = false }
}
