import TestSupport
import Testing

/// Pages of other sites that only embed something of ours: such requests are GETs without an Origin.
@Suite(
    "Pages that embed the API",
    .machine,
    .serialized,
    .nativeOnly("about headers, with many servers that make no sandbox")
)
struct CrossSiteTests {
    @Test(
        "pages of other sites and other ports can embed nothing, and make no sandbox",
        arguments: ["cross-site", "same-site"]
    )
    func embedding(site: String) async throws {
        let server = try await TestServer.start(["POOL_SIZE_NOTEBOOK": "0"])
        for destination in ["script", "image", "iframe", "empty"] {
            let mode = destination == "iframe" ? "navigate" : "no-cors"
            let headers = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", destination)]
            for path in ["/files/x.js", "/files", "/contexts", "/v1/files", "/docs", "/openapi.json", "/metrics"] {
                let answer = try await server.get(path, headers: headers)
                #expect(answer.status == 403, "\(destination) \(path)")
            }
            #expect(try await server.get("/health", headers: headers).status == 200)
        }
        let taken = try await server.metric("code_interpreter_pool_misses_total", label: "notebook")
        #expect(taken == 0)
        await server.stop()
    }

    @Test("a link of another site leads to the documentation, and our own page and people go everywhere")
    func allowed() async throws {
        let server = try await TestServer.start()
        let link = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
        #expect(try await server.get("/docs", headers: link).status == 200)
        #expect(try await server.get("/v1/files", headers: link).status == 403)
        for site in ["same-origin", "none"] {
            for path in ["/docs", "/v1/files", "/openapi.json"] {
                let answer = try await server.get(path, headers: [("Sec-Fetch-Site", site)])
                #expect(answer.status == 200, "\(site) \(path)")
            }
        }
        await server.stop()
    }

    @Test("a page that may use the API says who it is; an answer is for our own pages where no other may")
    func configured() async throws {
        let policy = "Cross-Origin-Resource-Policy"
        let closed = try await TestServer.start()
        let kept = try await closed.upload("a.js", "1".utf8)
        #expect(try await closed.get("/v1/files/\(kept)").header(policy) == "same-origin")
        #expect(try await closed.get("/health").header(policy) == nil)
        await closed.stop()
        let origin = "https://app.example"
        let server = try await TestServer.start(["CORS_ORIGINS": origin])
        let site = ("Sec-Fetch-Site", "cross-site")
        #expect(try await server.get("/v1/files", headers: [site, ("Origin", origin)]).status == 200)
        #expect(try await server.get("/v1/files", headers: [site]).status == 403)
        let file = try await server.upload("a.js", "1".utf8)
        let answer = try await server.get("/v1/files/\(file)")
        #expect(answer.status == 200)
        #expect(answer.header(policy) == nil)
        await server.stop()
    }

    @Test("a server of this machine answers to its addresses, not to names that lead to them")
    func hosts() async throws {
        let server = try await TestServer.start()
        for (host, status) in [
            ("127.0.0.1", 200), ("127.0.0.2:\(server.port)", 200), ("192.0.2.7", 200), ("[2001:db8::7]:80", 200),
            ("127.0.0.1.evil.example", 421), ("2130706433", 421), ("0x7f.1", 421), ("[::1].evil", 421), ("::1", 421),
        ] {
            let connection = try await RawConnection(port: server.port)
            try await connection.send("GET /v1/files HTTP/1.1\r\nHost: \(host)\r\n\r\n")
            let answer = await connection.receiveAnswer()
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(host): \(answer)")
            await connection.close()
        }
        await server.stop()
    }
}
