import Dispatch
import Execution
import GuestDriving
import GuestProtocol
import JSON
import NIOCore
import Synchronization

/// A process in a container, as a stream of its guest: keeps what arrives until its thread takes it.
///
/// No more than the window of the stream is ever kept, for the guest sends nothing that was not granted.
final class GuestProcess: GuestConnection.Stream {
    private let number: UInt32
    private let connection: GuestConnection
    private let counters: GuestCounters
    private let doorbell = DispatchSemaphore(value: 0)
    private let state: Mutex<State>

    private struct State {
        var frames: FrameReader
        var inbox = GuestInbox()
        /// Bytes of the channel that came since `inbox` was empty, and what was taken but not granted anew.
        var heard = 0
        var taken = 0
        /// Whether ``doorbell`` was rung and nobody has come since.
        var isRung = false
        /// Whether it may still be too late for its first frame.
        var isStarting = false
        /// Whether nobody takes anything any longer.
        var isAbandoned = false
        var usages = 0
        var result = GuestState()
        /// What the guest may still send, and we may.
        var receiveCredit = Packet.window
        var sendCredit = Packet.window
        var outgoing = CircularBuffer<Outgoing>()
        var openOutputs: Set<OutputStream> = [.stdout, .stderr]
        var isListening = true
        var waiting: CheckedContinuation<Void, Never>?
    }

    private struct Outgoing {
        var kind: Packet.Kind
        var bytes: ByteBuffer
    }

    /// Takes frames of at most `frameLimit` bytes.
    init(_ number: UInt32, of connection: GuestConnection, frameLimit: Int, counters: GuestCounters) {
        self.number = number
        self.connection = connection
        self.counters = counters
        state = Mutex(State(frames: FrameReader(limit: frameLimit)))
    }

    /// A guest that tells more often what a process used is none.
    private static let mostUsages = 16

    /// Ends the wait of whoever waits for events.
    func wake() {
        let isAsleep = state.withLock { state in
            defer { state.isRung = true }
            return !state.isRung
        }
        if isAsleep { doorbell.signal() }
    }

    /// Has it be over for its driver: every process of its container was killed.
    func markGone() {
        state.withLock { $0.result.isGone = true }
        wake()
    }

    /// Sends a signal to its process group.
    func signal(_ signal: Int32) {
        connection.send(Packet.bytes(.signal, of: number, ByteBuffer(bytes: [UInt8(truncatingIfNeeded: signal)])))
    }
}

// What arrives.
extension GuestProcess {
    func take(_ packet: Packet) -> Bool {
        let (isUnderstood, waiting) = state.withLock { state in
            let isUnderstood = take(packet, &state)
            return (isUnderstood, state.waiting.take())
        }
        waiting?.resume()
        wake()
        return isUnderstood
    }

    private func take(_ packet: Packet, _ state: inout State) -> Bool {
        switch packet.kind {
        case .data: Self.takeFrames(packet.payload, &state)
        case .stdout: Self.takeOutput(.stdout, packet.payload, &state)
        case .stderr: Self.takeOutput(.stderr, packet.payload, &state)
        case .credit: takeCredit(packet, &state)
        case .usage: takeUsage(packet.payload, &state)
        case .exit: takeExit(packet.payload, &state)
        case .open, .input, .end, .signal, .cancel, .answer, .ready: false
        }
    }

    /// Takes the first frame when it is there, for whoever starts the process; nil when it ended without one, or said nothing for too long.
    func firstFrame(within time: Duration) async -> GuestFrame? {
        state.withLock { $0.isStarting = true }
        let timer = Task {
            try await Task.sleep(for: time)
            state.withLock { state in
                guard state.isStarting else { return nil as CheckedContinuation<Void, Never>? }
                state.result.lost = state.result.lost ?? "it said nothing"
                return state.waiting.take()
            }?.resume()
        }
        defer { timer.cancel() }
        while true {
            let (frame, isOver) = state.withLock { state -> (GuestFrame?, Bool) in
                if state.inbox.isEmpty, state.result == GuestState(), !Task.isCancelled { return (nil, false) }
                state.isStarting = false
                guard case .frame(let frame)? = state.inbox.takeFirst() else { return (nil, true) }
                return (frame, true)
            }
            if isOver { return frame }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isThere = state.withLock { state in
                        if !state.inbox.isEmpty || state.result != GuestState() || Task.isCancelled { return true }
                        state.waiting = continuation
                        return false
                    }
                    if isThere { continuation.resume() }
                }
            } onCancel: {
                state.withLock { $0.waiting.take() }?.resume()
            }
        }
    }

    private static func spend(_ bytes: ByteBuffer, _ state: inout State) -> Bool {
        state.receiveCredit -= bytes.readableBytes
        return state.receiveCredit >= 0 && bytes.readableBytes > 0
    }

    private static func takeOutput(_ stream: OutputStream, _ bytes: ByteBuffer, _ state: inout State) -> Bool {
        guard state.openOutputs.contains(stream) else { return false }
        if bytes.readableBytes == 0 {
            state.openOutputs.remove(stream)
            if !state.isAbandoned { state.inbox.add(.outputEnded(stream)) }
            return true
        }
        guard spend(bytes, &state) else { return false }
        if !state.isAbandoned { state.inbox.add(bytes, of: stream) }
        return true
    }

    private static func takeFrames(_ bytes: ByteBuffer, _ state: inout State) -> Bool {
        guard spend(bytes, &state) else { return false }
        state.heard += bytes.readableBytes
        guard state.isListening else { return true }
        do {
            bytes.withUnsafeReadableBytes { state.frames.append($0) }
            while let frame = try state.frames.next() { state.inbox.add(.frame(frame)) }
        } catch {
            // A frame that is none is the process's fault, not the guest's.
            state.isListening = false
            state.frames = FrameReader(limit: 0)
            state.inbox.add(.garbled)
        }
        return true
    }

    private func takeUsage(_ json: ByteBuffer, _ state: inout State) -> Bool {
        state.usages += 1
        guard state.usages <= Self.mostUsages else { return false }
        return counters.update(JSONValue.object(in: json).map { .object($0) })
    }

    private func takeExit(_ json: ByteBuffer, _ state: inout State) -> Bool {
        guard state.result.exit == nil, let object = JSONValue.object(in: json),
            let status = object["status"]?.integer.flatMap(Int32.init(exactly:)), let usage = object["usage"],
            counters.update(usage)
        else { return false }
        state.result.exit = ExitStatus(status)
        // Nobody reads it any longer.
        state.outgoing = CircularBuffer()
        return true
    }

    var isOver: Bool { state.withLock { $0.result.exit != nil && $0.openOutputs.isEmpty } }

    func lose(_ reason: String, isOutOfMemory: Bool) {
        if isOutOfMemory { counters.countKill() }
        let waiting = state.withLock { state in
            state.outgoing = CircularBuffer()
            if isOutOfMemory {
                // As if only the program had been killed, which is what happened to it.
                state.result.exit = state.result.exit ?? ExitStatus(Self.killed)
                for stream in state.openOutputs where !state.isAbandoned { state.inbox.add(.outputEnded(stream)) }
                state.openOutputs = []
            } else {
                state.result.lost = reason
            }
            return state.waiting.take()
        }
        waiting?.resume()
        wake()
    }

    /// The wait status of what SIGKILL ended.
    private static let killed: Int32 = 9
}

