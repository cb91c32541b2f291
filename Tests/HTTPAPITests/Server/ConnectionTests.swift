import Hummingbird
import HummingbirdCore
import NIOCore
import Synchronization
import Testing

@testable import HTTPAPI

/// What happens on the wire, below the routes.
@Suite struct ConnectionTests {
    private static let echo = Route(.post, "/echo") { request in
        let body = try await request.body(upTo: 100_000)
        return .json(ByteBuffer(string: "\"\(String(buffer: body))\""))
    }
    private static let hello = Route(.get, "/hello") { _ in .json(ByteBuffer(string: "1")) }

    @Test(
        "requests whose end is ambiguous are refused, and the connection is closed",
        arguments: [
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3, 3\r\n\r\nabc",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\nabc",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x3\r\n\r\nabc",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3 3\r\n\r\nabc",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length : 3\r\n\r\nabc",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3x\r\nabc\r\n0\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\n folded\r\nContent-Length: 3\r\n\r\nabc",
            "POST /echo HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc",
            "POST /echo HTTP/1.1\r\nHost: localhost\nContent-Length: 3\r\n\r\nabc",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nX\0A: 1\r\nContent-Length: 3\r\n\r\nabc",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nX-A: a\0b\r\nContent-Length: 3\r\n\r\nabc",
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nX-A: a\rContent-Length: 3\r\n\r\nabc",
            "POST /echo HTTP/9.9\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
            "GARBAGE\r\n\r\n",
        ]
    )
    func refusesAmbiguousRequests(_ request: String) async throws {
        try await TestServer.with([Self.echo, Self.hello]) { port in
            try await RawConnection.with(port: port) { connection in
                // What a smuggler wants answered as a second request.
                try await connection.send(request + "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
                let answer = try await connection.remainder()
                #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400 "), "\(answer)")
                #expect(!answer.contains("200 OK"), "\(answer)")
            }
        }
    }

    @Test("requests sent at once are answered in their order on one connection")
    func answersPipelinedRequests() async throws {
        try await TestServer.with([Self.echo, Self.hello]) { port in
            try await RawConnection.with(port: port) { connection in
                let post = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n"
                try await connection.send(post + "a" + "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n" + post + "b")
                #expect(try await connection.response()?.text == "\"a\"")
                #expect(try await connection.response()?.text == "1")
                #expect(try await connection.response()?.text == "\"b\"")
            }
        }
    }

    @Test(
        "a client that wants the connection closed is told so, and it is closed",
        arguments: [
            "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: Close\r\n\r\n",
            "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, close\r\n\r\n",
            "GET /hello HTTP/1.0\r\n\r\n", "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        ]
    )
    func closesOnRequest(_ request: String) async throws {
        try await TestServer.with([Self.hello]) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send(request)
                let answer = try await connection.remainder()
                #expect(answer.hasPrefix(request.contains("HTTP/1.0") ? "HTTP/1.0 200 OK\r\n" : "HTTP/1.1 200 OK\r\n"))
                #expect(answer.lowercased().contains("\r\nconnection: close\r\n"))
                #expect(answer.hasSuffix("\r\n\r\n1"))
            }
        }
    }

    @Test("an answer of unknown length has chunks, but none for HTTP/1.0") func framesStreams() async throws {
        let route = Route(.get, "/stream") { _ in
            Response(
                status: .ok,
                body: ResponseBody { writer in
                    try await writer.write(ByteBuffer(string: "one"))
                    try await writer.write(ByteBuffer(string: "two"))
                    try await writer.finish(nil)
                }
            )
        }
        try await TestServer.with([route]) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
                #expect(try await connection.response()?.text == "onetwo")
            }
            try await RawConnection.with(port: port) { connection in
                try await connection.send("GET /stream HTTP/1.0\r\n\r\n")
                #expect(try await connection.remainder().hasSuffix("\r\n\r\nonetwo"))
            }
        }
    }

    @Test("an answer to HEAD has no body, whatever its length header says") func answersHeadWithoutBody() async throws {
        try await TestServer.with([Self.hello]) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send("HEAD /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
                try await connection.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
                let first = try await connection.response(toHead: true)
                #expect(first?.status == 404)
                #expect(first?["content-length"] == "22")
                #expect(try await connection.response()?.text == "1")
            }
        }
    }

    @Test("bodies share a budget, and what one request held is free after its answer") func sharesBodyBudget() {
        let budget = BodyBudget(bytes: 10)
        let (one, other) = (budget.lease(), budget.lease())
        #expect(one.grow(by: 6))
        #expect(!other.grow(by: 5))
        #expect(other.grow(by: 4))
        one.end()
        one.end()
        #expect(other.grow(by: 6))
        #expect(!one.grow(by: 1))
    }

    @Test("a body in chunks is put together")
    func readsChunkedBodies() async throws {
        try await TestServer.with([Self.echo]) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send(
                    "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                try await connection.send("3\r\nabc\r\n")
                try await connection.send("2;x=y\r\nde\r\n0\r\n\r\n")
                #expect(try await connection.response()?.text == "\"abcde\"")
            }
        }
    }

    @Test("a body above the limit is refused, whether its length is announced or not")
    func limitsBodies() async throws {
        try await TestServer.with([Self.echo]) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100001\r\n\r\n")
                let response = try await connection.response()
                #expect(response?.status == 413)
                #expect(response?.text == #"{"detail":"Request body exceeds maximum of 0 MB"}"#)
            }
            try await RawConnection.with(port: port) { connection in
                try await connection.send(
                    "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                try await connection.send("186A1\r\n" + String(repeating: "a", count: 100_001) + "\r\n0\r\n\r\n")
                #expect(try await connection.response()?.status == 413)
            }
        }
    }

    @Test("a client that waits for leave to send its body gets it")
    func answersExpectContinue() async throws {
        try await TestServer.with([Self.echo]) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send(
                    "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
                )
                #expect(try await connection.response()?.status == 100)
                try await connection.send("a")
                #expect(try await connection.response()?.text == "\"a\"")
            }
        }
    }

    @Test(
        "headers beyond the limits are refused",
        arguments: [
            "X-Long: " + String(repeating: "a", count: 40_000) + "\r\n",
            String(repeating: "X-Many: a\r\n", count: 200),
        ]
    )
    func limitsHeaders(_ headers: String) async throws {
        try await TestServer.with([Self.hello]) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\(headers)\r\n")
                let answer = try await connection.remainder()
                #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400 "), "\(answer)")
            }
        }
    }

    @Test("an endless request line is not collected")
    func limitsRequestLine() async throws {
        try await TestServer.with([Self.hello]) { port in
            try await RawConnection.with(port: port) { connection in
                let piece = String(repeating: "a", count: 100_000)
                do {
                    try await connection.send("GET /")
                    for _ in 0..<100 { try await connection.send(piece) }
                    try await connection.send(" HTTP/1.1\r\nHost: localhost\r\n\r\n")
                } catch {}  // the server hung up in the middle, as it should
                let answer = try await connection.remainder()
                #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400 "), "\(answer.prefix(200))")
            }
        }
    }
}
