import Execution
import NIOCore
import Synchronization

/// Hands the output of a running execution from the thread that reads it to the task that sends it.
///
/// It never makes the reading side wait: what can pile up is bounded by the execution's own output limits.
final class OutputQueue: Sendable {
    typealias Chunk = (stream: OutputStream, bytes: ByteBuffer)

    private struct State {
        var chunks: [Chunk] = []
        var isFinished = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func append(_ bytes: ByteBuffer, to stream: OutputStream) {
        let waiter = state.withLock { state in
            state.chunks.append((stream, bytes))
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

    /// Everything that came since the last call, at least one chunk; nil after the end. One caller at a time.
    func next() async -> [Chunk]? {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if !state.chunks.isEmpty || state.isFinished { return true }
                state.waiter = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
        return state.withLock { state in
            defer { state.chunks = [] }
            return state.chunks.isEmpty ? nil : state.chunks
        }
    }
}