// What is sent.
extension GuestProcess {
    /// Whether a frame waits until there is room for it.
    var isSending: Bool { state.withLock { $0.outgoing.contains { $0.kind == .data } } }

    /// Sends bytes over its channel, or to its standard input, when there is room for them.
    func send(_ kind: Packet.Kind, _ bytes: ByteBuffer) {
        state.withLock { state in
            guard state.result.exit == nil, state.result.lost == nil else { return }
            state.outgoing.append(Outgoing(kind: kind, bytes: bytes))
            depart(&state)
        }
    }

    private func takeCredit(_ packet: Packet, _ state: inout State) -> Bool {
        guard let credit = packet.raise(state.sendCredit) else { return false }
        state.sendCredit = credit
        depart(&state)
        return true
    }

    /// Sends what the credit suffices for. Under the lock, so that it leaves in its order.
    private func depart(_ state: inout State) {
        var packets = ByteBuffer()
        while var next = state.outgoing.first {
            if next.kind == .end {
                Packet.write(.end, of: number, to: &packets)
                state.outgoing.removeFirst()
                continue
            }
            let size = min(next.bytes.readableBytes, Packet.maximumPayload, state.sendCredit)
            guard size > 0, let piece = next.bytes.readSlice(length: size) else { break }
            state.sendCredit -= size
            Packet.write(next.kind, of: number, piece, to: &packets)
            if next.bytes.readableBytes == 0 { state.outgoing.removeFirst() } else { state.outgoing[offset: 0] = next }
        }
        if packets.readableBytes > 0 { connection.send(packets) }
    }
}

// What its thread does.
extension GuestProcess {
    var result: GuestState { state.withLock { $0.result } }

    func stopListening() {
        state.withLock { Self.stopListening(&$0) }
    }

    private static func stopListening(_ state: inout State) {
        state.isListening = false
        state.frames = FrameReader(limit: 0)
        state.inbox.removeFrames()
    }

    /// Nobody wants anything of it any longer. What it leaves behind may go on, at a pipe that is full in the end.
    func abandon() {
        state.withLock { state in
            state.isAbandoned = true
            Self.stopListening(&state)
            state.inbox = GuestInbox()
        }
    }

    /// See ``GuestPort/next(until:)``.
    func next(until deadline: ContinuousClock.Instant?) -> [GuestEvent] {
        let there = takeEvents()
        if !there.isEmpty { return there }
        if let deadline {
            let left = deadline - .now
            if left > .zero { _ = doorbell.wait(timeout: .now() + left.dispatchInterval) }
        } else {
            doorbell.wait()
        }
        state.withLock { $0.isRung = false }
        return takeEvents()
    }

    /// What arrived, and the grant for as much again.
    private func takeEvents() -> [GuestEvent] {
        let (events, grant) = state.withLock { state -> ([GuestEvent], Int) in
            let (events, bytes) = state.inbox.take()
            state.taken += bytes
            if state.inbox.isEmpty {
                state.taken += state.heard
                state.heard = 0
            }
            guard state.taken >= Packet.window / 4, !state.isAbandoned else { return (events, 0) }
            defer { state.taken = 0 }
            state.receiveCredit += state.taken
            return (events, state.taken)
        }
        if grant > 0 { connection.send(Packet.credit(grant, of: number)) }
        return events
    }
}

extension Duration {
    /// At most a day, in nanoseconds.
    fileprivate var dispatchInterval: DispatchTimeInterval {
        let (seconds, attoseconds) = min(self, .seconds(86_400)).components
        return .nanoseconds(Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000))
    }
}
