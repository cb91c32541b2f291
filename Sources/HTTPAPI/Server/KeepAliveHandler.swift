import NIOCore
import NIOHTTP1

/// Settles for each request whether its connection stays open: by the version and the Connection header in any spelling.
///
/// It tells the layers above by one spelling, `close`, tells the client in the answer, and answers HTTP/1.0 in HTTP/1.0, which knows no chunks.
final class KeepAliveHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// Of the requests that have no complete answer yet.
    private var requests: [(isHTTP10: Bool, staysOpen: Bool)] = []

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        // Without chunks, only the end of the connection ends a body of unknown length.
        let isHTTP10 = head.version.major < 1 || head.version == .http1_0
        let staysOpen = head.isKeepAlive && !isHTTP10
        requests.append((isHTTP10, staysOpen))
        if !staysOpen { head.headers.replaceOrAdd(name: "connection", value: "close") }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head) where head.status.code >= 200:
            if let request = requests.first {
                head.version = request.isHTTP10 ? .http1_0 : .http1_1
                if !request.staysOpen { head.headers.replaceOrAdd(name: "connection", value: "close") }
            }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .end:
            if !requests.isEmpty { requests.removeFirst() }
            context.write(data, promise: promise)
        default: context.write(data, promise: promise)
        }
    }
}

@available(*, unavailable)
extension KeepAliveHandler: Sendable {}
