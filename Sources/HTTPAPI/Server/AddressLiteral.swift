import NIOCore

/// IP addresses as they stand in URLs.
enum AddressLiteral {
    /// Whether a host is `192.0.2.1` or `[2001:db8::1]`; no short, octal or hexadecimal form of IPv4 counts, no zone,
    /// and no unspecified address: it reaches this machine, but browsers do not treat it as loopback.
    static func matches(_ host: String) -> Bool {
        let isBracketed = host.utf8.first == UInt8(ascii: "[") && host.utf8.last == UInt8(ascii: "]")
        let text = isBracketed ? String(Substring(host.utf8.dropFirst().dropLast())) : host
        guard !text.isEmpty, text.utf8.allSatisfy(isAllowed) else { return false }
        do {
            // Reads by inet_pton(3).
            let address = try SocketAddress(ipAddress: text, port: 0)
            guard address.ipAddress != "0.0.0.0", address.ipAddress != "::" else { return false }
            if case .v6 = address { return isBracketed }
            return !isBracketed
        } catch {
            return false
        }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "."), UInt8(ascii: ":"):
            true
        default: false
        }
    }
}
