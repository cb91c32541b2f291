import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Guards one connection: notices that the client went away, answers `Expect: 100-continue`, and closes on clients that hold on to it by
/// sending or reading too slowly.
///
/// It lies behind the HTTP decoder. Idle connections and slow headers are the idle time-out's business, which counts whole HTTP parts.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    struct Limits: Sendable {
        /// A body may be slower than ``minimumBytesPerSecond`` for this long; see ``BodyPace``.
        var bodyGrace: TimeAmount = .seconds(30)
        /// Least speed of a body in each stretch of ``bodyGrace``.
        var minimumBytesPerSecond: Int64 = 1_000
        /// How long a body is read on after the answer was given without it.
        var drainTime: TimeAmount = .seconds(10)
        /// How long a client that broke HTTP may take to read the answer.
        var farewell: TimeAmount = .seconds(1)
        /// A client that takes nothing for this long while we have something for it is cut off.
        var writeStall: TimeAmount = .seconds(20)
    }

    private let connection: Connection
    private let limits: Limits
    private var requestsInProgress = 0
    private var body: Body?
    private var stallCheck: Scheduled<Void>?
    private var farewell: Scheduled<Void>?

    /// A request whose body has not ended.
    private struct Body {
        var pace: BodyPace
        /// Set when the answer was complete before the body.
        var drainDeadline: NIODeadline?
    }

    init(connection: Connection, limits: Limits) {
        self.connection = connection
        self.limits = limits
    }

    // MARK: The client goes away

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { connection.markClosed() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    /// After an error of the decoder nothing more is read, so nothing more can be learned from the client.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is HTTPParserError, farewell == nil {
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            farewell = context.eventLoop.scheduleTask(in: limits.farewell) { bound.value.close(promise: nil) }
        }
        context.fireErrorCaught(error)
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    private func stop() {
        stallCheck?.cancel()
        stallCheck = nil
        farewell?.cancel()
        farewell = nil
        connection.markClosed()
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head, context: context)
        case .body(let buffer):
            if isTooSlow(adding: buffer.readableBytes) {
                context.close(promise: nil)
                return
            }
        case .end: body = nil
        }
        context.fireChannelRead(data)
    }

    private func begin(_ head: HTTPRequest, context: ChannelHandlerContext) {
        body = Body(pace: newPace)
        let isFirst = requestsInProgress == 0
        requestsInProgress += 1
        // Behind another request its answer would get into the middle of the other's.
        guard isFirst, head.headerFields[.expect]?.lowercased() == "100-continue" else { return }
        context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }

    private var newPace: BodyPace {
        BodyPace(stretch: limits.bodyGrace, minimumBytesPerSecond: limits.minimumBytesPerSecond)
    }

    private func isTooSlow(adding count: Int) -> Bool {
        guard var body else { return false }
        let now = NIODeadline.now()
        // Behind another request it is our slowness that counts.
        if requestsInProgress > 1 { body.pace = newPace }
        let isFast = body.pace.receive(count, at: now)
        self.body = body
        if let deadline = body.drainDeadline, now > deadline { return true }
        return !isFast
    }

    /// Asked for only when what came before was taken: until then a body waits for us.
    func read(context: ChannelHandlerContext) {
        body?.pace.beginWaiting(at: .now())
        context.read()
    }

    // MARK: Answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) {
            requestsInProgress -= 1
            if requestsInProgress == 0 { body?.drainDeadline = .now() + limits.drainTime }
        }
        context.write(data, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            stallCheck?.cancel()
            stallCheck = nil
        } else if stallCheck == nil {
            checkForStall(since: unsentBytes(context), context: context)
        }
        context.fireChannelWritabilityChanged()
    }

    /// Closes when after ``Limits/writeStall`` not a byte less waits to be sent.
    private func checkForStall(since before: Int, context: ChannelHandlerContext) {
        let check = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        stallCheck = context.eventLoop.scheduleTask(in: limits.writeStall) {
            let (handler, context) = check.value
            let now = handler.unsentBytes(context)
            if now >= before {
                context.close(promise: nil)
            } else {
                handler.checkForStall(since: now, context: context)
            }
        }
    }

    private func unsentBytes(_ context: ChannelHandlerContext) -> Int {
        // A channel that cannot tell is closing anyway.
        (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }
}

@available(*, unavailable)
extension ConnectionHandler: Sendable {}
