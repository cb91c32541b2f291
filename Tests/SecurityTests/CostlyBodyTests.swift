import TestSupport
import Testing

/// Bodies within every limit that cost the square of their size where each name is looked for among all, or texts are
/// compared by what they look like. One of them would keep a thread busy for minutes.
@Suite(
    "Bodies that are costly to read",
    .server(usesContexts: true),
    .serialized,
    .nativeOnly("about the wire, the same whatever makes sandboxes")
)
struct CostlyBodyTests {
    /// As many as the parser takes beside the three values around them.
    private static let manyVariables = (0..<99_997).map { "\"the_same_long_beginning_of_every_name_\($0)\":\"\"" }
    /// Four megabytes of accents in the wrong order.
    private static let longRun = String(repeating: "\u{301}\u{316}", count: 1_000_000)

    @Test("a hundred thousand variables are refused at once, by many requests at a time")
    func variables() async throws {
        let server = try TestServer.current
        let body = #"{"code":"1","env_vars":{\#(Self.manyVariables.joined(separator: ","))}}"#
        try await withDeadline(.seconds(60), "the refusals") {
            try await withThrowingTaskGroup(of: HTTPAnswer.self) { group in
                for _ in 0..<4 { group.addTask { try await server.post("/execute", body) } }
                for try await answer in group {
                    #expect(answer.status == 400)
                    #expect(answer.text == "Invalid env_vars: more than 1000")
                }
            }
        }
        #expect(try await server.cell(CellRequest("6 * 7")).text == "42")
    }

    @Test(
        "long runs of accents are refused wherever they stand for a name",
        arguments: [
            ("/execute", #""%":1"#, 422), ("/execute", #""code":"1","context_id":"%""#, 404),
            ("/execute", #""code":"1","language":"%""#, 400), ("/contexts", #""language":"%""#, 400),
            ("/v1/execute", #""%":1,"%":2"#, 422), ("/v1/execute", #""code":"1","last_line_interactive":"%""#, 422),
            ("/v1/execute", #""code":"1","files":[{"path":"a","file_id":"%"}]"#, 404),
        ]
    )
    func accents(path: String, fields: String, status: Int) async throws {
        let server = try TestServer.current
        let parts = fields.utf8.split(separator: UInt8(ascii: "%")).map { Array($0) }
        let body = Array("{".utf8) + Array(parts.joined(separator: Self.longRun.utf8)) + Array("}".utf8)
        let answer = try await withDeadline(.seconds(60), "the refusal") {
            try await server.send("POST", path, headers: [("Content-Type", "application/json")], body: body)
        }
        #expect(answer.status == status)
        #expect(try await server.get("/health").status == 200)
    }
}
