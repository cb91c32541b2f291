import NIOCore
import Testing

@testable import JSON

@Suite("JSON of guests")
struct JSONScannerTests {
    private func members(_ text: String) -> [(name: String, value: String)]? {
        JSONScanner.members(of: ByteBuffer(string: text))?.map { ($0.name, String(buffer: $0.value)) }
    }

    @Test("is cut into its members, whose values stay as they are")
    func cut() throws {
        let found = try #require(members(#"{"a":[1,{"b":"}"}],"\u0062\n":"\\\"","c":{},"d":-0.5e+7,"e":true}"#))
        #expect(found.map(\.name) == ["a", "b\n", "c", "d", "e"])
        #expect(found.map(\.value) == [#"[1,{"b":"}"}]"#, #""\\\"""#, "{}", "-0.5e+7", "true"])
        #expect(try #require(members("{}")).isEmpty)
    }

    @Test(
        "is refused unless it is one line of strict ASCII JSON",
        arguments: [
            "", "{", "}", "[1]", "1", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{,"a":1}"#, #"{"a":1 }"#, "{\"a\":1}\n",
            "{\"a\":\n1}", #"{"a":01}"#, #"{"a":+1}"#, #"{"a":.5}"#, #"{"a":5.}"#, #"{"a":1e}"#, #"{"a":NaN}"#,
            #"{"a":Infinity}"#, #"{"a":-}"#, #"{"a":tru}"#, #"{"a":"\x"}"#, #"{"a":"\u12"}"#, #"{"a":"\u12g4"}"#,
            #"{"a":"\ud800"}"#, #"{"a":"\ud800\u0041"}"#, #"{"a":"\udc00"}"#, "{\"a\":\"\u{1}\"}", "{\"a\":\"é\"}",
            #"{"a":[1,]}"#, #"{"a":[1}"#, #"{"a":{"b"}}"#, #"{"a":[}]}"#, #"{a:1}"#,
            #"{"a":1}{"b":2}"#, #"{"a":"}"#,
        ]
    )
    func refused(text: String) {
        #expect(members(text) == nil)
    }

    @Test("has limits of depth, members and digits")
    func limits() {
        func nested(_ depth: Int) -> String {
            "{\"a\":" + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "}"
        }
        #expect(members(nested(256)) != nil)
        #expect(members(nested(257)) == nil)
        #expect(members("{\"a\":" + String(repeating: "1", count: 400) + "}") != nil)
        #expect(members("{\"a\":" + String(repeating: "1", count: 401) + "}") == nil)
        let many = "{" + (0..<65).map { "\"\($0)\":1" }.joined(separator: ",") + "}"
        #expect(members(many) == nil)
    }

    @Test("decodes to the text it stands for")
    func strings() {
        func text(_ json: String) -> String? { JSONScanner.string(ByteBuffer(string: json)) }
        #expect(text(#""\b\t\n\f\r\/\\\"A\u00e9\u4e2d\ud83d\ude00\u0000""#) == "\u{8}\t\n\u{c}\r/\\\"Aé中😀\u{0}")
        #expect(text("1") == nil)
        #expect(text("\"") == nil)
        #expect(JSONScanner.integer(ByteBuffer(string: "-12")) == -12)
        #expect(JSONScanner.integer(ByteBuffer(string: "1.0")) == nil)
        #expect(JSONScanner.bool(ByteBuffer(string: "true")) == true)
        #expect(JSONScanner.bool(ByteBuffer(string: "1")) == nil)
    }

    @Test("passes nothing that another reader refuses")
    func agreement() throws {
        var random = SystemRandomNumberGenerator()
        let pieces = [
            #""a""#, ":", ",", "{", "}", "[", "]", "1", "-2.5e3", "true", "null", #""\u0041\n""#, #""\ud83d\ude00""#,
        ]
        var passed = 0
        for _ in 0..<20_000 {
            let count = Int.random(in: 1...7, using: &random)
            let text = "{\"k\":" + (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined() + "}"
            guard let found = members(text) else { continue }
            passed += 1
            #expect(throws: Never.self, "\(text)") { try JSONParser.parse(ByteBuffer(string: text)) }
            #expect(found.first?.name == "k")
        }
        #expect(passed > 0)
    }
}
