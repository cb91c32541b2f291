import Synchronization

/// How contexts are named.
enum ContextID {
    /// The context of cells that name none.
    static let `default` = "default"

    /// One that nobody can guess: a version 4 UUID.
    static func random() -> String {
        var random = SystemRandomNumberGenerator()
        let high = (random.next() as UInt64) & ~0xF000 | 0x4000
        let low = (random.next() as UInt64) & ~(0b11 << 62) | 0b10 << 62
        let digits = [high, low].map { number in
            let text = String(number, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined()
        var parts: [Substring] = []
        var rest = digits[...]
        for length in [8, 4, 4, 4, 12] {
            parts.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return parts.joined(separator: "-")
    }
}

/// Whether a cell has begun: set by the thread that drives it, read when it has ended.
final class FirstEvent: Sendable {
    private let noted = Atomic(false)

    var isNoted: Bool { noted.load(ordering: .acquiring) }

    func note() { noted.store(true, ordering: .releasing) }
}
