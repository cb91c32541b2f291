import Hummingbird
import HummingbirdCore
import NIOCore
import Synchronization
import Testing

@testable import HTTPAPI

/// Clients that go away, dawdle or do not read.
@Suite struct ClientBehaviorTests {
    /// A route that works until it is cancelled, and what it announces.
    private struct Waiting: Sendable {
        let started = Signal()
        let cancelled = Signal()

        var route: Route {
            Route(.post, "/wait") { [started, cancelled] request in
                _ = try await request.body(upTo: 1000)
                try await request.connection.cancellingWhenClosed {
                    started.announce()
                    do {
                        try await Task.sleep(for: .seconds(60))
                    } catch {
                        cancelled.announce()
                        throw error
                    }
                }
                return .json(ByteBuffer(string: "1"))
            }
        }
    }

    private static let request = "POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"

    @Test("a client that closes its connection cancels its request") func closingCancels() async throws {
        let waiting = Waiting()
        try await TestServer.with([waiting.route]) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send(Self.request)
                #expect(await waiting.started.arrives())
            }
            #expect(await waiting.cancelled.arrives())
        }
    }

    @Test("a client that closes only its sending side counts as gone") func halfClosingCancels() async throws {
        let waiting = Waiting()
        try await TestServer.with([waiting.route]) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send(Self.request)
                #expect(await waiting.started.arrives())
                connection.closeOutput()
                #expect(await waiting.cancelled.arrives())
            }
        }
    }

    @Test("a connection serves on after a request that could have been cancelled") func connectionLivesOn() async throws
    {
        let route = Route(.get, "/quick") { request in
            let number = try await request.connection.cancellingWhenClosed { 7 }
            return .json(ByteBuffer(string: "\(number)"))
        }
        try await TestServer.with([route]) { port in
            try await RawConnection.with(port: port) { connection in
                for _ in 0..<3 {
                    try await connection.send("GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    #expect(try await connection.response()?.text == "7")
                }
            }
        }
    }

    @Test("a client that does not read is cut off, and its request ends") func cutsOffStalledReaders() async throws {
        let failed = Signal()
        let route = Route(.get, "/flood") { _ in
            Response(
                status: .ok,
                body: ResponseBody { writer in
                    let piece = ByteBuffer(repeating: UInt8(ascii: "a"), count: 256 * 1024)
                    do {
                        while true { try await writer.write(piece) }
                    } catch {
                        failed.announce()
                        throw error
                    }
                }
            )
        }
        var limits = ConnectionChannel.Limits()
        limits.connection.writeStall = .milliseconds(300)
        try await TestServer.with([route], limits: limits) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send("GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n")
                _ = try await connection.head()
                #expect(await failed.arrives())
            }
        }
    }

    @Test(
        "a connection without a request is closed after the idle time",
        arguments: ["", "GET /hello HTTP/1.1\r\nX-A:"]
    )
    func closesIdleConnections(_ beginning: String) async throws {
        var limits = ConnectionChannel.Limits()
        limits.idle = .milliseconds(200)
        try await TestServer.with([], limits: limits) { port in
            try await RawConnection.with(port: port) { connection in
                if !beginning.isEmpty { try await connection.send(beginning) }
                #expect(try await connection.remainder() == "")
            }
        }
    }

    @Test("headers that drip do not keep a connection open") func closesDrippingHeaders() async throws {
        var limits = ConnectionChannel.Limits()
        limits.idle = .milliseconds(300)
        try await TestServer.with([], limits: limits) { port in
            try await RawConnection.with(port: port) { connection in
                await #expect(throws: (any Error).self) {
                    try await connection.send("GET / HTTP/1.1\r\n")
                    while true {
                        try await connection.send("X-A: b\r\n")
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
            }
        }
    }

    @Test("a body that drips is cut off after its grace", .timeLimit(.minutes(1)))
    func closesDrippingBodies() async throws {
        var limits = ConnectionChannel.Limits()
        limits.connection.bodyGrace = .milliseconds(300)
        let waiting = Waiting()
        try await TestServer.with([waiting.route], limits: limits) { port in
            try await RawConnection.with(port: port) { connection in
                await #expect(throws: (any Error).self) {
                    try await connection.send("POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n")
                    while true {
                        try await connection.send("a")
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
            }
        }
    }

    @Test("a body that drips only towards its end is cut off as well", .timeLimit(.minutes(1)))
    func closesLateDrips() async throws {
        var limits = ConnectionChannel.Limits()
        limits.connection.bodyGrace = .milliseconds(300)
        let route = Route(.post, "/read") { request in
            _ = try await request.body(upTo: 10_000_000)
            return .json(ByteBuffer(string: "1"))
        }
        try await TestServer.with([route], limits: limits) { port in
            try await RawConnection.with(port: port) { connection in
                let head = "POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n"
                try await connection.send(head)
                try await connection.send([UInt8](repeating: 0x61, count: 1_000_000))
                do {
                    while true {
                        try await connection.send("a")
                        try await Task.sleep(for: .milliseconds(20))
                    }
                } catch {}  // the server hung up, as it should
                // An error where it was not the server but our deadline.
                _ = try await connection.remainder()
            }
        }
    }

    @Test("after an early answer the body is read on for a while, then cut off", .timeLimit(.minutes(1)))
    func drainsUnwantedBodies() async throws {
        var limits = ConnectionChannel.Limits()
        limits.connection.drainTime = .milliseconds(300)
        try await TestServer.with([], limits: limits) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send(
                    "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000\r\n\r\n"
                )
                #expect(try await connection.response()?.status == 404)
                let piece = [UInt8](repeating: 0x61, count: 1000)
                await #expect(throws: (any Error).self) {
                    while true {
                        try await connection.send(piece)
                        try await Task.sleep(for: .milliseconds(5))
                    }
                }
            }
        }
    }

    @Test("more connections than allowed wait for their turn") func limitsConnections() async throws {
        var configuration = TestServer.configuration()
        configuration.maxConnections = 2
        let route = Route(.get, "/hello") { _ in .json(ByteBuffer(string: "1")) }
        let request = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
        try await TestServer.with([route], configuration: configuration) { port in
            try await RawConnection.with(port: port) { third in
                try await RawConnection.with(port: port) { first in
                    try await first.send(request)
                    #expect(try await first.response()?.status == 200)
                }
                try await third.send(request)
                #expect(try await third.response()?.status == 200)
            }
        }
    }

    @Test("stopping lets a running request end and refuses new connections") func stopsGracefully() async throws {
        let started = Signal()
        let released = Signal()
        let route = Route(.get, "/slow") { _ in
            started.announce()
            _ = await released.arrives()
            return .json(ByteBuffer(string: "\"done\""))
        }
        let (ports, listening) = AsyncStream.makeStream(of: Int.self)
        let server = HTTPServer(
            configuration: TestServer.configuration(),
            routes: [route],
            requests: RequestMetrics(),
            logger: TestServer.quiet
        ) { listening.yield($0) }
        let serving = Task { try await server.run() }
        var iterator = ports.makeAsyncIterator()
        let port = try #require(await iterator.next())
        try await RawConnection.with(port: port) { connection in
            try await connection.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(await started.arrives())
            serving.cancel()
            await Self.refusesConnections(port: port)
            released.announce()
            #expect(try await connection.response()?.text == "\"done\"")
        }
        try await serving.value
    }

    @Test("a port that is taken is an error, at once") func failsOnTakenPort() async throws {
        try await TestServer.with([]) { port in
            var configuration = TestServer.configuration()
            configuration.port = port
            let second = HTTPServer(
                configuration: configuration,
                routes: [],
                requests: RequestMetrics(),
                logger: TestServer.quiet
            ) { _ in Issue.record("it listens") }
            await #expect(throws: (any Error).self) { try await second.run() }
        }
    }

    @Test("a server that is stopped before it listens ends") func stopsEarly() async throws {
        let server = HTTPServer(
            configuration: TestServer.configuration(),
            routes: [],
            requests: RequestMetrics(),
            logger: TestServer.quiet
        ) { _ in }
        let serving = Task { try await server.run() }
        serving.cancel()
        try await serving.value
    }

    /// Returns once a connection is refused; the test's deadline is the bound.
    private static func refusesConnections(port: Int) async {
        while true {
            do {
                try await RawConnection.with(port: port) { _ in }
                await Task.yield()
            } catch {
                return
            }
        }
    }
}
