extension JSON {
    /// Reads a text that must be one JSON value and nothing else.
    ///
    /// - Throws: ``Malformed`` where RFC 8259 does not allow it, with the offset in bytes.
    package init(parsing text: some Collection<UInt8>) throws {
        var parser = JSONParser(bytes: Array(text))
        self = try parser.document()
    }

    package init(parsing text: String) throws {
        try self.init(parsing: text.utf8)
    }

    /// A text that is not JSON.
    package struct Malformed: Error, CustomStringConvertible {
        var offset: Int
        var text: String

        package var description: String { "not JSON at byte \(offset): \(text.prefix(400))" }
    }
}

/// A strict reader: no NaN, no trailing commas, no duplicate members, valid UTF-8 only.
private struct JSONParser {
    var bytes: [UInt8]
    var offset = 0
    var depth = 0

    mutating func document() throws -> JSON {
        guard String(validating: bytes, as: UTF8.self) != nil else { throw malformed }
        let value = try value()
        skipSpace()
        guard offset == bytes.count else { throw malformed }
        return value
    }

    private var malformed: JSON.Malformed {
        JSON.Malformed(offset: offset, text: String(decoding: bytes, as: UTF8.self))
    }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipSpace() {
        while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { offset += 1 }
    }

    private mutating func take(_ text: StaticString) -> Bool {
        let wanted = Array("\(text)".utf8)
        guard bytes[offset...].starts(with: wanted) else { return false }
        offset += wanted.count
        return true
    }

    private mutating func value() throws -> JSON {
        skipSpace()
        depth += 1
        defer { depth -= 1 }
        guard depth < 512 else { throw malformed }
        if take("null") { return .null }
        if take("true") { return .bool(true) }
        if take("false") { return .bool(false) }
        switch next {
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "{"): return try object()
        default: return try number()
        }
    }

    private mutating func array() throws -> JSON {
        offset += 1
        skipSpace()
        if take("]") { return .array([]) }
        var items: [JSON] = []
        repeat {
            items.append(try value())
            skipSpace()
        } while take(",")
        guard take("]") else { throw malformed }
        return .array(items)
    }

    private mutating func object() throws -> JSON {
        offset += 1
        skipSpace()
        if take("}") { return .object([:]) }
        var members: [String: JSON] = [:]
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw malformed }
            let name = try string()
            skipSpace()
            guard take(":"), members[name] == nil else { throw malformed }
            members[name] = try value()
            skipSpace()
        } while take(",")
        guard take("}") else { throw malformed }
        return .object(members)
    }

    private mutating func number() throws -> JSON {
        let start = offset
        while let byte = next, byte < 0x80, "+-.0123456789eE".utf8.contains(byte) { offset += 1 }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        let digits = text.drop { $0 == "-" }
        let hasLeadingZero = digits.count > 1 && digits.first == "0" && digits.dropFirst().first?.isNumber == true
        guard Double(text) != nil, digits.first?.isNumber == true, !hasLeadingZero else { throw malformed }
        return .number(text)
    }

    private mutating func string() throws -> String {
        offset += 1
        var units: [UInt8] = []
        while let byte = next {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: units, as: UTF8.self)
            case UInt8(ascii: "\\"): units += Array(String(try escape()).utf8)
            case 0..<0x20: throw malformed
            default: units.append(byte)
            }
        }
        throw malformed
    }

    private mutating func escape() throws -> Character {
        guard let byte = next else { throw malformed }
        offset += 1
        switch byte {
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Character(Unicode.Scalar(byte))
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw malformed
        }
    }

    private mutating func unicodeEscape() throws -> Character {
        let first = try hexadecimal()
        if let scalar = Unicode.Scalar(first) { return Character(scalar) }
        guard first < 0xDC00, take("\\u") else { throw malformed }
        let second = try hexadecimal()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
        else { throw malformed }
        return Character(scalar)
    }

    private mutating func hexadecimal() throws -> UInt32 {
        guard offset + 4 <= bytes.count,
            let value = UInt32(String(decoding: bytes[offset..<offset + 4], as: UTF8.self), radix: 16)
        else { throw malformed }
        offset += 4
        return value
    }
}
