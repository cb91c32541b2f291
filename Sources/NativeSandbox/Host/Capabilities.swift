/// The capabilities without which root cannot make sandboxes; see capabilities(7) for the numbers.
enum Capabilities {
    private static let needed: [(name: String, number: Int)] = [
        ("SETGID", 6), ("SETUID", 7), ("SETPCAP", 8), ("NET_ADMIN", 12), ("SYS_PTRACE", 19), ("SYS_ADMIN", 21),
    ]

    /// Those that a process does not have, by its status file in /proc. None when that says nothing about it.
    static func missing(status: String) -> [String] {
        for line in status.split(separator: "\n") where line.hasPrefix("CapEff:") {
            guard let effective = UInt64(line.dropFirst(7).trimmed, radix: 16) else { return [] }
            return needed.filter { effective >> $0.number & 1 == 0 }.map(\.name)
        }
        return []
    }
}
