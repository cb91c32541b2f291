package import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

extension DockerEngine {
    /// Connects to the standard streams of a container, best before it is started.
    ///
    /// The callbacks are called on the event loop of the connection, in the order of what came, and may be before this returns. `onClosed` is
    /// called once, last, unless this throws: with nil at the container's end or after ``EngineStream/close()``.
    ///
    /// - Throws: ``EngineError/notFound(_:)`` when there is no such container.
    package func attach(
        _ id: String,
        onOutput: @escaping @Sendable (ByteBuffer) -> Void,
        onError: @escaping @Sendable (ByteBuffer) -> Void,
        onClosed: @escaping @Sendable ((any Error)?) -> Void
    ) async throws(EngineError) -> EngineStream {
        let version = try await spokenVersion()
        var request = change(.POST, "/containers/\(Self.name(id))/attach")
        request.query = [("stream", "1"), ("stdin", "1"), ("stdout", "1"), ("stderr", "1")]
        let target = request.target(version: version)
        let callbacks = AttachmentCallbacks(onOutput: onOutput, onError: onError, onClosed: onClosed)
        return try await forgettingVersion { () async throws(EngineError) in
            try await attachments.open(target, endpoint: endpoint, timeouts: transport.timeouts, callbacks: callbacks)
        }
    }
}

struct AttachmentCallbacks: Sendable {
    var onOutput: @Sendable (ByteBuffer) -> Void
    var onError: @Sendable (ByteBuffer) -> Void
    var onClosed: @Sendable ((any Error)?) -> Void
}

/// Every connection to a container's streams that stands.
final class Attachments: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    init(group: MultiThreadedEventLoopGroup) { self.group = group }

    /// Connects, sends the request and waits for the stream.
    func open(
        _ target: String,
        endpoint: DockerEndpoint,
        timeouts: EngineTimeouts,
        callbacks: AttachmentCallbacks
    ) async throws(EngineError) -> EngineStream {
        let channel: any Channel
        do {
            channel = try await connect(to: endpoint, within: timeouts.connect)
        } catch {
            throw EngineTransport.unreachable(endpoint, error)
        }
        remember(channel)
        let answered = channel.eventLoop.makePromise(of: EngineStream.self)
        let deadline = channel.eventLoop.scheduleTask(in: .engine(timeouts.change)) {
            answered.fail(EngineError.unreachable("\(endpoint): no answer within \(timeouts.change)"))
            channel.close(promise: nil)
        }
        answered.futureResult.whenComplete { _ in deadline.cancel() }
        do {
            return try await withTaskCancellationHandler {
                channel.eventLoop.execute { Self.ask(target, on: channel, answered: answered, callbacks: callbacks) }
                return try await answered.futureResult.get()
            } onCancel: {
                answered.fail(EngineError.unreachable("the call was cancelled"))
                channel.close(promise: nil)
            }
        } catch {
            throw error as? EngineError ?? EngineTransport.unreachable(endpoint, error)
        }
    }

    /// Sends the request, on the channel's event loop.
    private static func ask(
        _ target: String,
        on channel: any Channel,
        answered: EventLoopPromise<EngineStream>,
        callbacks: AttachmentCallbacks
    ) {
        let handler = AttachmentHandler(
            stream: EngineStream(channel: channel),
            answered: answered,
            callbacks: callbacks
        )
        do {
            // Added now and not at the beginning: of several addresses that are tried, one gives the channel.
            try channel.pipeline.syncOperations.addHandler(handler)
        } catch {
            return answered.fail(error)
        }
        guard channel.isActive else { return answered.fail(ChannelError.ioOnClosedChannel) }
        let head = "POST \(target) HTTP/1.1\r\nHost: \(EngineTransport.host)\r\nConnection: Upgrade\r\n"
        let rest = "Upgrade: tcp\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
        channel.writeAndFlush(ByteBuffer(string: head + rest), promise: nil)
    }

    /// Ends every connection.
    func closeAll() async {
        for channel in channels.withLock({ Array($0.values) }) {
            // Closed already is what was wanted.
            try? await channel.close().get()
        }
    }

    private func remember(_ channel: any Channel) {
        let key = ObjectIdentifier(channel)
        channels.withLock { $0[key] = channel }
        channel.closeFuture.whenComplete { _ in self.channels.withLock { $0[key] = nil } }
    }

    private func connect(to endpoint: DockerEndpoint, within limit: Duration) async throws -> any Channel {
        let bootstrap = ClientBootstrap(group: group).connectTimeout(.engine(limit))
        switch endpoint.address {
        case .unix(let path):
            return try await bootstrap.connect(unixDomainSocketPath: path).get()
        case .tcp(let host, let port):
            return try await bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1).connect(host: host, port: port)
                .get()
        }
    }
}
