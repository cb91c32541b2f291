import HTTPTypes
import NIOCore
import Testing

@testable import HTTPAPI

@Suite struct RoutingTests {
    /// Method, path; status, body, Allow, Location.
    private static let strangeRequests: [(String, String, Int, String, String?, String?)] = [
        ("GET", "/", 404, notFound, nil, nil), ("GET", "/nowhere", 404, notFound, nil, nil),
        ("GET", "/v1/sessions", 404, notFound, nil, nil), ("GET", "/V1/files", 404, notFound, nil, nil),
        ("GET", "//v1/files", 404, notFound, nil, nil), ("GET", "/nowhere/", 404, notFound, nil, nil),
        ("GET", "/v1/execute", 405, notAllowed, "POST", nil), ("PATCH", "/v1/files", 405, notAllowed, "GET, POST", nil),
        ("PUT", "/v1/files/x", 405, notAllowed, "DELETE, GET", nil),
        ("OPTIONS", "/v1/files", 405, notAllowed, "GET, POST", nil), ("POST", "/health", 405, notAllowed, "GET", nil),
        ("HEAD", "/health", 405, "", "GET", nil), ("HEAD", "/docs", 405, "", "GET", nil),
        ("GET", "/v1/files/", 307, "", nil, "/v1/files"), ("POST", "/v1/execute//", 307, "", nil, "/v1/execute"),
        ("GET", "/v1/files/a%20b/?x=y/", 307, "", nil, "/v1/files/a%20b?x=y/"),
    ]
    private static let notFound = #"{"detail":"Not Found"}"#
    private static let notAllowed = #"{"detail":"Method Not Allowed"}"#

    @Test("paths and methods that are not there") func answersStrangeRequests() async throws {
        try await TestAPI.with { api in
            for (method, path, status, body, allow, location) in Self.strangeRequests {
                let response = try await api.request(method, path)
                #expect(response.status == status, "\(method) \(path)")
                #expect(response.text == body, "\(method) \(path)")
                #expect(response["allow"] == allow, "\(method) \(path)")
                #expect(response["location"] == location, "\(method) \(path)")
            }
        }
    }

    @Test("a query does not change the route") func ignoresQueries() async throws {
        try await TestAPI.with { api in
            for path in ["/health?a=/b/", "/%68ealth"] {
                let response = try await api.request("GET", path)
                #expect(response.status == 200)
            }
        }
    }

    @Test(
        "host names a server on the loopback interface answers to",
        arguments: [
            "localhost", "LOCALHOST:80", "127.0.0.1:8000", "[::1]", "[::1]:9", "sandbox.example",
            "sandbox.example:8000", "127.0.0.2", "192.0.2.7", "[2001:DB8::7]:8000",
            "[::ffff:192.0.2.7]",
        ]
    )
    func acceptsOwnHosts(_ host: String) throws {
        let policy = HostPolicy(bindHost: "127.0.0.1", allowedHosts: ["Sandbox.Example"])
        try policy.check(Self.head(host), path: "/")
    }

    @Test(
        "host names it does not answer to",
        arguments: [
            "evil.example", "0.0.0.0:8000", "[::]", "[0:0::0]:8000", "localhost.evil.example", "evil.example:8000",
            "127.0.0.1.evil.example",
            "localhost:80:evil", "[::1]x",
            "localhost@evil.example", "", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1.", "1.2.3.4.5",
            "127.0.0.1:80x", "::1", "[127.0.0.1]", "[]", "[::1].evil", "[::1]:80.evil", "[fe80::1%eth0]",
            "[fe80::1%25eth0]", "[\u{301}::1]", "[::1", "::1]",
        ]
    )
    func refusesForeignHosts(_ host: String) {
        let policy = HostPolicy(bindHost: "127.0.0.1", allowedHosts: [])
        #expect(throws: APIError.self) { try policy.check(Self.head(host), path: "/") }
    }

    @Test("on other interfaces every name is right unless names were listed") func openInterfaces() throws {
        try HostPolicy(bindHost: "0.0.0.0", allowedHosts: []).check(Self.head("any.example"), path: "/")
        try HostPolicy(bindHost: "127.0.0.1", allowedHosts: ["*"]).check(Self.head("any.example"), path: "/")
        let listed = HostPolicy(bindHost: "0.0.0.0", allowedHosts: ["own.example"])
        for host in ["own.example", "192.0.2.7:8000", "[2001:db8::7]", "localhost"] {
            try listed.check(Self.head(host), path: "/")
        }
        #expect(throws: APIError.self) { try listed.check(Self.head("any.example"), path: "/") }
    }

    @Test(
        "origins",
        arguments: [
            ("http://localhost:8000", true), ("https://localhost:8000", true), ("http://LOCALHOST:8000", true),
            ("http://localhost", false), ("http://localhost:8001", false), ("http://evil.example", false),
            ("null", false),
            ("", false), ("http://localhost:8000.evil.example", false), ("localhost:8000", false),
        ]
    )
    func checksOrigins(_ origin: String, _ isAllowed: Bool) {
        let policy = HostPolicy(bindHost: "127.0.0.1", allowedHosts: [])
        var head = Self.head("localhost:8000")
        head.headerFields[.origin] = origin
        var isRefused = false
        do throws(APIError) { try policy.check(head, path: "/") } catch { isRefused = true }
        #expect(isRefused != isAllowed)
    }

    @Test("foreign hosts, foreign origins and two hosts are refused before anything else") func refusesOnTheWire()
        async throws
    {
        try await TestAPI.with { api in
            let body = Array(#"{"code":"x"}"#.utf8)
            let foreignHost = try await api.request("GET", "/health", headers: ["Host: evil.example"])
            #expect(foreignHost.status == 421)
            #expect(foreignHost.text.hasPrefix(#"{"detail":"This server does not answer to that host name."#))
            let headers = ["Origin: http://evil.example", "Content-Type: text/plain"]
            let foreignOrigin = try await api.request("POST", "/v1/execute", headers: headers, body: body)
            #expect(foreignOrigin.status == 403)
            #expect(foreignOrigin["access-control-allow-origin"] == nil)
            let own = try await api.request(
                "POST",
                "/v1/execute",
                headers: ["Host: localhost:1", "Origin: http://localhost:1"],
                body: body
            )
            #expect(own.status == 200)
            #expect(own["access-control-allow-origin"] == nil)
            let two = try await api.request("GET", "/health", headers: ["Host: localhost", "Host: evil.example"])
            #expect(two.status == 400)
        }
    }

    private static func head(_ host: String) -> HTTPRequest {
        HTTPRequest(method: .get, scheme: "http", authority: host, path: "/")
    }
}
