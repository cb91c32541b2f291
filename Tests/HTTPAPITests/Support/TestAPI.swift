import Execution
import FoundationEssentials
import Logging
import NIOCore

@testable import HTTPAPI

/// The whole API over a fake backend and a real file store, on a real port.
struct TestAPI {
    let port: Int
    let backend: FakeBackend
    let files: FileStore
    let routes: [Route]

    struct Settings {
        var http = TestServer.configuration()
        var service = ExecutionService.Configuration()
        var contexts = ContextService.Configuration()
        var backend = FakeBackend.Behavior()
        var logger = TestServer.quiet
        var limits = ConnectionChannel.Limits()
        var pulse = StreamPulse()
    }

    /// Starts everything, runs `body`, stops everything and removes its files.
    @discardableResult
    static func with<Result: Sendable>(
        _ adjust: (inout Settings) -> Void = { _ in },
        _ body: (TestAPI) async throws -> Result
    ) async throws -> Result {
        var settings = Settings()
        settings.http.maxFileBytes = 3 << 20
        adjust(&settings)
        let directory = FileManager.default.temporaryDirectory.appending(path: "http-api-\(UUID().uuidString)")
        // It lies in the system's temporary directory; a failing removal harms nobody.
        defer { try? FileManager.default.removeItem(at: directory) }
        let files = try await FileStore(
            configuration: .init(directory: directory.path, maxFileBytes: settings.http.maxFileBytes, timeToLive: nil),
            logger: settings.logger
        )
        let backend = FakeBackend(settings.backend)
        let metrics = ExecutionMetrics()
        let service = ExecutionService(
            configuration: settings.service,
            backend: backend,
            files: files,
            metrics: metrics,
            logger: settings.logger
        )
        let contexts = ContextService(
            configuration: settings.contexts,
            executions: service,
            languages: [
                Language(name: "python", displayName: "Python"),
                Language(name: "javascript", displayName: "JavaScript"),
            ],
            logger: settings.logger
        )
        let (ports, listening) = AsyncStream.makeStream(of: Int.self)
        var server = HTTPServer(
            configuration: settings.http,
            service: service,
            contexts: contexts,
            files: files,
            metrics: metrics,
            pulse: settings.pulse,
            logger: settings.logger
        ) { listening.yield($0) }
        server.connectionLimits = settings.limits
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            group.addTask { try await contexts.run() }
            defer { group.cancelAll() }
            return try await TestServer.run(server, ports, listening) { port in
                try await body(TestAPI(port: port, backend: backend, files: files, routes: server.routes))
            }
        }
    }

    /// One request on a connection of its own.
    func request(
        _ method: String,
        _ path: String,
        headers: [String] = [],
        body: [UInt8]? = nil
    ) async throws -> RawResponse {
        try await RawConnection.with(port: port) { connection in
            try await connection.send(Self.request(method, path, headers: headers, body: body))
            guard let response = try await connection.response(toHead: method == "HEAD") else {
                throw RawConnection.UnexpectedEnd(received: "")
            }
            return response
        }
    }

    /// POST with a JSON body.
    func post(_ path: String, _ json: String) async throws -> RawResponse {
        try await request("POST", path, headers: ["Content-Type: application/json"], body: Array(json.utf8))
    }

    static func request(_ method: String, _ path: String, headers: [String] = [], body: [UInt8]? = nil) -> [UInt8] {
        var lines = ["\(method) \(path) HTTP/1.1"]
        if !headers.contains(where: { $0.hasPrefix("Host:") }) { lines.append("Host: localhost") }
        if let body { lines.append("Content-Length: \(body.count)") }
        return Array(((lines + headers).joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? [])
    }

    /// The body of an upload, and its header.
    static func multipart(_ parts: [(headers: String, content: [UInt8])]) -> (header: String, body: [UInt8]) {
        var body: [UInt8] = []
        for part in parts {
            body += Array("--XbX\r\n\(part.headers)\r\n\r\n".utf8) + part.content + Array("\r\n".utf8)
        }
        return ("Content-Type: multipart/form-data; boundary=XbX", body + Array("--XbX--\r\n".utf8))
    }

    /// Uploads a file and gives the answer.
    func upload(_ filename: String, _ content: [UInt8]) async throws -> RawResponse {
        let form = Self.multipart([("Content-Disposition: form-data; name=\"file\"; filename=\"\(filename)\"", content)]
        )
        return try await request("POST", "/v1/files", headers: [form.header], body: form.body)
    }
}

extension RawResponse {
    /// The value of a string field of a JSON body, found by its text.
    func field(_ name: String) -> String? {
        let parts = text.split(separator: "\"\(name)\":\"", maxSplits: 1)
        return parts.count == 2 ? parts[1].split(separator: "\"", maxSplits: 1).first.map(String.init) : nil
    }
}
