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
    }

    private let state = Mutex(State())

    package init() {}

    /// Begins to speak over `transport`.
    package func start(_ transport: any GuestTransport) {
        let isEnded = state.withLock { state in
            state.transport = transport
            return state.end != nil
        }
        if isEnded { transport.close() }
    }

    /// Why it ended; nil while it goes on.
    package var ending: String? { state.withLock { $0.end } }

    /// Waits until the guest is warm.
    ///
    /// - Throws: ``GuestLost``.
    func greeting() async throws -> GuestGreeting {
        try await withCheckedThrowingContinuation { continuation in
            let result: Result<GuestGreeting, any Error>? = state.withLock { state in
                if let greeting = state.greeting { return .success(greeting) }
                if let end = state.end { return .failure(GuestLost(reason: end)) }
                state.waiting.append(continuation)
                return nil
            }
            if let result { continuation.resume(with: result) }
        }
    }

    /// Begins a stream, which `make` makes of its number; `request` is what it is opened with.
    ///
    /// - Throws: ``GuestLost``.
    func open<Opened: Stream>(_ request: ByteBuffer, _ make: (UInt32) -> Opened) throws(GuestLost) -> Opened {
        let (opened, end) = state.withLock { state -> (Opened?, String?) in
            if let end = state.end { return (nil, end) }
            state.lastNumber += 1
            let stream = make(state.lastNumber)
            state.streams[state.lastNumber] = stream
            // Under the lock, so that numbers arrive in their order.
            state.transport?.write(Packet.bytes(.open, of: state.lastNumber, request))
            return (stream, nil)
        }
        guard let opened else { throw GuestLost(reason: end ?? "it is gone") }
        return opened
    }

    /// Sends what was made of ``Packet``s.
    func send(_ bytes: ByteBuffer) {
        state.withLock { $0.transport }?.write(bytes)
    }

    /// Takes what arrived; from one thread at a time, in order.
    package func receive(_ bytes: ByteBuffer) {
        state.withLock { $0.reader.append(bytes) }
        while true {
            do {
                guard let packet = try state.withLock({ state throws(Packet.Reader.Refused) in
                    state.end == nil ? try state.reader.next() : nil
                }) else { return }
                guard deliver(packet) else { return end("it said what is no message") }
            } catch {
                return end("it said what is no message")
            }
        }
    }

    private func deliver(_ packet: Packet) -> Bool {
        if packet.kind == .ready { return greet(packet) }
        guard let stream = state.withLock({ $0.streams[packet.stream] }), stream.take(packet) else { return false }
        if stream.isOver { state.withLock { _ = $0.streams.removeValue(forKey: packet.stream) } }
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
