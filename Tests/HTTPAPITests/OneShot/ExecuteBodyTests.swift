import Execution
import Hummingbird
import NIOCore
import Testing

@testable import HTTPAPI

/// The validation table of the one-shot contract, in the words of pydantic.
@Suite struct ExecuteBodyTests {
    private static let notAnObject =
        #""msg":"Input should be a valid dictionary or object to extract fields from""#
    private static let unreadableBoolean = #""msg":"Input should be a valid boolean, unable to interpret input""#

    @Test(
        "bodies that are no objects",
        arguments: [
            ("", nil, #"{"type":"missing","loc":["body"],"msg":"Field required","input":null}"#),
            ("", "text/plain", #"{"type":"missing","loc":["body"],"msg":"Field required","input":null}"#),
            ("null", nil, #"{"type":"missing","loc":["body"],"msg":"Field required","input":null}"#),
            ("{}", nil, #"{"type":"missing","loc":["body","code"],"msg":"Field required","input":{}}"#),
            ("[1, 2]", nil, #"{"type":"model_attributes_type","loc":["body"],\#(notAnObject),"input":[1,2]}"#),
            (#""a""#, nil, #"{"type":"model_attributes_type","loc":["body"],\#(notAnObject),"input":"a"}"#),
            ("1.50", nil, #"{"type":"model_attributes_type","loc":["body"],\#(notAnObject),"input":1.5}"#),
            ("true", nil, #"{"type":"model_attributes_type","loc":["body"],\#(notAnObject),"input":true}"#),
            (
                #"{"code":"x"}"#, "text/plain",
                #"{"type":"model_attributes_type","loc":["body"],\#(notAnObject),"input":"{\"code\":\"x\"}"}"#
            ),
            (
                "code=x", "application/x-www-form-urlencoded",
                #"{"type":"model_attributes_type","loc":["body"],\#(notAnObject),"input":"code=x"}"#
            ),
            (
                "{", "application/json",
                #"{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},"#
                    + #""ctx":{"error":"Expecting property name enclosed in double quotes"}}"#
            ),
            (
                "{\"é\": ", nil,
                #"{"type":"json_invalid","loc":["body",6],"msg":"JSON decode error","input":{},"ctx":{"error":"Expecting value"}}"#
            ),
        ] as [(String, String?, String)]
    )
    func refusesOtherBodies(_ body: String, _ contentType: String?, _ item: String) async throws {
        #expect(try await Self.answer(body, contentType) == "422 {\"detail\":[\(item)]}")
    }

    /// A field of a request beside a good code, and the item of the answer.
    private static func wrong(
        _ field: String,
        _ values: [String],
        type: String,
        message: String,
        place: String = "",
        context: String = ""
    ) -> [(String, String)] {
        values.map { value in
            let input = value == "1e400" || value == "NaN" ? "null" : value
            let item =
                #"{"type":"\#(type)","loc":["body","\#(field)"\#(place)],"msg":"\#(message)","input":\#(input)\#(context)}"#
            return (field == "code" ? #""code":\#(value)"# : #""code":"x","\#(field)":\#(value)"#, item)
        }
    }

    private static let wrongStrings: [(String, String)] =
        wrong("code", ["1", "null", "NaN", "{}"], type: "string_type", message: "Input should be a valid string")
        + wrong("stdin", [#"["a"]"#, "false"], type: "string_type", message: "Input should be a valid string")
    private static let wrongNumbers: [(String, String)] =
        wrong(
            "timeout_ms",
            [#""1000""#, "1.5", "1000.0", "true", "null", "[]", "1e400"],
            type: "int_type",
            message: "Input should be a valid integer"
        )
        + wrong(
            "timeout_ms",
            ["0", "-5", "-99999999999999999999"],
            type: "greater_than_equal",
            message: "Input should be greater than or equal to 1",
            context: #","ctx":{"ge":1}"#
        )
    private static let wrongBooleans: [(String, String)] =
        wrong(
            "last_line_interactive",
            [#""maybe""#, #""""#, #"" yes""#, "2", "-1", "2.0"],
            type: "bool_parsing",
            message: "Input should be a valid boolean, unable to interpret input"
        )
        + wrong(
            "last_line_interactive",
            ["null", "[]", "{}", "1.5", "100000000000000000000"],
            type: "bool_type",
            message: "Input should be a valid boolean"
        )
    private static let wrongLists: [(String, String)] =
        wrong(
            "files",
            ["null", "{}", #""abc""#, "1"],
            type: "list_type",
            message: "Input should be a valid list"
        )

    @Test("fields of the wrong kind", arguments: wrongStrings + wrongNumbers + wrongBooleans + wrongLists)
    func refusesWrongFields(_ fields: String, _ item: String) async throws {
        #expect(try await Self.answer("{\(fields)}", nil) == "422 {\"detail\":[\(item)]}")
    }

    @Test("items of the list of files that are no objects", arguments: ["1", "null", #""x""#, "[]"])
    func refusesWrongItems(_ value: String) async throws {
        let body = #"{"code":"x","files":[{"path":"a","file_id":"b"},\#(value)]}"#
        let item = #"{"type":"model_attributes_type","loc":["body","files",1],\#(Self.notAnObject),"input":\#(value)}"#
        #expect(try await Self.answer(body, nil) == "422 {\"detail\":[\(item)]}")
    }

    @Test("an unpaired surrogate is no text") func refusesSurrogates() async throws {
        let item =
            #"{"type":"string_unicode","loc":["body","code"],"#
            + #""msg":"Input should be a valid string, unable to parse raw data as a unicode string","input":"a\#u{FFFD}"}"#
        #expect(try await Self.answer(#"{"code":"a\ud800"}"#, nil) == "422 {\"detail\":[\(item)]}")
    }

    @Test("errors come in the order of the fields, all of them") func keepsOrder() async throws {
        let body = #"{"files":[{}],"last_line_interactive":"x","timeout_ms":0,"stdin":1}"#
        let expected =
            #"422 {"detail":[{"type":"missing","loc":["body","code"],"msg":"Field required","input":\#(body)},"#
            + #"{"type":"string_type","loc":["body","stdin"],"msg":"Input should be a valid string","input":1},"#
            + #"{"type":"greater_than_equal","loc":["body","timeout_ms"],"msg":"Input should be greater than or equal to 1","#
            + #""input":0,"ctx":{"ge":1}},"#
            + #"{"type":"bool_parsing","loc":["body","last_line_interactive"],\#(Self.unreadableBoolean),"input":"x"},"#
            + #"{"type":"missing","loc":["body","files",0,"path"],"msg":"Field required","input":{}},"#
            + #"{"type":"missing","loc":["body","files",0,"file_id"],"msg":"Field required","input":{}}]}"#
        #expect(try await Self.answer(body, nil) == expected)
    }

    @Test("bodies that cannot be read at all are 400") func refusesUnreadableBodies() async throws {
        let expected = #"400 {"detail":"There was an error parsing the body"}"#
        #expect(try await Self.answer(ByteBuffer(bytes: [0x22, 0xFF, 0x22]), nil) == expected)
        #expect(try await Self.answer(String(repeating: "[", count: 100_000), nil) == expected)
        #expect(try await Self.answer("{\"timeout_ms\":" + String(repeating: "9", count: 5_000), nil) == expected)
    }

    @Test(
        "types of content that are JSON",
        arguments: [
            nil, "", "application/json", "APPLICATION/JSON; charset=latin-1", "application/x+json",
            "application/vnd.a.b+json",
            " application/json ",
        ] as [String?]
    )
    func acceptsJSON(_ contentType: String?) throws {
        #expect(try ExecuteBody(ByteBuffer(string: #"{"code":"x"}"#), contentType: contentType).script.code == "x")
    }

    @Test(
        "types of content that are not",
        arguments: [
            "text/json", "application/javascript", "application", "json", "application/json/x", "application/+jsonx",
        ]
    )
    func refusesOtherTypes(_ contentType: String) async throws {
        #expect(try await Self.answer(#"{"code":"x"}"#, contentType).hasPrefix("422 "))
    }

    @Test(
        "words that mean yes or no",
        arguments: [
            ("true", true), ("1", true), ("1.0", true), (#""1""#, true), (#""t""#, true), (#""Y""#, true),
            (#""yes""#, true),
            (#""oN""#, true), (#""TRUE""#, true), ("false", false), ("0", false), ("-0", false), ("0.0", false),
            (#""0""#, false),
            (#""f""#, false), (#""N""#, false), (#""no""#, false), (#""off""#, false), (#""False""#, false),
        ]
    )
    func readsBooleans(_ value: String, _ expected: Bool) throws {
        let body = ByteBuffer(string: #"{"code":"x","last_line_interactive":\#(value)}"#)
        #expect(try ExecuteBody(body, contentType: nil).script.isLastLineInteractive == expected)
    }

    @Test("defaults, the last of several, a byte order mark, unknown fields") func readsLeniently() throws {
        let text =
            "\u{FEFF} {\"code\":1,\"x\":{\"code\":2},\"code\":\"b\",\"files\":[{\"path\":\"p\",\"file_id\":\"i\",\"z\":0}]} "
        let body = try ExecuteBody(ByteBuffer(string: text), contentType: nil)
        #expect(body.script == Script(code: "b", standardInput: nil, isLastLineInteractive: true))
        #expect(body.timeoutMilliseconds == 2000)
        #expect(body.files.map(\.path) == ["p"])
        #expect(body.files.map(\.fileID) == ["i"])
    }

    @Test("refusals by the domain come in the order and the words of the contract", .timeLimit(.minutes(1)))
    func refusesInOrder() async throws {
        try await TestAPI.with { api in
            let id = try #require(try await api.upload("a", [1]).field("file_id"))
            func files(_ path: String, _ id: String) -> String { #""files":[{"path":"\#(path)","file_id":"\#(id)"}]"# }
            let cases: [(String, Int, String)] = [
                (#""timeout_ms":60001,\#(files("../x", "nope"))"#, 422, "timeout_ms exceeds maximum of 60000 ms"),
                (#""timeout_ms":99999999999999999999999"#, 422, "timeout_ms exceeds maximum of 60000 ms"),
                (files("../x", "nope"), 404, "File with ID 'nope' not found for path '../x'."),
                (files("/x", id), 422, "File paths must be relative."),
                (files("a/../x", id), 422, "File paths must not contain '..'."),
                (files("", id), 422, "File path must not be empty."),
                (files("__main__.py", id), 422, "File path '__main__.py' is reserved for the execution entrypoint."),
                (files(String(repeating: "a", count: 256), id), 422, "File path is too long."),
                (files("a\\u0000b", id), 422, "File paths must not contain NUL."),
            ]
            for (fields, status, detail) in cases {
                for path in ["/v1/execute", "/v1/execute/stream"] {
                    let response = try await api.post(path, #"{"code":"x",\#(fields)}"#)
                    #expect(response.status == status)
                    #expect(response.text == "{\"detail\":\"\(detail)\"}")
                }
            }
        }
    }

    private static func answer(_ body: String, _ contentType: String?) async throws -> String {
        try await answer(ByteBuffer(string: body), contentType)
    }

    /// The status and the body of the refusal.
    private static func answer(_ body: ByteBuffer, _ contentType: String?) async throws -> String {
        do {
            _ = try ExecuteBody(body, contentType: contentType)
            return "accepted"
        } catch {
            return try await ErrorResponse.make(for: error, logger: TestServer.quiet).line()
        }
    }
}
