import Execution
import NIOCore
import Synchronization

/// Hands the output of a running execution from the thread that reads it to the task that sends it.
///
/// It never makes the reading side wait: what can pile up is bounded by the execution's own output limits, in however small pieces it comes.
final class OutputQueue: Sendable {
    typealias Chunk = (stream: OutputStream, bytes: ByteBuffer)

    private struct State {
        /// What came since ``leaving`` was filled.
        var arriving = OutputBacklog()
        var leaving = OutputBacklog()
        var isFinished = false
        var waiter: CheckedContinuation<Void, Never>?

        var isEmpty: Bool { arriving.isEmpty && leaving.isEmpty }

        mutating func take() -> [Chunk] {
            if leaving.isEmpty {
                leaving = arriving
                arriving = OutputBacklog()
            }
            return leaving.take()
        }
    }

    private let state = Mutex(State())

    func append(_ bytes: ByteBuffer, to stream: OutputStream) {
        let waiter = state.withLock { state in
            state.arriving.append(bytes, to: stream)
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Nothing more will come. Must be called, or ``next()`` waits for ever.
    func finish() {
        let waiter = state.withLock { state in
            state.isFinished = true
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// What comes next, at least one chunk and no more than some hundred; nil after the end. One caller at a time.
    func next() async -> [Chunk]? {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if !state.isEmpty || state.isFinished { return true }
                state.waiter = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
        return state.withLock { $0.isEmpty ? nil : $0.take() }
    }
}
