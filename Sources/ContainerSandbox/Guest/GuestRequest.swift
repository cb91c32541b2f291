import JSON
import NIOCore
import Synchronization

/// A request to a guest, as a stream: content out, data in, one answer. For one task at a time.
///
/// The guest sends no more than the window of the stream before somebody asks for it.
final class GuestRequest: GuestConnection.Stream {
    private let number: UInt32
    private let connection: GuestConnection
    private let state = Mutex(State())

    private struct State {
        /// What came and was not taken: copied, as a packet of one byte would hold the whole buffer that it was read into.
        var data = ByteBuffer()
        var taken = 0
        /// Whether nobody wants the answer.
        var isCancelled = false
        /// How long the guest was waited for since it last did something worth it, without the wait that goes on, and when that began.
        var waited: Duration = .zero
        var waitBegan: ContinuousClock.Instant?
        var progress = 0
        var receiveCredit = Packet.window
        var sendCredit = Packet.window
        var answer: Result<JSONObject, any Error>?
        /// Whether the guest has said its last word.
        var isOver = false
        var waiting: CheckedContinuation<Void, Never>?
    }

    init(_ number: UInt32, of connection: GuestConnection) {
        self.number = number
        self.connection = connection
    }

    /// The number of the stream, which is also that of the file it opened.
    var handle: Int { Int(number) }

    // MARK: What arrives

    func take(_ packet: Packet) -> Bool {
        let (isUnderstood, waiting) = state.withLock { state in
            let isUnderstood = Self.take(packet, &state)
            return (isUnderstood, state.waiting.take())
        }
        waiting?.resume()
        return isUnderstood
    }

    private static func take(_ packet: Packet, _ state: inout State) -> Bool {
        switch packet.kind {
        case .data:
            state.receiveCredit -= packet.payload.readableBytes
            if !state.isCancelled { state.data.writeImmutableBuffer(packet.payload) }
            note(packet.payload.readableBytes, &state)
            return state.receiveCredit >= 0 && packet.payload.readableBytes > 0
        case .credit:
            guard let credit = packet.raise(state.sendCredit) else { return false }
            note(credit - state.sendCredit, &state)
            state.sendCredit = credit
            return true
        case .answer:
            guard let object = JSONValue.object(in: packet.payload) else { return false }
            state.isOver = true
            if case .object(let result)? = object["result"] {
                state.answer = state.answer ?? .success(result)
            } else if let word = object["error"]?.string, word.utf8.count <= GuestRefusal.longestWord {
                let message = EngineError.legible(object["message"]?.string ?? "")
                let refusal = GuestRefusal(word: EngineError.legible(word), message: message)
                state.answer = state.answer ?? .failure(refusal)
            } else {
                return false
            }
            return true
        case .open, .input, .end, .signal, .cancel, .stdout, .stderr, .exit, .ready, .usage: return false
        }
    }

    /// So many bytes went on their way: a guest that does a little now and then is not waited for for ever.
    private static func note(_ bytes: Int, _ state: inout State) {
        state.progress += bytes
        guard state.progress >= Packet.window / 4 else { return }
        state.progress = 0
        state.waited = .zero
        if state.waitBegan != nil { state.waitBegan = .now }
    }

    var isOver: Bool { state.withLock { $0.isOver } }

    func lose(_ reason: String, isOutOfMemory: Bool) {
        finish(.failure(GuestLost(reason: reason)))
    }

    private func finish(_ answer: Result<JSONObject, any Error>) {
        let waiting = state.withLock { state in
            state.answer = state.answer ?? answer
            return state.waiting.take()
        }
        waiting?.resume()
    }

    // MARK: What is asked

    /// The next piece of data, 256 KiB at most; nil when there is no more, and ``answer()`` says the rest.
    ///
    /// - Throws: `CancellationError`.
    func next() async throws -> ByteBuffer? {
        while true {
            let (piece, grant, isAnswered) = state.withLock { state -> (ByteBuffer?, Int, Bool) in
                guard let piece = Self.takePiece(&state) else { return (nil, 0, state.answer != nil) }
                state.taken += piece.readableBytes
                guard state.taken >= Packet.window / 4 else { return (piece, 0, false) }
                defer { state.taken = 0 }
                state.receiveCredit += state.taken
                return (piece, state.taken, false)
            }
            if grant > 0 { connection.send(Packet.credit(grant, of: number)) }
            if let piece { return piece }
            if isAnswered { return nil }
            try await pause { $0.data.readableBytes == 0 && $0.answer == nil }
        }
    }

