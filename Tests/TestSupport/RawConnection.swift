import NIOCore
import NIOPosix
import Synchronization

/// A TCP connection that sends exactly the bytes it is told to: for malformed, slow and broken clients.
package final class RawConnection: Sendable {
    private let channel: any Channel
    private let received: Received

    /// Connects to a port of 127.0.0.1; with `isReading` false nothing is ever taken out of the socket.
    package init(port: Int, isReading: Bool = true) async throws {
        let received = Received()
        self.received = received
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: isReading)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.socketOption(.so_rcvbuf), value: isReading ? 262_144 : 4096)
            .connectTimeout(.seconds(10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(received: received))
                }
            }
            .connect(host: "127.0.0.1", port: port)
            .get()
    }

    package func send(_ text: String) async throws {
        try await send(Array(text.utf8))
    }

    package func send(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(channel.allocator.buffer(bytes: bytes)).get()
    }

    /// Ends our half; the server may go on answering.
    package func finishSending() async throws {
        try await channel.close(mode: .output).get()
    }

    /// Ends the connection with a reset where something was left unread, else in the usual way.
    package func close() async {
        // Already closed by the other side is what was wanted.
        try? await channel.close().get()
    }

    /// What came so far.
    package var text: String { received.state.withLock { String(decoding: $0.bytes, as: UTF8.self) } }

    /// Whether the other side ended the connection.
    package var isClosedByPeer: Bool { received.state.withLock { $0.isClosed } }

    /// Waits until what came satisfies `condition` or the other side ends the connection.
    ///
    /// - Returns: all that came.
    package func receive(
        within deadline: Duration = .seconds(20),
        until condition: @escaping @Sendable (String) -> Bool = { _ in false }
    ) async -> String {
        _ = await eventually(within: deadline) { isClosedByPeer || condition(text) }
        return text
    }

    /// Waits for a whole answer: its head and as many bytes of body as its Content-Length says.
    package func receiveAnswer(within deadline: Duration = .seconds(20)) async -> String {
        await receive(within: deadline) { text in
            guard let head = text.firstRange(of: "\r\n\r\n") else { return false }
            let lines = text[..<head.lowerBound].lowercased().split(separator: "\r\n")
            guard let line = lines.first(where: { $0.hasPrefix("content-length:") }),
                let length = Int(line.dropFirst(15).drop { $0 == " " })
            else { return lines.contains { $0.hasPrefix("transfer-encoding:") } && text.hasSuffix("0\r\n\r\n") }
            return text[head.upperBound...].utf8.count >= length
        }
    }

    fileprivate final class Received: Sendable {
        struct State {
            var bytes: [UInt8] = []
            var isClosed = false
        }

        let state = Mutex(State())
    }
}

private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let received: RawConnection.Received

    init(received: RawConnection.Received) { self.received = received }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        received.state.withLock { $0.bytes += buffer.readableBytesView }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { received.state.withLock { $0.isClosed = true } }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        received.state.withLock { $0.isClosed = true }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        received.state.withLock { $0.isClosed = true }
        context.close(promise: nil)
    }
}
