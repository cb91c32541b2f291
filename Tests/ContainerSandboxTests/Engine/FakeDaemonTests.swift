import Logging
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import ContainerSandbox

/// Answers on a unix socket with the same bytes whatever is asked, but for the version where `knowsVersion`.
struct FakeDaemon {
    /// Runs `body` with a client of a daemon that answers `answer`, and goes on without end where `isEndless`.
    static func run(
        _ answer: String,
        isEndless: Bool = false,
        knowsVersion: Bool = false,
        timeouts: EngineTimeouts = EngineTimeouts(),
        _ body: @Sendable (DockerEngine) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder("fake")
        defer { folder.remove() }
        let path = "\(folder.path)/docker.sock"
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Replier(answer: answer, isEndless: isEndless, knowsVersion: knowsVersion)
                    )
                }
            }
            .bind(unixDomainSocketPath: path).get()
        do {
            try await withEngine(DockerEndpoint(address: .unix(path: path)), timeouts: timeouts, body)
        } catch {
            try await server.close()
            throw error
        }
        try await server.close()
    }

    static func withEngine(
        _ endpoint: DockerEndpoint,
        timeouts: EngineTimeouts = EngineTimeouts(),
        _ body: @Sendable (DockerEngine) async throws -> Void
    ) async throws {
        let engine = DockerEngine(
            endpoint: endpoint,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            timeouts: timeouts
        )
        do {
            try await body(engine)
        } catch {
            await engine.shutdown()
            throw error
        }
        await engine.shutdown()
    }

    static func json(_ body: String) -> String {
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    /// Not sent: the connection is closed.
    static let hangUp = "hang up"

    private final class Replier: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        let answer: String
        let isEndless: Bool
        let knowsVersion: Bool

        init(answer: String, isEndless: Bool, knowsVersion: Bool) {
            self.answer = answer
            self.isEndless = isEndless
            self.knowsVersion = knowsVersion
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let isVersion = knowsVersion && String(buffer: unwrapInboundIn(data)).hasPrefix("GET /version")
            let text = isVersion ? FakeDaemon.json(#"{"Version":"1","ApiVersion":"1.41"}"#) : answer
            if text == FakeDaemon.hangUp { return context.close(promise: nil) }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
            if isEndless { more(context) }
        }

        private func more(_ context: ChannelHandlerContext) {
            let bytes = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1 << 20)
            let next = context.writeAndFlush(wrapOutboundOut(bytes))
            next.assumeIsolated().whenSuccess { self.more(context) }
        }
    }
}

