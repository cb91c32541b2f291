import Execution
import NIOCore
import Testing

@testable import HTTPAPI

/// Texts that are a long run of accents: to compare them as Swift does, they must be sorted, and that takes the square
/// of their length. They come in wherever a client names something.
@Suite("Texts that are costly to compare", .timeLimit(.minutes(2)))
struct CostlyTextTests {
    /// A megabyte in two bytes each, in the wrong order.
    private static let accents = String(repeating: "\u{301}\u{316}", count: 250_000)

    @Test(
        "are refused as any other wrong name",
        arguments: [
            ("/execute", #""code":"1","context_id":"%""#, 404), ("/execute", #""code":"1","language":"%""#, 400),
            ("/execute", #""code":"1","env_vars":{"%=":"1"}"#, 400), ("/execute", #""%":"1""#, 422),
            ("/contexts", #""language":"%""#, 400),
            ("/v1/execute", #""code":"1","last_line_interactive":"%""#, 422), ("/v1/execute", #""%":1,"%":2"#, 422),
            ("/v1/execute", #""code":"1","files":[{"path":"a","file_id":"%"}]"#, 404),
            ("/v1/execute/stream", #""code":"1","files":[{"path":"a","file_id":"%"}]"#, 404),
        ]
    )
    func refused(path: String, fields: String, status: Int) async throws {
        let parts = fields.utf8.split(separator: UInt8(ascii: "%")).map { Array($0) }
        let body = Array("{".utf8) + Array(parts.joined(separator: Self.accents.utf8)) + Array("}".utf8)
        try await TestAPI.with { api in
            let response = try await api.request("POST", path, body: body)
            #expect(response.status == status)
        }
    }

    @Test("are no id of a context in a path either", arguments: ["restart", "interrupt"])
    func paths(operation: String) async throws {
        try await TestAPI.with { api in
            let id = String(repeating: "%CC%81%CC%96", count: 200)
            let answer = try await api.request("POST", "/contexts/\(id)/\(operation)")
            #expect(answer.status == 404)
            let deletion = try await api.request("DELETE", "/contexts/\(id)")
            #expect(deletion.status == 404)
        }
    }
}
