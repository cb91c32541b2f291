import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import Synchronization

@testable import HTTPAPI

/// A real server on a port of the system's choice, for the length of a scope.
enum TestServer {
    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    static func configuration() -> HTTPAPIConfiguration {
        HTTPAPIConfiguration(host: "127.0.0.1", port: 0, version: "1.2.3")
    }

    /// Serves `routes` while `body` runs, then stops and waits for the end.
    @discardableResult
    static func with<Result: Sendable>(
        _ routes: [Route],
        configuration: HTTPAPIConfiguration = configuration(),
        limits: ConnectionChannel.Limits = ConnectionChannel.Limits(),
        logger: Logger = quiet,
        _ body: (_ port: Int) async throws -> Result
    ) async throws -> Result {
        let (ports, listening) = AsyncStream.makeStream(of: Int.self)
        var server = HTTPServer(
            configuration: configuration,
            routes: routes,
            requests: RequestMetrics(),
            logger: logger
        ) { listening.yield($0) }
        server.connectionLimits = limits
        return try await run(server, ports, listening, body)
    }

    /// Runs `server` while `body` runs. `ports` gives its port once it listens.
    @discardableResult
    static func run<Result: Sendable>(
        _ server: HTTPServer,
        _ ports: AsyncStream<Int>,
        _ listening: AsyncStream<Int>.Continuation,
        _ body: (_ port: Int) async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { listening.finish() }
                try await server.run()
            }
            var iterator = ports.makeAsyncIterator()
            guard let port = await iterator.next() else {
                try await group.next()
                throw NeverListened()
            }
            do {
                let result = try await body(port)
                group.cancelAll()
                try await group.waitForAll()
                return result
            } catch {
                group.cancelAll()
                throw error
            }
        }
    }

    struct NeverListened: Error {}
}

/// An event that one side announces and the other waits for.
final class Signal: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func announce() { continuation.yield() }

    /// False when it did not come in time.
    func arrives(within limit: Duration = .seconds(10)) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask { [stream] in
                for await _ in stream { return true }
                return false
            }
            group.addTask {
                // Cancelled when the event came first.
                try? await Task.sleep(for: limit)
                return false
            }
            let first = await group.next() ?? false
            group.cancelAll()
            return first
        }
    }
}
