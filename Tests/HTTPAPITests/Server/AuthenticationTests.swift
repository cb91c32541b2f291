import Execution
import HTTPTypes
import NIOCore
import Testing

@testable import HTTPAPI

@Suite struct AuthenticationTests {
    private static let alice = "alice-key-0123456789"
    private static let bob = "bob-key-0123456789"
    private static let unauthorized = #"{"detail":"Unauthorized"}"#

    private static func withKeys(_ body: (TestAPI) async throws -> Void) async throws {
        try await TestAPI.with {
            $0.http.authenticator = Authenticator(.keys([("alice", alice), ("bob", bob)]))
        } _: {
            try await body($0)
        }
    }

    @Test("every route but health wants a key, unknown ones too") func protectsEveryRoute() async throws {
        try await Self.withKeys { api in
            var paths = api.routes.map { ($0.method.rawValue, $0.path.replacing(/\{\w+\}/, with: "x")) }
            paths += [
                ("GET", "/nowhere"), ("GET", "/v1/files/"), ("PATCH", "/docs"), ("OPTIONS", "/v1/files"),
                ("POST", "/claim"),
            ]
            paths += [("GET", "/health/"), ("GET", "//health"), ("HEAD", "/metrics")]
            for (method, path) in paths where path != "/health" {
                let response = try await api.request(method, path, body: method == "POST" ? [] : nil)
                #expect(response.status == 401, "\(method) \(path)")
                #expect(response.text == (method == "HEAD" ? "" : Self.unauthorized), "\(method) \(path)")
                #expect(response["www-authenticate"] == "Bearer", "\(method) \(path)")
            }
            for path in ["/health", "/health?x", "/%68ealth"] {
                let status1 = try await api.request("GET", path).status
                #expect(status1 == 200)
            }
        }
    }

    @Test(
        "a key is shown in one of three headers",
        arguments: [
            ["Authorization: Bearer \(alice)"], ["authorization: bearer   \(alice)"], ["X-API-Key: \(alice)"],
            ["X-Access-Token: \(alice)"], ["X-Access-Token: \(alice)", "Authorization: Basic dXNlcjo="],
            ["Authorization: Bearer \(alice)", "X-API-Key: \(alice)"],
        ]
    )
    func acceptsKeys(headers: [String]) async throws {
        try await Self.withKeys { api in
            for path in ["/ready", "/docs", "/metrics", "/openapi.json", "/v1/files"] {
                let status2 = try await api.request("GET", path, headers: headers).status
                #expect(status2 == 200, "\(path)")
            }
            let status3 = try await api.request("GET", "/nowhere", headers: headers).status
            #expect(status3 == 404)
        }
    }

    @Test(
        "anything else is 401",
        arguments: [
            [], ["Authorization: Bearer"], ["Authorization: Bearer "], ["Authorization: "], ["Authorization: \(alice)"],
            ["Authorization: Basic \(alice)"], ["Authorization: Token \(alice)"], ["Authorization: Bearer \(alice)x"],
            ["Authorization: Bearer \(alice.dropLast())"], ["Authorization: Bearer \(alice) \(alice)"],
            ["Authorization: Bearer \(alice.uppercased())"],
            ["Authorization: Bearer \(alice)", "Authorization: Bearer \(alice)"],
            ["Authorization: Bearer \(alice)", "Authorization: Bearer \(bob)"],
            ["Authorization: Bearer \(alice), Bearer \(alice)"],
            ["Authorization: Bearer \(alice)", "X-API-Key: \(bob)"],
            ["Authorization: Bearer wrong", "X-API-Key: \(alice)"],
            ["X-API-Key: "], ["X-API-Key: \(alice)", "X-API-Key: \(alice)"], ["Authorization: Bearer \u{e9}\u{1F600}"],
            ["Authorization: \u{e9}"], ["Authorization: Bearer " + String(repeating: "x", count: 15_000)],
            ["Cookie: key=\(alice)"], ["Authorization: Digest username=\"alice\""],
            ["Authorization: Bearer alice:\(alice)"],
        ]
    )
    func refusesEverythingElse(headers: [String]) async throws {
        try await Self.withKeys { api in
            let response = try await api.request("GET", "/v1/files", headers: headers)
            #expect(response.status == 401)
            #expect(response.text == Self.unauthorized)
        }
    }

