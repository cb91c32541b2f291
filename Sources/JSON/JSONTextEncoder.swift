package import NIOCore

/// Writes bytes of any kind as the inside of a JSON string: incrementally, repairing UTF-8 and escaping in one pass.
///
/// What is not UTF-8 becomes U+FFFD, one for each maximal invalid part, as Python's decoders do. A character cut by the border of two pieces is
/// kept until the rest comes. Control characters are escaped, and so are the line separators that some readers of event streams take
/// for the end of a line: U+0085, U+2028, U+2029.
package struct JSONTextEncoder: Sendable {
    /// The beginning of a character that the last piece cut, at most three bytes.
    private var pending: [UInt8] = []

    package init() {}

    /// Writes as much of `bytes` as is certain and keeps the rest.
    package mutating func append(_ bytes: ByteBuffer, to output: inout ByteBuffer) {
        bytes.withUnsafeReadableBytes { append($0, to: &output) }
    }

    /// Writes what was kept: an unfinished character is U+FFFD.
    package mutating func finish(to output: inout ByteBuffer) {
        if !pending.isEmpty { output.writeBytes(UTF8.encodedReplacementCharacter) }
        pending = []
    }

    /// Writes a whole text.
    package static func write(_ text: String, to output: inout ByteBuffer) {
        var text = text
        var encoder = JSONTextEncoder()
        text.withUTF8 { encoder.append(UnsafeRawBufferPointer($0), to: &output) }
    }

    /// As ``append(_:to:)``; `bytes` is only read during the call.
    package mutating func append(_ bytes: UnsafeRawBufferPointer, to output: inout ByteBuffer) {
        var rest = bytes[...]
        while !pending.isEmpty, let byte = rest.first {
            // Byte by byte until the cut character is whole or broken.
            let joined = pending + [byte]
            let used = joined.withUnsafeBytes { encode($0[...], to: &output) }
            pending = Array(joined[used...])
            rest = rest.dropFirst()
        }
        while !rest.isEmpty {
            let piece = rest.prefix(Self.pieceSize)
            let isLast = piece.count == rest.count
            rest = rest.dropFirst(encode(piece, to: &output))
            if isLast {
                pending = Array(rest)
                return
            }
        }
    }

    private static let pieceSize = 16_384

    /// Writes the characters of `piece` and tells how many bytes they had: all but an unfinished character at its end.
    private func encode(_ piece: Slice<UnsafeRawBufferPointer>, to output: inout ByteBuffer) -> Int {
        var used = 0
        // One byte becomes at most six: \u001f.
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: piece.count * 6) { target in
            var scanner = Scanner(source: UnsafeRawBufferPointer(rebasing: piece), target: target)
            scanner.run()
            used = scanner.read
            return scanner.written
        }
        return used
    }
}

/// The inner loop: from one stretch of memory to another that has six times its size.
private struct Scanner {
    // Safety: both are borrowed for the life of the scanner, which the closure that makes it does not leave; every read is below
    // `source.count`, and the caller gives `target` six bytes for each byte of `source`, which no branch exceeds.
    let source: UnsafeRawBufferPointer
    let target: UnsafeMutableRawBufferPointer
    var read = 0
    var written = 0

    mutating func run() {
        while read < source.count {
            copyPlainWords()
            guard read < source.count else { return }
            let byte = source[read]
            if byte >= 0x80 {
                guard encodeSequence(startingWith: byte) else { return }
            } else if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                escape(byte)
                read += 1
            } else {
                put(byte)
                read += 1
            }
        }
    }

    /// Copies eight bytes at a time as long as none of them is special.
    private mutating func copyPlainWords() {
        while read + 8 <= source.count {
            let word = source.loadUnaligned(fromByteOffset: read, as: UInt64.self)
            if Self.hasSpecialByte(word) { return }
            target.storeBytes(of: word, toByteOffset: written, as: UInt64.self)
            read += 8
            written += 8
        }
    }

    /// Whether any of eight bytes is below 0x20, above 0x7F, a quotation mark or a backslash.
    private static func hasSpecialByte(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highBits: UInt64 = 0x8080_8080_8080_8080
        let quotes = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
        let backslashes = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
        let control = (word &- ones &* 0x20) & ~word
        let quote = (quotes &- ones) & ~quotes
        let backslash = (backslashes &- ones) & ~backslashes
        return (word | control | quote | backslash) & highBits != 0
    }

    private mutating func put(_ byte: UInt8) {
        target[written] = byte
        written += 1
    }

    private mutating func escape(_ byte: UInt8) {
        put(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\n"): put(UInt8(ascii: "n"))
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): put(byte)
        case UInt8(ascii: "\r"): put(UInt8(ascii: "r"))
        case UInt8(ascii: "\t"): put(UInt8(ascii: "t"))
        case 0x08: put(UInt8(ascii: "b"))
        case 0x0C: put(UInt8(ascii: "f"))
        default: putUnit(UInt16(byte))
        }
    }

    /// Writes `uXXXX`.
    private mutating func putUnit(_ unit: UInt16) {
        put(UInt8(ascii: "u"))
        put(Hexadecimal.lower(UInt8(unit >> 12)))
        put(Hexadecimal.lower(UInt8(unit >> 8 & 0xF)))
        put(Hexadecimal.lower(UInt8(unit >> 4 & 0xF)))
        put(Hexadecimal.lower(UInt8(unit & 0xF)))
    }

    /// Takes one character of several bytes or one invalid part; false when the source ends inside it.
    private mutating func encodeSequence(startingWith lead: UInt8) -> Bool {
        guard let (length, second) = Self.shape(of: lead) else {
            replace(1)
            return true
        }
        for index in 1..<length {
            guard read + index < source.count else { return false }
            let byte = source[read + index]
            guard index == 1 ? second.contains(byte) : byte & 0xC0 == 0x80 else {
                replace(index)
                return true
            }
        }
        if let separator = lineSeparator(length: length) {
            put(UInt8(ascii: "\\"))
            putUnit(separator)
        } else {
            for index in 0..<length { put(source[read + index]) }
        }
        read += length
        return true
    }

    private mutating func replace(_ count: Int) {
        put(0xEF)
        put(0xBF)
        put(0xBD)
        read += count
    }

    private func lineSeparator(length: Int) -> UInt16? {
        switch (source[read], source[read + 1]) {
        case (0xC2, 0x85): return 0x85
        case (0xE2, 0x80) where source[read + 2] & 0xFE == 0xA8: return 0x2000 | UInt16(source[read + 2] & 0x3F)
        default: return nil
        }
    }

    /// How many bytes follow from a first one, and which second bytes are allowed (Unicode, table 3-7).
    private static func shape(of lead: UInt8) -> (length: Int, second: ClosedRange<UInt8>)? {
        switch lead {
        case 0xC2...0xDF: (2, 0x80...0xBF)
        case 0xE0: (3, 0xA0...0xBF)
        case 0xED: (3, 0x80...0x9F)
        case 0xE1...0xEF: (3, 0x80...0xBF)
        case 0xF0: (4, 0x90...0xBF)
        case 0xF1...0xF3: (4, 0x80...0xBF)
        case 0xF4: (4, 0x80...0x8F)
        default: nil
        }
    }
}
