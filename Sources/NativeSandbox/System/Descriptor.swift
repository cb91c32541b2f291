import CLinux
import Glibc

/// A file descriptor that is closed with the last reference to it.
final class Descriptor: Sendable {
    let raw: Int32

    /// Takes ownership of `raw`.
    init(owning raw: Int32) {
        precondition(raw >= 0, "a descriptor that was never opened")
        self.raw = raw
    }

    deinit { close(raw) }

    /// A pipe: first the end that reads.
    static func pipe() throws(SystemError) -> (Descriptor, Descriptor) {
        var ends: [Int32] = [-1, -1]
        try systemCall("pipe2") { ci_pipe(&ends) }
        return (Descriptor(owning: ends[0]), Descriptor(owning: ends[1]))
    }

    /// A pipe whose writing end, the second, does not block.
    static func nonblockingFeed() throws(SystemError) -> (Descriptor, Descriptor) {
        let (output, feed) = try pipe()
        try systemCall("fcntl") { ci_set_nonblocking(feed.raw, 1) }
        return (output, feed)
    }

    /// Two connected sockets that keep message borders.
    static func messageSockets() throws(SystemError) -> (Descriptor, Descriptor) {
        var ends: [Int32] = [-1, -1]
        try systemCall("socketpair") { ci_seqpacket_pair(&ends) }
        return (Descriptor(owning: ends[0]), Descriptor(owning: ends[1]))
    }

    /// A sealed file in memory that holds `bytes`.
    static func sealedFile(named name: String, holding bytes: [UInt8]) throws(SystemError) -> Descriptor {
        let file = Descriptor(owning: try systemCall("memfd_create", on: name) { ci_memfd_create(name) })
        var written = 0
        while written < bytes.count {
            written += try systemCall("write", on: name) {
                bytes.withUnsafeBytes { write(file.raw, $0.baseAddress?.advanced(by: written), $0.count - written) }
            }
        }
        try systemCall("lseek", on: name) { lseek(file.raw, 0, SEEK_SET) }
        try systemCall("fcntl", on: name) { ci_memfd_seal(file.raw) }
        return file
    }
}

/// An eventfd(2): wakes a thread that polls.
final class WakeUp: Sendable {
    private let descriptor: Descriptor
    var raw: Int32 { descriptor.raw }

    init() throws(SystemError) {
        descriptor = Descriptor(owning: try systemCall("eventfd") { ci_eventfd() })
    }

    /// Wakes it; any number of calls before it looks are one.
    func signal() {
        var one: UInt64 = 1
        // Fails only when the counter is full, and then it is already awake.
        _ = write(descriptor.raw, &one, 8)
    }

    /// Forgets earlier calls of ``signal()``.
    func clear() {
        var count: UInt64 = 0
        // Fails only when there is nothing to forget.
        _ = read(descriptor.raw, &count, 8)
    }
}