    private static func takePiece(_ state: inout State) -> ByteBuffer? {
        if state.data.readableBytes == 0 { return nil }
        if state.data.readableBytes <= Packet.maximumPayload {
            defer { state.data = ByteBuffer() }
            return state.data
        }
        guard let slice = state.data.readSlice(length: Packet.maximumPayload) else { return nil }
        var piece = ByteBufferAllocator().buffer(capacity: slice.readableBytes)
        piece.writeImmutableBuffer(slice)
        return piece
    }

    /// Sends content, as there is room for it. Returns false when the guest has answered and wants no more.
    ///
    /// - Throws: `CancellationError`.
    func send(_ content: ByteBuffer) async throws -> Bool {
        var rest = content
        while rest.readableBytes > 0 {
            let size = state.withLock { state -> Int? in
                if state.answer != nil { return nil }
                let size = min(rest.readableBytes, Packet.maximumPayload, state.sendCredit)
                state.sendCredit -= size
                return size
            }
            guard let size else { return false }
            if size > 0, let piece = rest.readSlice(length: size) {
                connection.send(Packet.bytes(.data, of: number, piece))
            } else {
                try await pause { $0.sendCredit == 0 && $0.answer == nil }
            }
        }
        return true
    }

    /// Says that all content was sent.
    func finishSending() { connection.send(Packet.bytes(.end, of: number)) }

    /// Gives it up. The guest undoes what it can.
    func cancel() {
        let mustTell = state.withLock { state in
            defer { state.isCancelled = true }
            state.data = ByteBuffer()
            return state.answer == nil && !state.isCancelled
        }
        if mustTell { connection.send(Packet.bytes(.cancel, of: number)) }
    }

    /// Does not want to hear of it any more; the guest goes on.
    func forget() { state.withLock { $0.isCancelled = true } }

    /// Waits for the answer; data that was not taken is thrown away.
    ///
    /// - Throws: ``GuestRefusal``, ``GuestLost``, `CancellationError`.
    func answer() async throws -> JSONObject {
        while try await next() != nil {}
        guard let answer = state.withLock({ $0.answer }) else { preconditionFailure("data ends with an answer") }
        return try answer.get()
    }

    /// Waits for anything to happen while `isIdle` holds. A guest that lets us wait for too long is lost.
    private func pause(while isIdle: @escaping @Sendable (State) -> Bool) async throws {
        let left = state.withLock { state in
            state.waitBegan = .now
            return connection.patience - state.waited
        }
        let timer = Task {
            try await Task.sleep(for: left)
            if state.withLock({ $0.waiting != nil }) { connection.end("it does not answer") }
        }
        defer {
            timer.cancel()
            state.withLock { state in
                if let began = state.waitBegan { state.waited += .now - began }
                state.waitBegan = nil
            }
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    guard isIdle(state), !Task.isCancelled else { return false }
                    state.waiting = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            cancel()
            state.withLock { $0.waiting.take() }?.resume()
        }
        try Task.checkCancellation()
    }
}

/// What a guest did not do, in the protocol's word for it.
struct GuestRefusal: Error, Equatable {
    var word: String
    var message: String

    static let longestWord = 64
}

extension GuestConnection {
    /// Asks the guest for something. Refused as `busy` where it owes too many answers.
    ///
    /// - Throws: ``GuestRefusal``, ``GuestLost``.
    func ask(_ request: ByteBuffer) throws -> GuestRequest {
        if isBusy { throw GuestRefusal(word: "busy", message: "too many requests at a time") }
        return try open(request) { GuestRequest($0, of: self) }
    }

    /// Asks the guest to end something; nobody waits for the answer.
    func tell(_ request: ByteBuffer) {
        // A guest that is gone has nothing left to end.
        guard let request = try? open(request, { GuestRequest($0, of: self) }) else { return }
        request.forget()
    }

    /// Asks for something that is answered at once, and never too much.
    ///
    /// - Throws: ``GuestRefusal``, ``GuestLost``, `CancellationError`.
    func answer(to request: ByteBuffer) async throws -> JSONObject {
        try await open(request) { GuestRequest($0, of: self) }.answer()
    }
}
