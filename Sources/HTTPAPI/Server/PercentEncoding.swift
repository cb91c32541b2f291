import JSON

/// Percent-encoding of URLs and of header parameters (RFC 3986, RFC 8187).
enum PercentEncoding {
    /// Decodes `%41`; what is not two hexadecimal digits stays as it is, bytes that are not UTF-8 become U+FFFD.
    static func decode(_ text: some StringProtocol) -> String { String(decoding: decodedBytes(text), as: UTF8.self) }

    /// As ``decode(_:)``, before any decision about the character set.
    static func decodedBytes(_ text: some StringProtocol) -> [UInt8] { decodedBytes(Array(text.utf8)) }

    /// As ``decodedBytes(_:)`` of the text that `bytes` are.
    static func decodedBytes(_ bytes: [UInt8]) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let high = Hexadecimal.value(bytes[index + 1]), let low = Hexadecimal.value(bytes[index + 2])
            {
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(bytes[index])
                index += 1
            }
        }
        return decoded
    }

    /// Encodes all but letters, digits and what RFC 8187 allows in a value.
    static func encode(_ text: String) -> String { encode(bytes: text.utf8) }

    /// As ``encode(_:)``, for what need not be text.
    static func encode(bytes: some Sequence<UInt8>) -> String {
        var encoded: [UInt8] = []
        for byte in bytes {
            if isPlain(byte) {
                encoded.append(byte)
            } else {
                encoded += [UInt8(ascii: "%"), Hexadecimal.upper(byte >> 4), Hexadecimal.upper(byte & 0xF)]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$&+-.^_`|~".utf8.contains(byte)
        }
    }
}
