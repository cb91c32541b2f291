import AsyncHTTPClient
import Glibc
import JSON
import NIOCore
import NIOHTTP1
import NIOPosix

/// A request to a daemon.
struct EngineRequest: Sendable {
    var method: HTTPMethod
    /// From the version on: "/containers/json".
    var path: String
    var query: [(name: String, value: String)] = []
    var body: ByteBuffer?
    var timeout: Duration

    /// As it stands in a request: with a `version` before it and the query after it.
    func target(version: APIVersion?) -> String {
        let prefix = version.map { "/v\($0)" } ?? ""
        let pairs = query.map { "\(Self.escape($0.name))=\(Self.escape($0.value))" }
        return prefix + path + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
    }

    /// Percent-encodes all but what means nothing anywhere in a URL, and `also`.
    static func escape(_ text: String, except also: String = "") -> String {
        var escaped = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            let isPlain =
                byte < 0x80
                && (scalar.properties.isAlphabetic || (0x30...0x39).contains(byte)
                    || ("-._~" + also).unicodeScalars.contains(scalar))
            if isPlain {
                escaped.unicodeScalars.append(scalar)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                escaped += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return escaped
    }
}

/// What a daemon answered, read to its end.
struct EngineAnswer: Sendable {
    var status: Int
    var body: ByteBuffer

    /// The body as JSON.
    var json: JSONValue {
        get throws(EngineError) {
            do {
                return try JSONParser.parse(body)
            } catch {
                throw .garbled("a body that is no JSON")
            }
        }
    }
}

/// Carries requests to a daemon and answers back, over connections that are kept.
final class EngineTransport: Sendable {
    /// Most bytes of an answer that is read as a whole.
    static let maximumBody = 16 << 20
    /// Daemons want a Host header and do not look at it.
    static let host = "docker"

    let endpoint: DockerEndpoint
    let timeouts: EngineTimeouts
    private let client: HTTPClient
    private let base: String

    init(endpoint: DockerEndpoint, group: MultiThreadedEventLoopGroup, timeouts: EngineTimeouts) {
        self.endpoint = endpoint
        self.timeouts = timeouts
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow, decompression: .disabled)
        configuration.timeout.connect = .engine(timeouts.connect)
        configuration.connectionPool.idleTimeout = .seconds(60)
        // Without it a daemon that is gone is tried until the deadline instead of being reported.
        configuration.connectionPool.retryConnectionEstablishment = false
        // A new connection costs a tenth of a millisecond; one that is kept is a descriptor here and there.
        configuration.connectionPool.idleTimeout = .seconds(5)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.httpVersion = .http1Only
        client = HTTPClient(eventLoopGroup: group, configuration: configuration)
        switch endpoint.address {
        case .unix(let path): base = "http+unix://\(EngineRequest.escape(path))"
        case .tcp(let host, let port): base = host.contains(":") ? "http://[\(host)]:\(port)" : "http://\(host):\(port)"
        }
    }

    func shutdown() async {
        // Shut down already is what was wanted.
        try? await client.shutdown()
    }

    /// Sends a request and reads the whole answer.
    func send(_ request: EngineRequest, version: APIVersion?) async throws(EngineError) -> EngineAnswer {
        do {
            let deadline = NIODeadline.now() + .engine(request.timeout)
            let response = try await execute(request, version: version, deadline: deadline)
            return try await Self.whole(response, before: deadline)
        } catch {
            throw explained(error, timeout: request.timeout)
        }
    }

    /// Sends a request and gives the body as it comes to `consume`; what that throws ends the stream.
    ///
    /// - Throws: an answer that is an error, too.
    func stream(
        _ request: EngineRequest,
        version: APIVersion?,
        onHead: @Sendable () -> Void,
        consume: (ByteBuffer) throws(EngineError) -> Void
    ) async throws(EngineError) {
        do {
            let response = try await execute(request, version: version, deadline: .distantFuture)
            guard (200..<300).contains(response.status.code) else {
                throw Self.failure(try await Self.whole(response, before: .now() + .engine(request.timeout)))
            }
            onHead()
            for try await piece in response.body { try consume(piece) }
        } catch {
            throw explained(error, timeout: request.timeout)
        }
        // The body of a cancelled request may simply end.
        if Task.isCancelled { throw .unreachable("the call was cancelled") }
    }

