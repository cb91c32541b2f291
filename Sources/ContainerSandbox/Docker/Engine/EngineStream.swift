package import NIOCore
import Synchronization

/// The standard streams of a container. Every method may be called on any thread.
package final class EngineStream: Sendable {
    private struct State {
        var pending: [ByteBuffer] = []
        var unsentBytes = 0
        var isScheduled = false
        var isClosed = false
    }

    private let channel: any Channel
    private let state = Mutex(State())

    init(channel: any Channel) {
        self.channel = channel
    }

    /// Sends bytes to the container's standard input, in the order of the calls. After the end they are dropped.
    ///
    /// Nothing holds the caller up: look at ``unsentBytes``.
    package func write(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0 else { return }
        let isFirst = state.withLock { state in
            if state.isClosed { return false }
            state.pending.append(bytes)
            state.unsentBytes += bytes.readableBytes
            if state.isScheduled { return false }
            state.isScheduled = true
            return true
        }
        // What others write until the event loop gets there leaves with it, in one system call.
        if isFirst { channel.eventLoop.execute { self.send() } }
    }

    /// How many written bytes the kernel has not taken yet; 0 after the end.
    package var unsentBytes: Int { state.withLock { $0.unsentBytes } }

    /// Stops and resumes taking the container's output out of the connection. The container then waits for us as it would at a full pipe.
    ///
    /// What was read already still comes: at most a few buffers, and at the end of the stream what the kernel held.
    package func setReading(_ isReading: Bool) {
        channel.setOption(.autoRead, value: isReading).whenFailure { _ in
            // Closed: there is nothing to read.
        }
    }

    /// Ends the connection; the container's standard input ends with it. What was not sent is lost.
    package func close() {
        state.withLock { $0.isClosed = true }
        channel.close(promise: nil)
    }

    /// Forgets what was not sent; called when the connection has ended.
    ///
    /// - Returns: whether ``close()`` was called.
    func ended() -> Bool {
        state.withLock { state in
            defer { state.isClosed = true }
            state.pending = []
            state.unsentBytes = 0
            return state.isClosed
        }
    }

    private func send() {
        let buffers = state.withLock { state in
            defer { state.pending = [] }
            state.isScheduled = false
            return state.pending
        }
        for buffer in buffers {
            channel.write(buffer).whenSuccess { self.sent(buffer.readableBytes) }
        }
        channel.flush()
    }

    private func sent(_ count: Int) {
        state.withLock { $0.unsentBytes = max(0, $0.unsentBytes - count) }
    }
}
