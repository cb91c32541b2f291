import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// Hummingbird's HTTP/1.1 channel with our ``ConnectionHandler`` in it, and ``Connection/current`` set while its requests are answered.
struct ConnectionChannel: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let base: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
        let connection: Connection
        var channel: any Channel { base.channel }
    }

    struct Limits: Sendable {
        var connection = ConnectionHandler.Limits()
        /// How long a connection may be open without a request, or in the middle of one without a byte of it.
        var idle: TimeAmount = .seconds(60)
    }

    let responder: HTTPChannelHandler.Responder
    let limits: Limits

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let connection = Connection()
        let limits = self.limits.connection
        var configuration = HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionHandler(connection: connection, limits: limits)],
            idleTimeout: self.limits.idle
        )
        configuration.httpDecoder = .init(
            maxHeaderFieldSize: 16 * 1024,
            maxHeaderListSize: 32 * 1024,
            maxHeaderFieldCount: 100
        )
        let base = HTTP1Channel(responder: responder, configuration: configuration)
        // A small answer must not wait for the acknowledgement of the one before.
        return channel.setOption(.tcpOption(.tcp_nodelay), value: 1)
            .flatMap { base.setup(channel: channel, logger: logger) }
            .flatMapThrowing { base in
                let pipeline = channel.pipeline.syncOperations
                let codec = try pipeline.handler(type: HTTP1ToHTTPServerCodec.self)
                try pipeline.addHandler(KeepAliveHandler(), position: .before(codec))
                return Value(base: base, connection: connection)
            }
    }

    func handle(value: Value, logger: Logger) async {
        await Connection.$current.withValue(value.connection) {
            await HTTP1Channel(responder: responder).handle(value: value.base, logger: logger)
        }
    }
}
