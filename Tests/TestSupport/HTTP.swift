import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// What a server answered, read to its end.
package struct HTTPAnswer: Sendable {
    package var status: Int
    var fields: HTTPHeaders
    package var body: [UInt8]

    package var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON.
    ///
    /// - Throws: ``JSON/Malformed``.
    package var json: JSON {
        get throws { try JSON(parsing: body) }
    }

    /// The `detail` of an error, `.null` where the body has none.
    package var detail: JSON {
        get throws { try json["detail"] ?? .null }
    }

    /// The first header of that name.
    package func header(_ name: String) -> String? { fields.first(name: name) }

    /// Every header of that name.
    package func headers(_ name: String) -> [String] { fields[name] }
}

/// An answer whose head is there and whose body may still be coming.
package struct HTTPStream: Sendable {
    let response: HTTPClientResponse

    package var status: Int { Int(response.status.code) }

    /// The first header of that name.
    package func header(_ name: String) -> String? { response.headers.first(name: name) }

    /// Reads to the end.
    package func answer() async throws -> HTTPAnswer {
        var bytes: [UInt8] = []
        for try await chunk in response.body { bytes += chunk.readableBytesView }
        return HTTPAnswer(status: status, fields: response.headers, body: bytes)
    }
}

/// One HTTP client for all tests: it follows no redirect and changes nothing in what was asked.
package enum HTTP {
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow, decompression: .disabled)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
        // A connection that waits in the pool would look like a leak of the server.
        configuration.connectionPool.idleTimeout = .seconds(1)
        configuration.httpVersion = .http1Only
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// Sends a request and reads the whole answer.
    package static func send(
        _ method: String,
        _ url: String,
        headers: [(String, String)] = [],
        body: [UInt8]? = nil,
        deadline: Duration = .seconds(90)
    ) async throws -> HTTPAnswer {
        try await open(method, url, headers: headers, body: body, deadline: deadline).answer()
    }

    /// Sends a request and returns as soon as the head of the answer is there.
    package static func open(
        _ method: String,
        _ url: String,
        headers: [(String, String)] = [],
        body: [UInt8]? = nil,
        deadline: Duration = .seconds(90)
    ) async throws -> HTTPStream {
        var request = HTTPClientRequest(url: url)
        request.method = HTTPMethod(rawValue: method)
        request.headers = HTTPHeaders(headers)
        if let body { request.body = .bytes(body) }
        let response = try await client.execute(request, timeout: .nanoseconds(deadline.nanoseconds))
        return HTTPStream(response: response)
    }
}

extension Duration {
    package var nanoseconds: Int64 {
        components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
    }

    package var seconds: Double { Double(nanoseconds) / 1e9 }
}
