package import NIOCore

/// JSON strings, in both directions.
package enum JSONString {
    /// Decodes the inside of a string that ``JSONScanner`` has passed.
    static func decode(_ inside: UnsafeRawBufferPointer) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(inside.count)
        var position = 0
        while position < inside.count {
            let byte = inside[position]
            if byte == UInt8(ascii: "\\") {
                position += append(escape: inside, at: position, to: &text)
            } else {
                text.append(byte)
                position += 1
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Adds `text` as a string, quotes included. Characters beyond ASCII stay as they are: it is guests that must escape them.
    package static func append(_ text: String, to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { bytes in
            var plain = 0
            for (index, byte) in bytes.enumerated()
            where byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                buffer.writeBytes(bytes[plain..<index])
                plain = index + 1
                append(escaped: byte, to: &buffer)
            }
            buffer.writeBytes(bytes[plain...])
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    private static func append(escaped byte: UInt8, to buffer: inout ByteBuffer) {
        if byte >= 0x20 {
            buffer.writeMultipleIntegers(UInt8(ascii: "\\"), byte)
        } else if byte == UInt8(ascii: "\n") {
            buffer.writeStaticString("\\n")
        } else {
            buffer.writeStaticString("\\u00")
            buffer.writeMultipleIntegers(digits[Int(byte >> 4)], digits[Int(byte & 15)])
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)

    /// The number that four hexadecimal digits are.
    static func codeUnit(_ bytes: UnsafeRawBufferPointer, at position: Int) -> UInt16? {
        var unit: UInt16 = 0
        for offset in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[position + offset])).hexDigitValue else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }

    /// Adds what the escape at `position` stands for; gives how long it is.
    private static func append(escape inside: UnsafeRawBufferPointer, at position: Int, to text: inout [UInt8]) -> Int {
        switch inside[position + 1] {
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "u"):
            guard let first = codeUnit(inside, at: position + 2) else { return 6 }
            let isPair = UTF16.isLeadSurrogate(first)
            let second = isPair ? codeUnit(inside, at: position + 8) ?? 0 : 0
            text += String(decoding: isPair ? [first, second] : [first], as: UTF16.self).utf8
            return isPair ? 12 : 6
        case let byte: text.append(byte)
        }
        return 2
    }
}
