import FoundationEssentials
import NIOCore
import TestSupport
import Testing

@testable import JSON

@Suite struct JSONParserTests {
    static let vectors: [[String]] = PythonJSONVectors.lines.split(separator: "\n").compactMap { line in
        try? JSONDecoder().decode([String].self, from: Data(line.utf8))
    }

    @Test("every vector could be read") func vectorsAreWhole() {
        #expect(Self.vectors.count == PythonJSONVectors.lines.split(separator: "\n").count)
        #expect(Self.vectors.count > 400)
    }

    @Test("values, messages and positions are Python's", arguments: vectors)
    func agreesWithPython(_ vector: [String]) {
        #expect(Self.outcome(ByteBuffer(string: vector[0])) == Array(vector.dropFirst()))
    }

    @Test("bytes that are not UTF-8 are unreadable wherever they are")
    func refusesInvalidUTF8() {
        for bytes: [UInt8] in [
            [0x22, 0xFF, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x7B, 0xC3], [0x5B, 0x31, 0x80],
        ] {
            #expect(Self.outcome(ByteBuffer(bytes: bytes)) == ["unreadable"])
        }
    }

    @Test("a depth of 100,000 is refused, a depth below the limit is read")
    func limitsDepth() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            #expect(Self.outcome(Self.nested(open, close, 100_000)) == ["unreadable"])
            #expect(Self.outcome(Self.nested(open, close, JSONParser.maximumDepth + 1)) == ["unreadable"])
            #expect(Self.outcome(Self.nested(open, close, JSONParser.maximumDepth)).first == "ok")
        }
    }

    @Test("integers end where Python's do")
    func limitsDigits() {
        #expect(Self.outcome(ByteBuffer(string: String(repeating: "9", count: 4300))).first == "ok")
        #expect(Self.outcome(ByteBuffer(string: String(repeating: "9", count: 4301))) == ["unreadable"])
        #expect(Self.outcome(ByteBuffer(string: "1." + String(repeating: "0", count: 5000))) == ["ok", "1.0"])
    }

    @Test("a text of very many small values is refused before it fills the memory")
    func limitsValues() {
        let text = "[" + String(repeating: "0,", count: 2_000_000) + "0]"
        #expect(Self.outcome(ByteBuffer(string: text)) == ["unreadable"])
    }

    @Test("names are compared by their bytes")
    func comparesNamesByBytes() throws {
        guard case .object(let object) = try JSONParser.parse(ByteBuffer(string: "{\"e\u{301}\":1,\"\u{e9}\":2}"))
        else {
            Issue.record("no object")
            return
        }
        #expect(object["e\u{301}"] == .integer(1))
        #expect(object["\u{e9}"] == .integer(2))
        #expect(object.names.count == 2)
    }

    @Test("random bytes never trap")
    func survivesRandomBytes() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        let alphabet = Array(#"{}[]",:\u0123456789eE.+-ntfalseruNI "#.utf8) + [0xC3, 0xA9, 0xF0, 0x00, 0x0A]
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...24, using: &random)).compactMap { _ in
                alphabet.randomElement(using: &random)
            }
            let outcome = Self.outcome(ByteBuffer(bytes: bytes))
            #expect(!outcome.isEmpty, "seed \(seed), bytes \(bytes)")
        }
    }

    private static func nested(_ open: String, _ close: String, _ depth: Int) -> ByteBuffer {
        ByteBuffer(string: String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth))
    }

    private static func outcome(_ text: ByteBuffer) -> [String] {
        do throws(JSONParseError) {
            var writer = JSONWriter()
            writer.value(try JSONParser.parse(text))
            return ["ok", plain(writer.buffer)]
        } catch {
            switch error {
            case .syntax(let message, let offset): return ["error", message, String(offset)]
            case .unreadable: return ["unreadable"]
            }
        }
    }

    /// Takes back the escapes that we write and Python does not.
    private static func plain(_ json: ByteBuffer) -> String {
        var text = String(buffer: json)
        for (escape, plain) in [("\\u2028", "\u{2028}"), ("\\u2029", "\u{2029}"), ("\\u0085", "\u{85}")] {
            text = text.replacing(escape, with: plain)
        }
        return text
    }
}
