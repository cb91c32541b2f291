import Dispatch
import Execution
import NIOCore
import Synchronization

/// Hands the events of a running cell from the thread that reads them to the task that sends them.
///
/// When too much piles up, the reading thread waits, and with it the program: a client sets the pace.
final class CellQueue: Sendable {
    /// What may pile up, in bytes.
    static let limit = 4 << 20

    private struct State {
        var events: [CellEvent] = []
        var bytes = 0
        var isFinished = false
        /// Nobody will take anything any more.
        var isClosed = false
        var isProducerWaiting = false
        var waiter: CheckedContinuation<Void, Never>?
        /// nil before the first: while a cell waits for its turn, its stream is not silent but has not begun.
        var lastEvent: ContinuousClock.Instant?
        var isSilent = false
    }

    private let state = Mutex(State())
    private let room = DispatchSemaphore(value: 0)

    /// Adds an event. Blocks while too much waits to be sent; not after ``close()``.
    func append(_ event: CellEvent) {
        let (waiter, mustWait) = state.withLock { state -> (CheckedContinuation<Void, Never>?, Bool) in
            if state.isClosed { return (nil, false) }
            state.events.append(event)
            state.bytes += event.size
            state.lastEvent = .now
            state.isProducerWaiting = state.bytes > Self.limit
            return (state.waiter.take(), state.isProducerWaiting)
        }
        waiter?.resume()
        if mustWait { room.wait() }
    }

    /// Nothing more will come. Must be called, or ``next()`` waits for ever.
    func finish() {
        let waiter = state.withLock { state in
            state.isFinished = true
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Nothing more is taken; whoever waits in ``append(_:)`` goes on.
    func close() {
        let wasWaiting = state.withLock { state in
            state.isClosed = true
            state.events = []
            defer { state.isProducerWaiting = false }
            return state.isProducerWaiting
        }
        if wasWaiting { room.signal() }
    }

    /// Makes ``next()`` return without events when after the first ones none came for `silence`, once for each such
    /// time.
    func tick(silence: Duration) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard let last = state.lastEvent, state.events.isEmpty, .now - last >= silence else { return nil }
            state.isSilent = true
            state.lastEvent = .now
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Everything that came since the last call, and whether that was all; nothing, and not all, when nothing came for long. One caller at a time.
    func next() async -> (events: [CellEvent], isLast: Bool) {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if !state.events.isEmpty || state.isFinished || state.isSilent { return true }
                state.waiter = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
        let (next, wasWaiting) = state.withLock { state -> (([CellEvent], Bool), Bool) in
            defer {
                state.events = []
                state.bytes = 0
                state.isSilent = false
                state.isProducerWaiting = false
            }
            return ((state.events, state.isFinished), state.isProducerWaiting)
        }
        if wasWaiting { room.signal() }
        return next
    }
}

extension CellEvent {
    /// About how much memory it takes.
    fileprivate var size: Int {
        switch self {
        case .started: 64
        case .output(_, let bytes): bytes.readableBytes + 64
        case .display(let bundle, _): bundle.items.reduce(64) { $0 + $1.json.readableBytes + 64 }
        case .error(let error): error.traceback.utf8.count + error.value.utf8.count + 128
        }
    }
}
