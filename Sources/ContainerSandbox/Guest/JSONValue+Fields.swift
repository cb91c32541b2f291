import JSON
import NIOCore

extension JSONValue {
    var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    var string: String? { if case .string(let value) = self { value } else { nil } }

    /// An object; nil for anything else, or text that is no JSON.
    static func object(in text: ByteBuffer) -> JSONObject? {
        guard case .object(let object) = try? JSONParser.parse(text) else { return nil }
        return object
    }
}

/// Names of files in the stream: any bytes, two hexadecimal digits each.
enum HexadecimalName {
    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            text.append(Hexadecimal.lower(byte >> 4))
            text.append(Hexadecimal.lower(byte & 15))
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// nil for what is no such name.
    static func decode(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for place in stride(from: 0, to: digits.count, by: 2) {
            guard let high = Hexadecimal.value(digits[place]), let low = Hexadecimal.value(digits[place + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return bytes
    }
}
