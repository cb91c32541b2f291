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

    private init() {
        bytes = []
    }

    /// Feeds nothing.
    static let none = ByteFeed()

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
