import HTTPTypes
import Testing

@testable import HTTPAPI

/// Requests that carry no Origin because a page of another site only asks for a part of itself, or leads somebody here.
@Suite("Requests by what a browser says of them")
struct FetchMetadataTests {
    private static let navigation: HTTPFields = [.secFetchMode: "navigate", .secFetchDest: "document"]

    private static func isAllowed(
        _ path: String,
        site: String?,
        _ fields: HTTPFields = [:],
        method: HTTPRequest.Method = .get,
        origins: [String] = []
    ) -> Bool {
        let policy = HostPolicy(
            bindHost: "127.0.0.1",
            allowedHosts: [],
            crossOrigins: CrossOriginPolicy(origins: origins)
        )
        var head = HTTPRequest(method: method, scheme: "http", authority: "localhost:8000", path: path)
        head.headerFields = fields
        if let site { head.headerFields[.secFetchSite] = site }
        do throws(APIError) {
            try policy.check(head, path: path)
            return true
        } catch {
            return false
        }
    }

    @Test("without such words, from our own pages and from the address bar everything may come")
    func own() {
        for path in ["/files/x.js", "/v1/files", "/docs", "/health"] {
            for site in [nil, "same-origin", "none"] {
                #expect(Self.isAllowed(path, site: site), "\(path) \(site ?? "")")
                #expect(Self.isAllowed(path, site: site, Self.navigation), "\(path) \(site ?? "")")
            }
        }
    }

    @Test("pages of other origins get nothing but the state", arguments: ["cross-site", "same-site", "x", ""])
    func foreign(site: String) {
        let paths = ["/files/x.js", "/files", "/v1/files/x", "/contexts", "/openapi.json", "/docs", "/metrics", "/x"]
        for path in paths { #expect(!Self.isAllowed(path, site: site), "\(path)") }
        for path in ["/health", "/ready"] { #expect(Self.isAllowed(path, site: site), "\(path)") }
    }

    @Test("links of other sites lead to the pages for people and nowhere else")
    func links() {
        for path in ["/docs", "/redoc"] {
            #expect(Self.isAllowed(path, site: "cross-site", Self.navigation))
            #expect(!Self.isAllowed(path, site: "cross-site", Self.navigation, method: .post))
            let frame: HTTPFields = [.secFetchMode: "navigate", .secFetchDest: "iframe"]
            #expect(!Self.isAllowed(path, site: "cross-site", frame))
            let part: HTTPFields = [.secFetchMode: "no-cors", .secFetchDest: "document"]
            #expect(!Self.isAllowed(path, site: "cross-site", part))
        }
        for path in ["/files/x", "/files", "/v1/files/x", "/docs/page.js", "/openapi.json"] {
            #expect(!Self.isAllowed(path, site: "cross-site", Self.navigation), "\(path)")
        }
    }

    @Test("a page whose origin may use the API may do so from wherever its browser says it is")
    func welcomeOrigins() {
        let origins = ["https://app.example"]
        let listed: HTTPFields = [.origin: "https://app.example"]
        let other: HTTPFields = [.origin: "https://evil.example"]
        #expect(Self.isAllowed("/v1/files", site: "cross-site", listed, origins: origins))
        #expect(!Self.isAllowed("/v1/files", site: "cross-site", other, origins: origins))
        // Whose page it is that shows a file nobody says.
        #expect(!Self.isAllowed("/files/x", site: "cross-site", origins: origins))
        #expect(Self.isAllowed("/files/x", site: "cross-site", origins: ["*"]))
        #expect(Self.isAllowed("/v1/files", site: "same-origin", [.origin: "http://localhost:8000"]))
    }

    @Test("on the wire such requests are 403, and answers are for our own pages unless others were let in")
    func onTheWire() async throws {
        let header = "cross-origin-resource-policy"
        try await TestAPI.with { api in
            let refused = try await api.request("GET", "/files/x.js", headers: ["Sec-Fetch-Site: cross-site"])
            #expect(refused.status == 403)
            #expect(refused.text == #"{"detail":"Requests from other origins are refused."}"#)
            let followed = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"]
            #expect(try await api.request("GET", "/docs", headers: followed).status == 200)
            let id = try #require(try await api.upload("a.js", [1]).field("file_id"))
            for path in ["/v1/files/\(id)", "/files", "/files/missing", "/docs"] {
                let answer = try await api.request("GET", path)
                #expect(answer[header] == "same-origin", "\(path)")
            }
            for path in ["/health", "/ready"] {
                let answer = try await api.request("GET", path, headers: ["Sec-Fetch-Site: cross-site"])
                #expect(answer.status == 200, "\(path)")
                #expect(answer[header] == nil, "\(path)")
            }
        }
        try await TestAPI.with {
            $0.http.crossOrigins = ["https://app.example"]
        } _: { api in
            let answer = try await api.request("GET", "/v1/files")
            #expect(answer.status == 200)
            #expect(answer[header] == nil)
        }
    }
}