    /// What an answer that is no success says.
    static func failure(_ answer: EngineAnswer) -> EngineError {
        let text = (try? answer.json)?["message"]?.text ?? String(buffer: answer.body)
        let message = EngineError.legible(text.isEmpty ? "no reason was given" : text)
        return answer.status == 404 ? .notFound(message) : .refused(status: answer.status, message: message)
    }

    private func execute(
        _ request: EngineRequest,
        version: APIVersion?,
        deadline: NIODeadline
    ) async throws -> HTTPClientResponse {
        var message = HTTPClientRequest(url: base + request.target(version: version))
        message.method = request.method
        // For a unix socket AsyncHTTPClient sends none, and Go's server then answers 400.
        message.headers.add(name: "Host", value: Self.host)
        if let body = request.body {
            message.headers.add(name: "Content-Type", value: "application/json")
            message.body = .bytes(body)
        }
        do {
            return try await client.execute(message, deadline: deadline)
        } catch let error as HTTPClientError where error == .remoteConnectionClosed && request.isRepeatable {
            // A kept connection whose other end had just closed: the daemon was restarted.
            return try await client.execute(message, deadline: deadline)
        }
    }

    /// Reads a body to its end. AsyncHTTPClient's own deadline ends with the head.
    private static func whole(_ response: HTTPClientResponse, before deadline: NIODeadline) async throws -> EngineAnswer
    {
        try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
            group.addTask { try await response.body.collect(upTo: maximumBody) }
            group.addTask {
                try await Task.sleep(for: .nanoseconds((deadline - .now()).nanoseconds))
                throw HTTPClientError.deadlineExceeded
            }
            defer { group.cancelAll() }
            return EngineAnswer(status: Int(response.status.code), body: try await group.next() ?? ByteBuffer())
        }
    }

    private func explained(_ error: any Error, timeout: Duration) -> EngineError {
        if let error = error as? EngineError { return error }
        if error is CancellationError { return .unreachable("the call was cancelled") }
        if error is NIOTooManyBytesError { return .garbled("a body of more than \(Self.maximumBody) bytes") }
        if let error = error as? HTTPParserError {
            if error == .invalidEOFState { return .unreachable("\(endpoint): it closed the connection") }
            return .garbled("no HTTP: \(error)")
        }
        guard let error = error as? HTTPClientError else { return Self.unreachable(endpoint, error) }
        switch error {
        case .cancelled: return .unreachable("the call was cancelled")
        case .deadlineExceeded, .readTimeout, .requestStreamCancelled:
            return .unreachable("\(endpoint): no answer within \(timeout)")
        case .remoteConnectionClosed: return .unreachable("\(endpoint): it closed the connection")
        default: return .unreachable("\(endpoint): \(error.shortDescription)")
        }
    }

    /// What a connection that could not be made means, with a cure where one is known.
    static func unreachable(_ endpoint: DockerEndpoint, _ error: any Error) -> EngineError {
        let number = (error as? IOError)?.errnoCode
        let reason: String
        switch number {
        case ENOENT: reason = "there is no such socket. Is the daemon running? DOCKER_HOST says where it listens"
        case ECONNREFUSED: reason = "nobody listens there. Is the daemon running?"
        case EACCES: reason = "this user may not use the socket. Run the server as a member of its group (docker)"
        default: reason = EngineError.legible("\(error)")
        }
        return .unreachable("\(endpoint): \(reason)")
    }
}

extension EngineRequest {
    /// Whether doing it twice is as good as once.
    var isRepeatable: Bool { method == .GET || method == .DELETE }
}

extension TimeAmount {
    static func engine(_ duration: Duration) -> TimeAmount {
        let (seconds, attoseconds) = duration.components
        return .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
