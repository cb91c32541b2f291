import Testing

@testable import HTTPAPI

@Suite struct CrossOriginTests {
    private static let key = "alice-key-0123456789"

    private static func with(_ origins: [String], _ body: (TestAPI) async throws -> Void) async throws {
        try await TestAPI.with {
            $0.http.crossOrigins = origins
            $0.http.authenticator = Authenticator(.keys([("alice", key)]))
        } _: {
            try await body($0)
        }
    }

    @Test("a listed page may use the API, and sees errors too") func listedOrigin() async throws {
        try await Self.with(["https://App.example"]) { api in
            for (headers, status) in [(["X-API-Key: \(Self.key)"], 200), ([], 401)] {
                let response = try await api.request(
                    "GET",
                    "/v1/files",
                    headers: ["Origin: https://app.example"] + headers
                )
                #expect(response.status == status)
                #expect(response["access-control-allow-origin"] == "https://app.example")
                #expect(response["access-control-allow-credentials"] == nil)
                #expect(response["vary"] == "Origin")
            }
        }
    }

    @Test(
        "any other page is refused",
        arguments: ["https://app.example.evil", "http://app.example", "https://app.example:8443", "null"]
    )
    func otherOrigins(origin: String) async throws {
        try await Self.with(["https://app.example"]) { api in
            for method in ["GET", "POST", "OPTIONS"] {
                let headers = ["Origin: \(origin)", "X-API-Key: \(Self.key)", "Access-Control-Request-Method: POST"]
                let response = try await api.request(method, "/v1/files", headers: headers)
                #expect(response.status == 403)
                #expect(response["access-control-allow-origin"] == nil)
                #expect(response["vary"] == "Origin")
            }
        }
    }

    @Test("a browser may ask before it sends, without a key") func preflight() async throws {
        try await Self.with(["https://app.example"]) { api in
            let headers = [
                "Origin: https://app.example", "Access-Control-Request-Method: PUT",
                "Access-Control-Request-Headers: authorization, x-api-key",
            ]
            for path in ["/v1/files", "/nowhere"] {
                let response = try await api.request("OPTIONS", path, headers: headers)
                #expect(response.status == 204)
                #expect(response["access-control-allow-origin"] == "https://app.example")
                #expect(response["access-control-allow-methods"]?.contains("PUT") == true)
                #expect(response["access-control-allow-headers"] == "authorization, x-api-key")
                #expect(response["access-control-max-age"] == "600")
            }
            let odd = try await api.request(
                "OPTIONS",
                "/v1/files",
                headers: headers.dropLast() + ["Access-Control-Request-Headers: a<b>"]
            )
            #expect(odd["access-control-allow-headers"] == nil)
            let status1 = try await api.request("OPTIONS", "/v1/files", headers: [headers[0]]).status
            #expect(status1 == 401)
        }
    }

    @Test("a star is for every page") func everyOrigin() async throws {
        try await Self.with(["*"]) { api in
            let response = try await api.request("GET", "/health", headers: ["Origin: null"])
            #expect(response.status == 200)
            #expect(response["access-control-allow-origin"] == "*")
        }
    }

    @Test("without a list no page is, whatever it sends") func noOrigins() async throws {
        try await TestAPI.with { api in
            for type in [
                "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                "application/json",
            ] {
                let headers = ["Origin: https://app.example", "Content-Type: \(type)"]
                let response = try await api.request(
                    "POST",
                    "/v1/execute",
                    headers: headers,
                    body: Array(#"{"code":"x"}"#.utf8)
                )
                #expect(response.status == 403)
                #expect(response["access-control-allow-origin"] == nil)
            }
        }
    }
}
