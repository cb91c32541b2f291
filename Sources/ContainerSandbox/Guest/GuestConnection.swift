package import NIOCore
import Synchronization

/// The server's end of the stream of one guest: hands packets to the streams they belong to.
///
/// What the guest says is as trustworthy as user code: whatever is not understood ends the connection, and with it every stream.
package final class GuestConnection: Sendable {
    /// Somebody who takes the packets of one stream. Called in order, with nobody else at the same time, and must not wait.
    protocol Stream: AnyObject, Sendable {
        /// Takes a packet; false when it makes no sense.
        func take(_ packet: Packet) -> Bool
        /// Whether nothing more can come.
        var isOver: Bool { get }
        /// The guest is gone.
        func lose(_ reason: String, isOutOfMemory: Bool)
    }

    private struct State {
        var transport: (any GuestTransport)?
        var reader = Packet.Reader()
        var streams: [UInt32: any Stream] = [:]
        var lastNumber: UInt32 = 0
        var greeting: GuestGreeting?
        var waiting: [CheckedContinuation<GuestGreeting, any Error>] = []
        var end: String?
        /// How many of the streams are requests, and who wants to know.
        var requests = 0
        var pauser: ContainerPauser?
    }

    /// Most requests that a guest may owe an answer: each may hold a window of content.
    static let mostRequests = 128
    /// Most streams of any kind.
    static let mostStreams = 4096

    /// How long a guest may say nothing while it is waited for.
    let patience: Duration
    private let state = Mutex(State())

    package init(patience: Duration = .seconds(30)) { self.patience = patience }

    /// Begins to speak over `transport`.
    package func start(_ transport: any GuestTransport) {
        let isEnded = state.withLock { state in
            if state.end == nil { state.transport = transport }
            return state.end != nil
        }
        if isEnded { transport.close() }
    }

    /// Why it ended; nil while it goes on.
    package var ending: String? { state.withLock { $0.end } }

    /// Tells `pauser` of requests from now on.
    func setPauser(_ pauser: ContainerPauser) { state.withLock { $0.pauser = pauser } }

    /// Waits until the guest is warm. One that is not within `time`, or whose caller is cancelled, is given up.
    ///
    /// - Throws: ``GuestLost``.
    func greeting(within time: Duration) async throws -> GuestGreeting {
        let timer = Task {
            try await Task.sleep(for: time)
            endUnlessGreeted("it was not warm within \(time)")
        }
        defer { timer.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<GuestGreeting, any Error>? = state.withLock { state in
                    if let greeting = state.greeting { return .success(greeting) }
                    if let end = state.end { return .failure(GuestLost(reason: end)) }
                    state.waiting.append(continuation)
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            endUnlessGreeted("nobody waits for it")
        }
    }

    private func endUnlessGreeted(_ reason: String) {
        if state.withLock({ $0.greeting == nil }) { end(reason) }
    }

    /// Begins a stream, which `make` makes of its number; `request` is what it is opened with.
    ///
    /// - Throws: ``GuestLost``.
    func open<Opened: Stream>(_ request: ByteBuffer, _ make: (UInt32) -> Opened) throws(GuestLost) -> Opened {
        let (opened, pauser, end) = state.withLock { state -> (Opened?, ContainerPauser?, String?) in
            if let end = state.end { return (nil, nil, end) }
            guard state.streams.count < Self.mostStreams, state.lastNumber < .max else { return (nil, nil, nil) }
            state.lastNumber += 1
            let stream = make(state.lastNumber)
            state.streams[state.lastNumber] = stream
            if stream is GuestRequest { state.requests += 1 }
            // Under the lock, so that numbers arrive in their order.
            state.transport?.write(Packet.bytes(.open, of: state.lastNumber, request))
            return (stream, state.pauser, nil)
        }
        if let opened {
            if opened is GuestRequest { pauser?.began() }
            return opened
        }
        guard let end else { throw giveUp("it owes too many answers") }
        throw GuestLost(reason: end)
    }

    /// Whether another request would be one too many.
    var isBusy: Bool { state.withLock { $0.requests >= Self.mostRequests } }

    /// Ends it for what the guest said, or did not say.
    func giveUp(_ reason: String) -> GuestLost {
        end(reason)
        return GuestLost(reason: reason)
    }

    /// Ends it for an answer that is none.
    func refuseAnswer() -> GuestLost { giveUp("it answered what was not asked") }

    /// Sends what was made of ``Packet``s.
    func send(_ bytes: ByteBuffer) {
        state.withLock { $0.transport }?.write(bytes)
    }

    /// Takes what arrived; from one thread at a time, in order.
    package func receive(_ bytes: ByteBuffer) {
        state.withLock { if $0.end == nil { $0.reader.append(bytes) } }
        while true {
            do {
                guard
                    let packet = try state.withLock({ state throws(Packet.Reader.Refused) in
                        state.end == nil ? try state.reader.next() : nil
                    })
                else { return }
                guard deliver(packet) else { return end("it said what is no message") }
            } catch {
                return end("it said what is no message")
            }
        }
    }

    private func deliver(_ packet: Packet) -> Bool {
        if packet.kind == .ready { return greet(packet) }
        guard let stream = state.withLock({ $0.streams[packet.stream] }), stream.take(packet) else { return false }
        guard stream.isOver else { return true }
        let pauser = state.withLock { state -> ContainerPauser? in
            guard state.streams.removeValue(forKey: packet.stream) is GuestRequest else { return nil }
            state.requests -= 1
            return state.pauser
        }
        pauser?.ended()
        return true
    }

    private func greet(_ packet: Packet) -> Bool {
        guard packet.stream == 0, let greeting = GuestGreeting(packet.payload) else { return false }
        let waiting = state.withLock { state -> [CheckedContinuation<GuestGreeting, any Error>]? in
            guard state.greeting == nil else { return nil }
            state.greeting = greeting
            defer { state.waiting = [] }
            return state.waiting
        }
        guard let waiting else { return false }
        for continuation in waiting { continuation.resume(returning: greeting) }
        return true
    }

    /// Ends it, with every stream; the first reason counts. `isOutOfMemory` when the container was killed for its memory, the guest included.
    package func end(_ reason: String, isOutOfMemory: Bool = false) {
        let (transport, streams, waiting) = state.withLock { state in
            defer {
                if state.end == nil { state.end = reason }
                state.transport = nil
                state.streams = [:]
                state.requests = 0
                state.pauser = nil
                state.waiting = []
                state.reader = Packet.Reader()
            }
            return (state.transport, Array(state.streams.values), state.waiting)
        }
        transport?.close()
        for stream in streams { stream.lose(reason, isOutOfMemory: isOutOfMemory) }
        for continuation in waiting { continuation.resume(throwing: GuestLost(reason: reason)) }
    }
}

/// The guest is gone, or never came.
struct GuestLost: Error, Equatable, CustomStringConvertible {
    var reason: String
    var description: String { reason }
}
