import CLinux
import Glibc

/// Bytes on their way into a descriptor that may be full, or closed at the other end.
struct ByteFeed {
    private(set) var end: Descriptor?
    private let bytes: [UInt8]
    private var position = 0

    /// Feeds `bytes`, then closes `end`, which must not block.
    init(_ bytes: [UInt8], into end: Descriptor) {
        self.bytes = bytes
        self.end = bytes.isEmpty ? nil : end
    }

    /// Writes as much as there is room for; stops for good when nobody reads any longer.
    mutating func push() {
        guard let end else { return }
        let count = bytes.withUnsafeBytes {
            write(end.raw, $0.baseAddress?.advanced(by: position), $0.count - position)
        }
        if count < 0 {
            if errno != EAGAIN && errno != EINTR { self.end = nil }
            return
        }
        position += count
        if position == bytes.count { self.end = nil }
    }
}

/// The server's end of a guest's channel while a program runs: one frame out, at most one of interest in.
struct GuestChannel {
    private let socket: Descriptor
    private let outgoing: [UInt8]
    private var sent = 0
    /// Ride on the first byte.
    private var passengers: [Descriptor]
    private var frames = FrameReader()
    /// Whether the guest is still listened to.
    private(set) var isOpen = true
    /// What it said the exit code is.
    private(set) var exitCode: Int?

    init(_ socket: Descriptor, sending frame: [UInt8], with passengers: [Descriptor]) {
        self.socket = socket
        self.outgoing = frame
        self.passengers = passengers
    }

    /// What to poll for; nil when there is nothing to expect.
    var interest: pollfd? {
        guard isOpen else { return nil }
        let events = Int16(POLLIN) | (sent < outgoing.count ? Int16(POLLOUT) : 0)
        return pollfd(fd: socket.raw, events: events, revents: 0)
    }

    /// Sends as much of the frame as there is room for.
    mutating func push() {
        while isOpen, sent < outgoing.count {
            let numbers = passengers.map(\.raw)
            let count = outgoing.withUnsafeBytes {
                ci_send(socket.raw, $0.baseAddress?.advanced(by: sent), $0.count - sent, numbers, Int32(numbers.count))
            }
            if count < 0 {
                if errno == EINTR { continue }
                // A guest that is gone shows by its exit.
                if errno != EAGAIN { sent = outgoing.count }
                return
            }
            // They have arrived; ours are closed.
            passengers = []
            sent += count
        }
    }

    /// Reads what the guest said. Whatever is not understood is its last word: how it ended, its wait status tells.
    mutating func pull() {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(socket.raw, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { return isOpen = false }
        frames.append(bytes[..<count])
        do {
            guard let frame = try frames.next() else { return }
            if case .done(let code) = frame { exitCode = code }
            isOpen = false
        } catch {
            isOpen = false
        }
    }
}
