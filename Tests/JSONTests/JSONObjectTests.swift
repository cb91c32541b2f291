import NIOCore
import Testing

@testable import JSON

@Suite struct JSONObjectTests {
    @Test("names that are a long run of accents are read in a moment, repeated or not", .timeLimit(.minutes(1)))
    func accents() throws {
        // To compare such texts as Swift does, they must be sorted, and that takes the square of their length.
        let name = String(repeating: "\u{301}\u{316}", count: 500_000)
        for text in ["{\"\(name)\":1,\"a\":2}", "{\"\(name)\":0,\"\(name)\":1,\"a\":2}"] {
            guard case .object(let object) = try JSONParser.parse(ByteBuffer(string: text)) else {
                Issue.record("no object")
                return
            }
            let (lengths, values) = (object.names.map { $0.utf8.count }, object.values)
            #expect(lengths == [2_000_000, 1])
            #expect(values == [.integer(1), .integer(2)])
        }
    }

    @Test("of a name that comes again the last value counts, in the place of the first") func repeatedNames() {
        let object = JSONObject(names: ["a", "b", "a", "\u{e9}", "e\u{301}"], values: (0..<5).map { .integer($0) })
        #expect(object.names.map { Array($0.utf8) } == ["a", "b", "\u{e9}", "e\u{301}"].map { Array($0.utf8) })
        #expect(object.values == [.integer(2), .integer(1), .integer(3), .integer(4)])
        #expect(object["a"] == .integer(2))
        #expect(object["ab"] == nil)
    }
}
