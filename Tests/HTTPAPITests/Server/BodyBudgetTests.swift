import Execution
import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import Testing

@testable import HTTPAPI

@Suite("The memory of bodies")
struct BodyBudgetTests {
    @Test("a lease gives back what is not needed, once")
    func shrinks() {
        let budget = BodyBudget(bytes: 10)
        let (one, other) = (budget.lease(), budget.lease())
        #expect(one.grow(by: 8))
        one.shrink(to: 9)
        #expect(!other.grow(by: 3))
        one.shrink(to: 3)
        one.shrink(to: 3)
        #expect(other.grow(by: 7))
        #expect(!other.grow(by: 1))
        one.end()
        #expect(other.grow(by: 3))
    }

    @Test(
        "what need not be kept of a body is given back when it was read",
        arguments: ["/execute", "/contexts", "/v1/execute", "/v1/execute/stream"]
    )
    func decodedBodies(path: String) async throws {
        try await TestAPI.with { api in
            let budget = BodyBudget(bytes: 10_000)
            let lease = budget.lease()
            let padding = String(repeating: "x", count: 9_000)
            let response = try await Self.answer(api, path, #"{"code":"1","padding":"\#(padding)"}"#, lease)
            #expect(response.status == .ok)
            #expect(budget.lease().grow(by: 9_900))
            withExtendedLifetime((response, lease)) {}
        }
    }

    @Test("what is kept is held until the stream ends", arguments: ["/execute", "/v1/execute/stream"])
    func keptBodies(path: String) async throws {
        try await TestAPI.with { api in
            let budget = BodyBudget(bytes: 10_000)
            let lease = budget.lease()
            let code = String(repeating: "x", count: 9_000)
            let response = try await Self.answer(api, path, #"{"code":"\#(code)"}"#, lease)
            #expect(response.status == .ok)
            #expect(!budget.lease().grow(by: 1_001))
            #expect(budget.lease().grow(by: 900))
            withExtendedLifetime((response, lease)) {}
        }
    }

    /// What the route answers to a body, as far as it is made before it is sent.
    private static func answer(
        _ api: TestAPI,
        _ path: String,
        _ body: String,
        _ lease: BodyBudget.Lease
    ) async throws -> Response {
        let route = try #require(api.routes.first { $0.path == path && $0.method == .post })
        let head = HTTPRequest(method: .post, scheme: "http", authority: "localhost", path: path)
        let request = Request(head: head, body: RequestBody(buffer: ByteBuffer(string: body)))
        return try await route.handler(
            RoutedRequest(
                request: request,
                parameters: [],
                logger: TestServer.quiet,
                connection: Connection(),
                tenant: .everyone,
                lease: lease
            )
        )
    }
}
