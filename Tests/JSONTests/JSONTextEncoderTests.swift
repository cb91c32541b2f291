import FoundationEssentials
import NIOCore
import TestSupport
import Testing

@testable import JSON

@Suite struct JSONTextEncoderTests {
    @Test(
        "invalid UTF-8 becomes one U+FFFD for each maximal part, as in Python",
        arguments: [
            ([0xFF], "\u{FFFD}"),
            ([0x61, 0x80, 0x62], "a\u{FFFD}b"),
            ([0xE2, 0x82], "\u{FFFD}"),
            ([0xE2, 0x82, 0x41], "\u{FFFD}A"),
            ([0xF0, 0x9F, 0x98], "\u{FFFD}"),
            ([0xF0, 0x9F, 0xF0, 0x9F, 0x98, 0x80], "\u{FFFD}😀"),
            ([0xED, 0xA0, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}"),
            ([0xC0, 0xAF], "\u{FFFD}\u{FFFD}"),
            ([0xF5, 0x80], "\u{FFFD}\u{FFFD}"),
            ([0xF4, 0x90, 0x80, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
            ([0xE0, 0x80, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}"),
        ] as [([UInt8], String)]
    )
    func replacesInvalidParts(_ bytes: [UInt8], _ expected: String) {
        #expect(Self.encoded([bytes]) == expected)
    }

    @Test("control characters, quotes, backslashes and line separators are escaped, nothing else")
    func escapes() {
        let text =
            "\0\u{1}\u{8}\t\n\u{B}\u{C}\r\u{1F} !\"#/\\]\u{7F}\u{80}\u{85}\u{86}é\u{2027}\u{2028}\u{2029}\u{202A}日😀"
        let expected =
            ##"\u0000\u0001\b\t\n\u000b\f\r\u001f !\"#/\\]"## + "\u{7F}\u{80}" + #"\u0085"# + "\u{86}é\u{2027}"
            + #"\u2028\u2029"# + "\u{202A}日😀"
        #expect(Self.encoded([Array(text.utf8)]) == expected)
    }

    @Test("a special byte is found at every place of a word")
    func findsSpecialBytesEverywhere() {
        for special: UInt8 in [0x00, 0x1F, 0x22, 0x5C, 0x80, 0xFF] {
            for place in 0..<24 {
                var bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 24)
                bytes[place] = special
                #expect(Self.encoded([bytes]) == Self.reference(bytes))
            }
        }
    }

    @Test("how the bytes are cut makes no difference")
    func cutsMakeNoDifference() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        let units: [[UInt8]] =
            ["a", "é", "日", "😀", "\n", "\"", "\u{2028}", "plain text without anything"].map { Array($0.utf8) }
            + [[0xFF], [0xE2], [0xF0, 0x9F], [0x80], [0xED, 0xA0]]
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0...20, using: &random)).flatMap { _ in
                units.randomElement(using: &random) ?? []
            }
            let pieces = Self.cut(bytes, using: &random)
            #expect(Self.encoded(pieces) == Self.reference(bytes), "seed \(seed), pieces \(pieces)")
        }
    }

    @Test("a character on the border between two inner pieces stays whole")
    func longTextsStayWhole() {
        for shift in 0..<4 {
            let text = String(repeating: "a", count: shift) + String(repeating: "😀日é", count: 9_000)
            #expect(Self.encoded([Array(text.utf8)]) == text)
        }
    }

    private static func cut(_ bytes: [UInt8], using random: inout SeededGenerator) -> [[UInt8]] {
        var rest = bytes[...]
        var pieces: [[UInt8]] = []
        while !rest.isEmpty {
            let count = Int.random(in: 1...min(5, rest.count), using: &random)
            pieces.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return pieces
    }

    private static func encoded(_ pieces: [[UInt8]]) -> String {
        var encoder = JSONTextEncoder()
        var output = ByteBuffer()
        for piece in pieces { encoder.append(ByteBuffer(bytes: piece), to: &output) }
        encoder.finish(to: &output)
        return String(buffer: output)
    }

    /// The standard library's repair and a plain loop.
    private static func reference(_ bytes: [UInt8]) -> String {
        var text = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\u{2028}": text += "\\u2028"
            case "\u{0}"..<" ": text += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
