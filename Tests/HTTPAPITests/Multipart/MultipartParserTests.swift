import NIOCore
import TestSupport
import Testing

@testable import HTTPAPI

@Suite struct MultipartParserTests {
    /// A part as the parser told it.
    struct Part: Equatable {
        var name: String?
        var filename: String?
        var content: [UInt8]
    }

    private static let field = "Content-Disposition: form-data; name=\"a\"\r\n"

    @Test("parts come out as they went in") func readsParts() throws {
        let body =
            "--B\r\n\(Self.field)\r\none\r\n--B\r\nX-Other: 1\r\ncontent-disposition: form-data; filename=\"f\"; name=file\r\n"
            + "Content-Type: text/plain\r\n\r\ntwo\r\nlines\r\n\r\n--B--\r\nepilogue"
        #expect(
            try Self.parse([body]) == [
                Part(name: "a", filename: nil, content: Array("one".utf8)),
                Part(name: "file", filename: "f", content: Array("two\r\nlines\r\n".utf8)),
            ]
        )
    }

    @Test("what precedes the first boundary, white space after one and nothing after the last are allowed")
    func readsLeniently() throws {
        let expected = [Part(name: "a", filename: nil, content: [])]
        #expect(try Self.parse(["preamble\r\n--B \t\r\n\(Self.field)\r\n\r\n--B--"]) == expected)
        #expect(try Self.parse(["\r\n--B\r\n\(Self.field)\r\n\r\n--B--"]) == expected)
        #expect(try Self.parse(["--B--"]) == [])
    }

    @Test("what only looks like a boundary is content") func keepsLookalikes() throws {
        let content = "\r\n--\r\n--C\r\n--BB\r\n--Bx\r\n--B-\r\n--B \t x\r\n-\r\r\n\r\r\n--B\n--B--\r"
        let parts = try Self.parse(["--B\r\n\(Self.field)\r\n\(content)\r\n--B--\r\n"])
        #expect(parts == [Part(name: "a", filename: nil, content: Array(content.utf8))])
    }

    @Test(
        "bodies that break the rules",
        arguments: [
            ("", .malformed), ("nothing", .malformed), ("--B", .malformed), ("--B\r\n", .malformed),
            ("--B\r\n\(field)", .malformed), ("--B\r\n\(field)\r\n", .malformed), ("--B\r\n\(field)\r\nx", .malformed),
            ("--B\r\n\(field)\r\nx\r\n--B", .malformed), ("--B\r\n\(field)\r\nx\r\n--B-", .malformed),
            ("--B\nContent-Disposition: form-data; name=\"a\"\n\nx\n--B--\n", .malformed),
            ("--B\r\n\r\nx\r\n--B--", .unnamedPart), ("--B\r\nX: y\r\n\r\nx\r\n--B--", .unnamedPart),
            ("--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--", .unnamedPart),
            ("--B\r\nno colon\r\n\r\nx\r\n--B--", .malformed), ("--B\r\n: x\r\n\r\nx\r\n--B--", .malformed),
            ("--B\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--B--", .malformed),
            ("--B\r\nContent-Disposition: form-data; name=\"a\" filename=b\r\n\r\nx\r\n--B--", .malformed),
            ("--B\r\n\(field) folded: x\r\n\r\nx\r\n--B--", .malformed),
            ("--B\r\nX: " + String(repeating: "a", count: 20_000) + "\r\n\r\n", .headersTooLarge),
            ("--B\r\nX: " + String(repeating: "a", count: 20_000), .headersTooLarge),
            ("--B\r\n" + String(repeating: "X: a\r\n", count: 40), .headersTooLarge),
            (String(repeating: "--B\r\n\(field)\r\n\r\n", count: 1001) + "--B--", .tooManyParts(limit: 1000)),
            (String(repeating: "a", count: 100_000) + "\r\n--B--", .malformed),
        ] as [(String, MultipartError)]
    )
    func refusesBrokenBodies(_ body: String, _ expected: MultipartError) {
        #expect(throws: expected) { try Self.parse([body]) }
    }

    @Test("a hundred thousand parts are not read to the end") func limitsParts() {
        let body = String(repeating: "--B\r\n\(Self.field)\r\nx\r\n", count: 100_000)
        #expect(throws: MultipartError.tooManyParts(limit: 1000)) { try Self.parse([body]) }
    }

    @Test("however a body is cut, its parts are the same") func cutsMakeNoDifference() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        let snippets = [
            "\r\n", "\r", "\n", "--", "-", "B", "--B", "\r\n--B", "\r\n--B-", "\r\n--B x", "text", "\0", "\r\n--B\t",
        ]
        for _ in 0..<1_500 {
            var expected: [Part] = []
            var body = Bool.random(using: &random) ? "" : "preamble\r\n"
            for index in 0..<Int.random(in: 0...4, using: &random) {
                let content = (0..<Int.random(in: 0...8, using: &random))
                    .compactMap { _ in snippets.randomElement(using: &random) }.joined()
                // A boundary line of its own would rightly end the part.
                if ("\r\n" + content + "\r\n").contains(/\r\n--B[ \t]*\r\n/) || content.contains("\r\n--B--") {
                    continue
                }
                body +=
                    "--B\r\nContent-Disposition: form-data; name=\"n\(index)\"; filename=\"f\"\r\n\r\n\(content)\r\n"
                expected.append(Part(name: "n\(index)", filename: "f", content: Array(content.utf8)))
            }
            body += "--B--\r\n"
            let parts = try Self.parse(Self.cut(body, using: &random))
            #expect(parts == expected, "seed \(seed), body \(body.debugDescription)")
        }
    }

    @Test("random bytes never trap, and every prefix of a body is refused or complete") func survivesRandomBytes() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        let snippets = [
            "--B", "\r\n", "--", "\r\n--B\r\n", Self.field, ":", "\"", ";", " ", "\r\n\r\n", "x", "é", "\n", "=",
        ]
        for _ in 0..<5_000 {
            let body = (0..<Int.random(in: 0...15, using: &random))
                .compactMap { _ in snippets.randomElement(using: &random) }.joined()
            let pieces = Self.cut(body, using: &random)
            let whole = Result { try Self.parse([body]) }
            let cut = Result { try Self.parse(pieces) }
            switch (whole, cut) {
            case (.success(let one), .success(let other)): #expect(one == other, "seed \(seed)")
            case (.failure, .failure): break
            default: Issue.record("seed \(seed), body \(body.debugDescription)")
            }
        }
    }

    @Test("what is held back never grows beyond a possible boundary") func holdsLittle() throws {
        var parser = MultipartParser(boundary: "B")
        parser.receive(ByteBuffer(string: "--B\r\n\(Self.field)\r\n"))
        _ = try parser.next()
        var passed = 0
        for _ in 0..<100 {
            parser.receive(ByteBuffer(string: String(repeating: "\r\n--", count: 1000)))
            while let event = try parser.next() {
                if case .content(let bytes) = event { passed += bytes.readableBytes }
            }
        }
        #expect(passed >= 400_000 - 8)
    }

    private static func cut(_ body: String, using random: inout SeededGenerator) -> [String] {
        var rest = body.utf8[...]
        var pieces: [String] = []
        while !rest.isEmpty {
            // Pieces of whole ASCII bytes; characters of more bytes stay whole, which is enough for the rest.
            let count = Int.random(in: 1...min(7, rest.count), using: &random)
            var end = rest.index(rest.startIndex, offsetBy: count)
            while end < rest.endIndex, rest[end] & 0xC0 == 0x80 { end = rest.index(after: end) }
            pieces.append(String(decoding: rest[..<end], as: UTF8.self))
            rest = rest[end...]
        }
        return pieces
    }

    private static func parse(_ pieces: [String]) throws -> [Part] {
        var parser = MultipartParser(boundary: "B")
        var parts: [Part] = []
        var pieces = pieces[...]
        while true {
            switch try parser.next() {
            case .begin(let part): parts.append(Part(name: part.name, filename: part.filename, content: []))
            case .content(let bytes): parts[parts.count - 1].content += Array(bytes.readableBytesView)
            case .end: break
            case .finished: return parts
            case nil:
                if let piece = pieces.popFirst() {
                    parser.receive(ByteBuffer(string: piece))
                } else {
                    parser.receiveEnd()
                }
            }
        }
    }
}