    @Test("bytes that are no text are 401, headers beyond the limit no answer of ours") func refusesGarbage()
        async throws
    {
        try await Self.withKeys { api in
            try await RawConnection.with(port: api.port) { connection in
                let head = Array("GET /v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ".utf8)
                try await connection.send(head + [0xFF, 0xFE, 0x80, 0xC3] + Array("\r\n\r\n".utf8))
                let response = try await connection.response()
                #expect(response?.status == 401)
            }
            let large = "Authorization: Bearer " + String(repeating: "x", count: 40_000)
            let status = try await api.request("GET", "/v1/files", headers: [large]).status
            #expect((400..<500).contains(status))
        }
    }

    @Test("a key's files are another key's 404") func separatesTenants() async throws {
        try await Self.withKeys { api in
            let form = TestAPI.multipart([(#"Content-Disposition: form-data; name="file"; filename="a""#, [1, 2])])
            let upload = try await api.request(
                "POST",
                "/v1/files",
                headers: [form.header, "X-API-Key: \(Self.alice)"],
                body: form.body
            )
            let id = try #require(upload.field("file_id"))
            let other = ["X-API-Key: \(Self.bob)"]
            let status4 = try await api.request("GET", "/v1/files/\(id)", headers: other).status
            #expect(status4 == 404)
            let status5 = try await api.request("DELETE", "/v1/files/\(id)", headers: other).status
            #expect(status5 == 404)
            #expect(try await api.request("GET", "/v1/files", headers: other).text == #"{"files":[]}"#)
            let body = Array(#"{"code":"x","files":[{"path":"a","file_id":"\#(id)"}]}"#.utf8)
            let status6 = try await api.request("POST", "/v1/execute", headers: other, body: body).status
            #expect(status6 == 404)
            let status7 = try await api.request("GET", "/v1/files/\(id)", headers: ["X-API-Key: \(Self.alice)"]).status
            #expect(status7 == 200)
        }
    }

    @Test("the host is checked before the key, and the key before the route") func order() async throws {
        try await Self.withKeys { api in
            let headers = ["Host: evil.example", "Authorization: Bearer \(Self.alice)"]
            let status8 = try await api.request("GET", "/v1/files", headers: headers).status
            #expect(status8 == 421)
            let status9 = try await api.request("GET", "/nowhere").status
            #expect(status9 == 401)
        }
    }

    // MARK: Claims

    private static func withClaim(_ body: (TestAPI) async throws -> Void) async throws {
        try await TestAPI.with {
            $0.http.authenticator = Authenticator(.claim)
        } _: {
            try await body($0)
        }
    }

    @Test("before the claim everything but health and the claim is 403, afterwards the token opens everything")
    func claims() async throws {
        try await Self.withClaim { api in
            let unclaimed = #"{"detail":"Server has not been claimed yet"}"#
            for (method, path) in [
                ("GET", "/docs"), ("POST", "/v1/execute"), ("GET", "/nowhere"), ("GET", "/claim"), ("POST", "/claim/"),
            ] {
                let response = try await api.request(method, path, headers: ["Authorization: Bearer x"])
                #expect(response.status == 403, "\(method) \(path)")
                #expect(response.text == unclaimed, "\(method) \(path)")
            }
            let status10 = try await api.request("GET", "/health").status
            #expect(status10 == 200)
            let claim = try await api.request("POST", "/claim")
            #expect(claim.status == 200)
            #expect(claim.text.wholeMatch(of: /\{"token":"[A-Za-z0-9_-]{43}"\}/) != nil)
            let token = try #require(claim.field("token"))
            let again = try await api.request("POST", "/claim")
            #expect(again.status == 404)
            #expect(again.text == #"{"detail":"Not Found"}"#)
            let withToken = try await api.request("POST", "/claim", headers: ["Authorization: Bearer \(token)"])
            #expect(withToken.status == 404)
            let status11 = try await api.request("GET", "/v1/files").status
            #expect(status11 == 401)
            let status12 = try await api.request("GET", "/v1/files", headers: ["Authorization: Bearer \(token)x"])
                .status
            #expect(status12 == 401)
            let status13 = try await api.request("GET", "/v1/files", headers: ["Authorization: Bearer \(token)"]).status
            #expect(status13 == 200)
        }
    }

    @Test("a thousand claims at once give one token") func claimRace() async {
        let authenticator = Authenticator(.claim)
        let tokens = await withTaskGroup(of: String?.self) { group in
            for _ in 0..<1000 { group.addTask { authenticator.claim() } }
            return await group.reduce(into: [String]()) { if let token = $1 { $0.append(token) } }
        }
        #expect(tokens.count == 1)
    }

    @Test("what is no server to be claimed has no such route") func claimIsUnknown() async throws {
        try await TestAPI.with { api in
            let status14 = try await api.request("POST", "/claim").status
            #expect(status14 == 404)
        }
    }
}
