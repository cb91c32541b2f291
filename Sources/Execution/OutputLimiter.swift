package import NIOCore

/// Cuts one output stream to a limit: a stream of at most `limit` bytes passes whole, a longer one becomes its first
/// `limit - 32` bytes and a marker.
///
/// It holds at most 32 bytes back until it knows which of the two it is. A pure value: no clock, no I/O.
package struct OutputLimiter: Sendable {
    /// What a cut stream ends with.
    package static let marker = "\n...[truncated]"

    /// Bytes given to ``append(_:)`` so far.
    package private(set) var seenBytes = 0
    /// Whether something was cut off.
    package var isTruncated: Bool { seenBytes > limit }

    private let limit: Int
    /// Bytes passed on so far.
    private var passedBytes = 0
    /// What may still be cut off: at most 32 bytes.
    private var held = ByteBuffer()

    /// A limiter of `limit` bytes, at least 32.
    package init(limit: Int) {
        precondition(limit >= 32, "an output limit below the size of its marker")
        self.limit = limit
    }

    /// Takes what was read and gives what may be passed on now, possibly nothing.
    package mutating func append(_ bytes: ByteBuffer) -> ByteBuffer {
        if isTruncated {
            seenBytes += bytes.readableBytes
            return ByteBuffer()
        }
        seenBytes += bytes.readableBytes
        // Nothing is held before these bytes are used up, so most output passes without being copied.
        let room = limit - 32 - passedBytes
        var rest = bytes
        var passed = rest.readSlice(length: min(room, rest.readableBytes)) ?? ByteBuffer()
        passedBytes += passed.readableBytes
        if isTruncated {
            held.clear()
            passed.writeString(Self.marker)
        } else {
            held.writeBuffer(&rest)
        }
        return passed
    }

    /// The stream ended: gives what was held back.
    package mutating func finish() -> ByteBuffer {
        defer { held.clear() }
        return held
    }
}
