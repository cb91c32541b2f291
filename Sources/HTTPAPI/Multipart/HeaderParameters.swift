/// A header value of the form `word; name=value; name="quoted value"`, such as Content-Disposition and Content-Type.
struct HeaderParameters: Sendable {
    /// What comes before the first semicolon, in lower case.
    let value: String
    private var parameters: [(name: String, bytes: [UInt8])] = []

    /// nil when it breaks the form.
    init?(_ bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        var position = bytes.firstIndex(of: UInt8(ascii: ";")) ?? bytes.count
        value = Self.trimmed(bytes[..<position]).lowercased()
        while position < bytes.count {
            position += 1
            Self.skipSpace(bytes, &position)
            if position == bytes.count || bytes[position] == UInt8(ascii: ";") { continue }
            guard let parameter = Self.parameter(bytes, &position) else { return nil }
            parameters.append(parameter)
            Self.skipSpace(bytes, &position)
            if position < bytes.count, bytes[position] != UInt8(ascii: ";") { return nil }
        }
    }

    /// A parameter as UTF-8, or as Latin-1 when it is not UTF-8. Names are in lower case; the first of several counts.
    func text(_ name: String) -> String? { bytes(name).map(Self.decoded) }

    /// The parameter `name*` in the form of RFC 8187, nil when absent or not in that form.
    func extendedText(_ name: String) -> String? {
        guard let bytes = bytes(name + "*") else { return nil }
        let parts = bytes.split(separator: UInt8(ascii: "'"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        let decoded = PercentEncoding.decodedBytes(String(decoding: parts[2], as: UTF8.self))
        switch String(decoding: parts[0], as: UTF8.self).lowercased() {
        case "utf-8": return String(validating: decoded, as: UTF8.self)
        case "iso-8859-1": return Self.latin1(decoded)
        default: return nil
        }
    }

    /// Whether a byte may be part of a token (RFC 9110).
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    private func bytes(_ name: String) -> [UInt8]? { parameters.first { $0.name == name }?.bytes }

    private static func parameter(_ bytes: [UInt8], _ position: inout Int) -> (name: String, bytes: [UInt8])? {
        let name = bytes[position...].prefix(while: isTokenByte)
        position += name.count
        skipSpace(bytes, &position)
        guard !name.isEmpty, position < bytes.count, bytes[position] == UInt8(ascii: "=") else { return nil }
        position += 1
        skipSpace(bytes, &position)
        let key = String(decoding: name, as: UTF8.self).lowercased()
        if position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
            return quoted(bytes, &position).map { (key, $0) }
        }
        let plain = bytes[position...].prefix { $0 != UInt8(ascii: ";") }
        position += plain.count
        return (key, Array(trimmed(plain).utf8))
    }

    /// Reads a quoted string. A backslash escapes a quotation mark or a backslash; before anything else it is itself, as browsers mean it.
    private static func quoted(_ bytes: [UInt8], _ position: inout Int) -> [UInt8]? {
        var value: [UInt8] = []
        position += 1
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") { return value }
            if byte == UInt8(ascii: "\\"), position < bytes.count,
                bytes[position] == UInt8(ascii: "\"") || bytes[position] == UInt8(ascii: "\\")
            {
                value.append(bytes[position])
                position += 1
            } else {
                value.append(byte)
            }
        }
        return nil
    }

    private static func skipSpace(_ bytes: [UInt8], _ position: inout Int) {
        while position < bytes.count, bytes[position] == 0x20 || bytes[position] == 0x09 { position += 1 }
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
        let start = bytes.drop { $0 == 0x20 || $0 == 0x09 }
        let end = start.lastIndex { $0 != 0x20 && $0 != 0x09 }.map { $0 + 1 } ?? start.startIndex
        return decoded(Array(start[start.startIndex..<end]))
    }

    private static func decoded(_ bytes: [UInt8]) -> String {
        String(validating: bytes, as: UTF8.self) ?? latin1(bytes)
    }

    private static func latin1(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes { text.unicodeScalars.append(Unicode.Scalar(byte)) }
        return text
    }
}
