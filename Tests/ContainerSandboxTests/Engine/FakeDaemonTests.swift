import Logging
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import ContainerSandbox

/// Answers every connection on a unix socket with the same bytes, once something was asked.
struct FakeDaemon {
    /// Runs `body` with a client of a daemon that answers `answer`, and goes on without end where `isEndless`.
    static func run(
        _ answer: String,
        isEndless: Bool = false,
        timeouts: EngineTimeouts = EngineTimeouts(),
        _ body: @Sendable (DockerEngine) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder("fake")
        defer { folder.remove() }
        let path = "\(folder.path)/docker.sock"
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Replier(answer: answer, isEndless: isEndless))
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

    private final class Replier: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        let answer: String
        let isEndless: Bool

        init(answer: String, isEndless: Bool) {
            self.answer = answer
            self.isEndless = isEndless
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
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
            await #expect(throws: EngineError.self) { try await engine.ping() }
        }
    }

    @Test("a body without end is given up")
    func endless() async throws {
        try await FakeDaemon.run("HTTP/1.1 200 OK\r\n\r\n", isEndless: true) { engine in
            let error = await #expect(throws: EngineError.self) { _ = try await engine.version() }
            guard case .garbled = error else { return #expect(Bool(false), "\(String(describing: error))") }
        }
    }

    @Test("one that does not answer is given up after the time that is set")
    func silent() async throws {
        var timeouts = EngineTimeouts()
        timeouts.query = .milliseconds(200)
        try await FakeDaemon.run("", timeouts: timeouts) { engine in
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
            let error = await #expect(throws: EngineError.self) { try await engine.ping() }
            #expect(error == .refused(status: 503, message: "it is broken"))
        }
    }
}
