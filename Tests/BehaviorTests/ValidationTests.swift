import TestSupport
import Testing

extension OneShot {
    @Suite("Requests that are wrong")
    struct Validation {
        /// A body and the items its answer consists of.
        struct Case: CustomTestStringConvertible, Sendable {
            var body: String
            var items: JSON
            var type: String? = "application/json"

            var testDescription: String { "\(type ?? "no type"): \(body.prefix(80))" }
        }

        /// An item of the array in pydantic's form.
        static func item(_ type: JSON, _ loc: JSON, _ msg: JSON, _ input: JSON, ctx: JSON? = nil) -> JSON {
            var item: [String: JSON] = ["type": type, "loc": loc, "msg": msg, "input": input]
            item["ctx"] = ctx
            return .object(item)
        }

        static func missing(_ loc: JSON, _ input: JSON) -> JSON { item("missing", loc, "Field required", input) }

        static func expect(_ test: Case, on path: String = "/v1/execute") async throws {
            let answer = try await TestServer.current.post(path, test.body, type: test.type)
            #expect(answer.status == 422)
            #expect(try answer.json == ["detail": test.items])
            #expect(answer.header("Content-Type")?.hasPrefix("application/json") == true)
        }

        @Test(
            "a field that is missing",
            arguments: [
                Case(body: "{}", items: [missing(["body", "code"], [:])]),
                Case(body: #"{"stdin":"x"}"#, items: [missing(["body", "code"], ["stdin": "x"])]),
                Case(body: #"{"CODE":"x"}"#, items: [missing(["body", "code"], ["CODE": "x"])]),
                Case(body: "", items: [missing(["body"], nil)]),
                Case(body: "null", items: [missing(["body"], nil)]),
                Case(body: "", items: [missing(["body"], nil)], type: nil),
                Case(
                    body: #"{"code":"x","files":[{}]}"#,
                    items: [
                        missing(["body", "files", 0, "path"], [:]), missing(["body", "files", 0, "file_id"], [:]),
                    ]
                ),
                Case(
                    body: #"{"code":"x","files":[{"path":"p"}]}"#,
                    items: [missing(["body", "files", 0, "file_id"], ["path": "p"])]
                ),
                Case(
                    body: #"{"code":"x","files":[{"path":"p","file_id":"i"},{"file_id":"i"}]}"#,
                    items: [missing(["body", "files", 1, "path"], ["file_id": "i"])]
                ),
            ]
        )
        func missingFields(test: Case) async throws { try await Self.expect(test) }

        @Test(
            "a body that is not JSON: where and why, in Python's words",
            arguments: [
                ("{", 1, "Expecting property name enclosed in double quotes"), (#"{"code": }"#, 9, "Expecting value"),
                (#"{"code": "abc"#, 9, "Unterminated string starting at"),
                (#"{"code": "a" "b"}"#, 13, "Expecting ',' delimiter"),
                (#"{"code" "a"}"#, 8, "Expecting ':' delimiter"), (#"{"code":"a"} x"#, 13, "Extra data"),
                (#"{"code":"a",}"#, 12, "Expecting property name enclosed in double quotes"),
                (#"{"code":"\x"}"#, 9, "Invalid \\escape"),
                ("{\"code\":\"a\nb\"}", 10, "Invalid control character at"), ("[1,", 3, "Expecting value"),
                ("nope", 0, "Expecting value"),
                (#"{"code": tru}"#, 9, "Expecting value"), (#"{"é": }"#, 6, "Expecting value"),
                ("   ", 3, "Expecting value"),
                (#"{"code":"\u12"}"#, 10, "Invalid \\uXXXX escape"),
                ("{'code':1}", 1, "Expecting property name enclosed in double quotes"),
                ("[1 2]", 3, "Expecting ',' delimiter"), ("-", 0, "Expecting value"),
                ("{\"\u{1F600}\": }", 6, "Expecting value"),
            ]
        )
        func notJSON(body: String, offset: Int, message: String) async throws {
            let item = Self.item(
                "json_invalid",
                ["body", .number("\(offset)")],
                "JSON decode error",
                [:],
                ctx: ["error": .string(message)]
            )
            try await Self.expect(Case(body: body, items: [item]))
        }

        @Test(
            "a body that is no object",
            arguments: [
                Case(body: "[]", items: [notAnObject([])]),
                Case(body: "[1,\"a\",null]", items: [notAnObject([1, "a", nil])]),
                Case(body: "\"text\"", items: [notAnObject("text")]), Case(body: "1", items: [notAnObject(1)]),
                Case(body: "1.5", items: [notAnObject(1.5)]), Case(body: "true", items: [notAnObject(true)]),
                Case(body: #"{"code":"x"}"#, items: [notAnObject(#"{"code":"x"}"#)], type: "text/plain"),
                Case(
                    body: "code=print(1)",
                    items: [notAnObject("code=print(1)")],
                    type: "application/x-www-form-urlencoded"
                ),
            ]
        )
        func noObject(test: Case) async throws { try await Self.expect(test) }

        static func notAnObject(_ input: JSON, at loc: JSON = ["body"]) -> JSON {
            item(
                "model_attributes_type",
                loc,
                "Input should be a valid dictionary or object to extract fields from",
                input
            )
        }

        @Test(
            "code and stdin that are no strings",
            arguments: ["1", "null", "true", "[]", "{}", "1.5"]
        )
        func noStrings(literal: String) async throws {
            let input = try JSON(parsing: literal)
            let message: JSON = "Input should be a valid string"
            try await Self.expect(
                Case(
                    body: #"{"code":\#(literal)}"#,
                    items: [Self.item("string_type", ["body", "code"], message, input)]
                )
            )
            guard literal != "null" else { return }
            try await Self.expect(
                Case(
                    body: #"{"code":"","stdin":\#(literal)}"#,
                    items: [Self.item("string_type", ["body", "stdin"], message, input)]
                )
            )
        }

        @Test(
            "a timeout_ms that is no integer",
            arguments: ["\"1000\"", "1.5", "1000.0", "true", "null", "[]", "\"\""]
        )
        func noInteger(literal: String) async throws {
            let input = try JSON(parsing: literal)
            let item = Self.item("int_type", ["body", "timeout_ms"], "Input should be a valid integer", input)
            try await Self.expect(Case(body: #"{"code":"","timeout_ms":\#(literal)}"#, items: [item]))
        }

        @Test("a timeout_ms below one", arguments: [0, -1, -1_000_000])
        func tooSmall(value: Int) async throws {
            let item = Self.item(
                "greater_than_equal",
                ["body", "timeout_ms"],
                "Input should be greater than or equal to 1",
                .number("\(value)"),
                ctx: ["ge": 1]
            )
            try await Self.expect(Case(body: #"{"code":"","timeout_ms":\#(value)}"#, items: [item]))
        }

        @Test(
            "what counts as true and false for last_line_interactive",
            arguments: [
                ("true", true), ("1", true), ("\"yes\"", true), ("\"on\"", true), ("\"t\"", true), ("\"y\"", true),
                ("\"true\"", true), ("\"1\"", true),
                ("\"TRUE\"", true), ("1.0", true), ("false", false), ("0", false), ("\"no\"", false),
                ("\"off\"", false), ("\"f\"", false),
                ("\"n\"", false), ("\"false\"", false), ("\"0\"", false), ("0.0", false),
            ]
        )
        func booleans(literal: String, isInteractive: Bool) async throws {
            let answer = try await TestServer.current.post(
                "/v1/execute",
                #"{"code":"1+1","timeout_ms":30000,"last_line_interactive":\#(literal)}"#
            )
            #expect(answer.status == 200, "\(answer.text)")
            #expect(try answer.json["stdout"]?.string == (isInteractive ? "2\n" : ""))
        }

        @Test(
            "a last_line_interactive that is neither",
            arguments: [
                ("\"maybe\"", true), ("2", true), ("\"\"", true), ("-1", true), ("null", false), ("[]", false),
                ("{}", false),
            ]
        )
        func noBoolean(literal: String, isScalar: Bool) async throws {
            let input = try JSON(parsing: literal)
            let item =
                isScalar
                ? Self.item(
                    "bool_parsing",
                    ["body", "last_line_interactive"],
                    "Input should be a valid boolean, unable to interpret input",
                    input
                )
                : Self.item("bool_type", ["body", "last_line_interactive"], "Input should be a valid boolean", input)
            try await Self.expect(Case(body: #"{"code":"","last_line_interactive":\#(literal)}"#, items: [item]))
        }

        @Test(
            "files that are no list",
            arguments: ["null", "{}", "1", "\"x\"", "true"]
        )
        func noList(literal: String) async throws {
            let input = try JSON(parsing: literal)
            let item = Self.item("list_type", ["body", "files"], "Input should be a valid list", input)
            try await Self.expect(Case(body: #"{"code":"","files":\#(literal)}"#, items: [item]))
        }

        @Test("items of files that are no objects, and fields in them that are no strings")
        func wrongItems() async throws {
            let items: JSON = [
                Self.notAnObject(1, at: ["body", "files", 0]), Self.notAnObject("x", at: ["body", "files", 1]),
                Self.item("string_type", ["body", "files", 2, "path"], "Input should be a valid string", 5),
                Self.item("string_type", ["body", "files", 2, "file_id"], "Input should be a valid string", nil),
            ]
            try await Self.expect(Case(body: #"{"code":"","files":[1,"x",{"path":5,"file_id":null}]}"#, items: items))
        }

        @Test("all errors are told at once, in the order of the fields")
        func fieldOrder() async throws {
            let answer = try await TestServer.current.post(
                "/v1/execute",
                #"{"files":null,"last_line_interactive":"maybe","timeout_ms":"x","stdin":1,"code":2}"#
            )
            #expect(answer.status == 422)
            let fields = try answer.detail.array?.map { $0["loc"]?[1]?.string }
            #expect(fields == ["code", "stdin", "timeout_ms", "last_line_interactive", "files"])
        }

        @Test("unknown fields are ignored, of duplicate keys the last wins, null is a stdin")
        func lenient() async throws {
            let answer = try await TestServer.current.post(
                "/v1/execute",
                #"{"code":"print(1)","code":"print(2)","stdin":null,"timeout_ms":30000,"more":{"deep":[1]},"files":[]}"#
            )
            #expect(answer.status == 200)
            #expect(try answer.json["stdout"] == "2\n")
        }

        @Test(
            "a JSON body is accepted under these types",
            arguments: [
                nil, "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8",
                "APPLICATION/JSON", "application/x+json",
                "application/vnd.api+json",
            ]
        )
        func contentTypes(type: String?) async throws {
            let answer = try await TestServer.current.post(
                "/v1/execute",
                #"{"code":"print(1)","timeout_ms":30000}"#,
                type: type
            )
            #expect(answer.status == 200, "\(answer.text)")
        }

        @Test("a byte order mark before the body is accepted")
        func byteOrderMark() async throws {
            let answer = try await TestServer.current.post(
                "/v1/execute",
                "\u{FEFF}" + #"{"code":"print(1)","timeout_ms":30000}"#
            )
            #expect(answer.status == 200, "\(answer.text)")
        }

        @Test("a body that is not UTF-8 gives 400")
        func invalidUTF8() async throws {
            let body = Array(#"{"code":""#.utf8) + [0xFF, 0xFE] + Array(#""}"#.utf8)
            let answer = try await TestServer.current.send(
                "POST",
                "/v1/execute",
                headers: [("Content-Type", "application/json")],
                body: body
            )
            #expect(answer.status == 400)
            #expect(try answer.json == ["detail": "There was an error parsing the body"])
        }

        @Test("a timeout_ms above the maximum")
        func aboveMaximum() async throws {
            let server = try TestServer.current
            let answer = try await server.post("/v1/execute", #"{"code":"","timeout_ms":60001}"#)
            #expect(answer.status == 422)
            #expect(try answer.json == ["detail": "timeout_ms exceeds maximum of 60000 ms"])
            #expect(try await server.post("/v1/execute", #"{"code":"","timeout_ms":60000}"#).status == 200)
            let huge = try await server.post("/v1/execute", #"{"code":"","timeout_ms":123456789012345678901234567890}"#)
            #expect(huge.status == 422)
        }

        @Test("a file that does not exist")
        func unknownFile() async throws {
            let id = "00000000-0000-4000-8000-000000000000"
            let answer = try await TestServer.current.post(
                "/v1/execute",
                #"{"code":"","files":[{"path":"a/b","file_id":"\#(id)"}]}"#
            )
            #expect(answer.status == 404)
            #expect(try answer.json == ["detail": .string("File with ID '\(id)' not found for path 'a/b'.")])
        }

        @Test(
            "paths that are not allowed",
            arguments: [
                ("/etc/passwd", "File paths must be relative."), ("/", "File paths must be relative."),
                ("../x", "File paths must not contain '..'."),
                ("a/../../x", "File paths must not contain '..'."), ("..", "File paths must not contain '..'."),
                ("", "File path must not be empty."),
                (".", "File path must not be empty."),
                ("__main__.py", "File path '__main__.py' is reserved for the execution entrypoint."),
            ]
        )
        func paths(path: String, message: String) async throws {
            let server = try TestServer.current
            let id = try await server.upload("f", "x".utf8)
            let answer = try await server.post(
                "/v1/execute",
                ["code": "", "files": [["path": .string(path), "file_id": .string(id)]]]
            )
            #expect(answer.status == 422, "\(answer.text)")
            #expect(try answer.json == ["detail": .string(message)])
        }

        @Test(
            "the entrypoint is reserved under every spelling",
            arguments: ["./__main__.py", ".//__main__.py", "././__main__.py"]
        )
        func reservedSpellings(path: String) async throws {
            let server = try TestServer.current
            let id = try await server.upload("f", "print('hijacked')".utf8)
            let answer = try await server.post(
                "/v1/execute",
                ["code": "", "files": [["path": .string(path), "file_id": .string(id)]]]
            )
            #expect(answer.status == 422, "\(answer.text)")
        }

        @Test("of several things wrong, the earlier check speaks")
        func checkOrder() async throws {
            let server = try TestServer.current
            let all = try await server.post(
                "/v1/execute",
                #"{"code":"","timeout_ms":99999999,"files":[{"path":"/x","file_id":"no"}]}"#
            )
            #expect(try all.detail == "timeout_ms exceeds maximum of 60000 ms")
            let two = try await server.post("/v1/execute", #"{"code":"","files":[{"path":"/x","file_id":"no"}]}"#)
            #expect(two.status == 404)
            #expect(try two.detail == "File with ID 'no' not found for path '/x'.")
        }

        @Test("the streaming route validates in the same way")
        func streamValidation() async throws {
            try await Self.expect(
                Case(body: "{}", items: [Self.missing(["body", "code"], [:])]),
                on: "/v1/execute/stream"
            )
        }
    }
}