@Suite("Daemons that are not as they should be", .timeLimit(.minutes(2)))
struct FakeDaemonTests {
    @Test("one that is too old is refused, with what is needed")
    func tooOld() async throws {
        let old = FakeDaemon.json(#"{"Version":"19.03.15","ApiVersion":"1.40","MinAPIVersion":"1.12"}"#)
        try await FakeDaemon.run(old) { engine in
            for call in [
                { _ = try await engine.version() }, { _ = try await engine.list(labels: [:]) },
            ] as [@Sendable () async throws -> Void] {
                let error = await #expect(throws: EngineError.self) { try await call() }
                guard case .unsupported(let message) = error else {
                    return #expect(Bool(false), "\(String(describing: error))")
                }
                #expect(message.contains("19.03.15") && message.contains("1.40") && message.contains("1.41"))
            }
        }
    }

    @Test(
        "what is spoken is what both sides know",
        arguments: [
            ("1.41", "1.12", "1.41"), ("1.43", "1.12", "1.43"), ("1.51", "1.24", "1.43"), ("1.52", "1.44", "1.44"),
        ]
    )
    func negotiation(newest: String, oldest: String, expected: String) async throws {
        let body = #"{"Version":"1","ApiVersion":"\#(newest)","MinAPIVersion":"\#(oldest)"}"#
        try await FakeDaemon.run(FakeDaemon.json(body)) { engine in
            let now = try await engine.version()
            #expect(now.apiVersion.description == expected)
        }
    }

    @Test(
        "answers that make no sense are garbled",
        arguments: [
            "{}", "[]", "{", "null", #"{"Version":1,"ApiVersion":"1.41"}"#, #"{"Version":"1","ApiVersion":"x"}"#,
        ]
    )
    func garbled(body: String) async throws {
        try await FakeDaemon.run(FakeDaemon.json(body)) { engine in
            let error = await #expect(throws: EngineError.self) { _ = try await engine.version() }
            guard case .garbled = error else { return #expect(Bool(false), "\(String(describing: error))") }
        }
    }

    @Test("what is no HTTP is an error")
    func noHTTP() async throws {
        try await FakeDaemon.run("SSH-2.0-OpenSSH_9.2\r\n") { engine in
            await #expect(throws: EngineError.self) { try await engine.ping(within: .seconds(10)) }
        }
    }

    @Test("a body without end is given up")
    func endless() async throws {
        try await FakeDaemon.run("HTTP/1.1 200 OK\r\n\r\n", isEndless: true) { engine in
            let error = await #expect(throws: EngineError.self) { _ = try await engine.version() }
            // Whichever comes first on a busy machine: the limit of size, or that of time.
            switch error {
            case .garbled, .unreachable: break
            default: Issue.record("\(String(describing: error))")
            }
        }
    }

    @Test(
        "one that does not answer, or not to the end, is given up after the time that is set",
        arguments: ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"]
    )
    func silent(answer: String) async throws {
        var timeouts = EngineTimeouts()
        timeouts.query = .milliseconds(200)
        try await FakeDaemon.run(answer, timeouts: timeouts) { engine in
            let error = await #expect(throws: EngineError.self) { _ = try await engine.version() }
            guard case .unreachable(let message) = error else {
                return #expect(Bool(false), "\(String(describing: error))")
            }
            #expect(message.contains("no answer"), "\(message)")
        }
    }

    @Test("the message of a daemon is what people see, as one line")
    func message() async throws {
        let body = #"{"message":"it is\nbroken"}"#
        let answer = "HTTP/1.1 503 No\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        try await FakeDaemon.run(answer) { engine in
            let error = await #expect(throws: EngineError.self) { try await engine.ping(within: .seconds(10)) }
            #expect(error == .refused(status: 503, message: "it is broken"))
        }
    }

    @Test("one that does not answer holds up no call that is cancelled")
    func cancelled() async throws {
        try await FakeDaemon.run("", knowsVersion: true) { engine in
            _ = try await engine.version()
            for call in [
                { _ = try await engine.list(labels: [:]) }, { try await engine.pull("image") { _ in } },
                { _ = try await ContainerStreams().attach(engine, "abc") },
            ] as [@Sendable () async throws -> Void] {
                let error = await #expect(throws: EngineError.self) {
                    try await withDeadline(.seconds(10), "the call") {
                        let task = Task { try await call() }
                        // Whether it is cancelled before or after it was sent, it ends.
                        try await Task.sleep(for: .milliseconds(50))
                        task.cancel()
                        try await task.value
                    }
                }
                guard case .unreachable(let message) = error else {
                    return #expect(Bool(false), "\(String(describing: error))")
                }
                #expect(message.contains("cancelled"), "\(message)")
            }
        }
    }

    @Test(
        "an attach that gets no stream is an error",
        arguments: [
            ("", "no answer"), (FakeDaemon.hangUp, "closed"),
            ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "no reason"),
            ("SMTP\r\n\r\n", "no HTTP"),
        ]
    )
    func noStream(answer: String, part: String) async throws {
        var timeouts = EngineTimeouts()
        timeouts.change = .milliseconds(300)
        try await FakeDaemon.run(answer, knowsVersion: true, timeouts: timeouts) { engine in
            let streams = ContainerStreams()
            let error = await #expect(throws: EngineError.self) { _ = try await streams.attach(engine, "abc") }
            #expect(error?.description.contains(part) == true, "\(String(describing: error))")
            #expect(streams.closings == [])
        }
    }

    @Test("a stream that is none ends with an error, after what came before")
    func brokenStream() async throws {
        let frame = "\u{1}\0\0\0\0\0\0\u{2}ok"
        let answer = "HTTP/1.1 101 UPGRADED\r\n\r\n\(frame)not a frame"
        try await FakeDaemon.run(answer, knowsVersion: true) { engine in
            let streams = ContainerStreams()
            let stream = try await streams.attach(engine, "abc")
            #expect(await streams.closed())
            #expect(streams.output == "ok" && streams.closings.count == 1)
            #expect(streams.closings.first?.contains("no header") == true, "\(streams.closings)")
            stream.write(ByteBuffer(string: "dropped"))
            #expect(stream.unsentBytes == 0)
        }
    }
}
