import NIOCore

/// One connection to a container's streams: first the daemon's answer, then frames.
final class AttachmentHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private enum Phase {
        case answer(AttachmentAnswer)
        case frames
        case over
    }

    private let stream: EngineStream
    private let answered: EventLoopPromise<EngineStream>
    private let callbacks: AttachmentCallbacks
    private var phase = Phase.answer(AttachmentAnswer())
    private var frames = StreamDemultiplexer()

    init(stream: EngineStream, answered: EventLoopPromise<EngineStream>, callbacks: AttachmentCallbacks) {
        self.stream = stream
        self.answered = answered
        self.callbacks = callbacks
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        do throws(EngineError) {
            switch phase {
            case .answer(var answer):
                let result = try answer.feed(bytes)
                phase = .answer(answer)
                guard case .stream(let rest) = result else { return }
                phase = .frames
                answered.succeed(stream)
                try feed(rest)
            case .frames: try feed(bytes)
            case .over: return
            }
        } catch {
            end(error)
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch phase {
        case .answer(let answer): end(answer.ended())
        case .frames: end(ending)
        case .over: break
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(.unreachable(EngineError.legible("\(error)")))
        context.close(promise: nil)
    }

    private func feed(_ bytes: ByteBuffer) throws(EngineError) {
        // A callback may close the connection, and we are called from within it: nothing may be borrowed meanwhile.
        var frames = frames
        defer { self.frames = frames }
        try frames.feed(bytes) { output, payload in
            guard case .frames = phase else { return }
            switch output {
            case .standardOutput: callbacks.onOutput(payload)
            case .standardError: callbacks.onError(payload)
            }
        }
    }

    private var ending: EngineError? {
        do throws(EngineError) {
            try frames.finish()
            return nil
        } catch {
            return error
        }
    }

    /// Tells everybody who waits, once.
    private func end(_ error: EngineError?) {
        let previous = phase
        phase = .over
        switch previous {
        case .answer:
            answered.fail(error ?? .unreachable("the connection ended"))
        case .frames:
            // What was asked for is no error, wherever it cut the stream.
            let wasAskedFor = stream.ended()
            callbacks.onClosed(wasAskedFor ? nil : error)
        case .over: return
        }
    }
}
