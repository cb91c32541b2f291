import NIOCore

/// Judges whether a body comes too slowly, one stretch of time after the other: what came fast at first buys no time
/// for the rest.
///
/// Only the time counts in which we waited for the client. A pure value: it is told the time.
struct BodyPace: Sendable {
    /// How long a stretch is: that long a body may be slower.
    let stretch: TimeAmount
    let minimumBytesPerSecond: Int64

    private var waitingSince: NIODeadline?
    /// In this stretch.
    private var waited: TimeAmount = .zero
    private var bytes: Int64 = 0

    init(stretch: TimeAmount, minimumBytesPerSecond: Int64) {
        self.stretch = stretch
        self.minimumBytesPerSecond = minimumBytesPerSecond
    }

    /// From now on it is the client's turn.
    mutating func beginWaiting(at now: NIODeadline) {
        if waitingSince == nil { waitingSince = now }
    }

    /// Takes note of a piece; false when the stretch that ends with it had too few bytes.
    mutating func receive(_ count: Int, at now: NIODeadline) -> Bool {
        if let since = waitingSince { waited = waited + (now - since) }
        waitingSince = nil
        bytes += Int64(count)
        guard waited > stretch else { return true }
        let needed = waited.nanoseconds / 1_000_000 * minimumBytesPerSecond / 1000
        let isFast = bytes >= needed
        (waited, bytes) = (.zero, 0)
        return isFast
    }
}
