import Synchronization

/// What requests may know of the connection they came by: whether its client is still there.
final class Connection: Sendable {
    /// The connection whose requests the current task answers.
    @TaskLocal static var current: Connection?

    private struct State {
        var isClosed = false
        var whenClosed: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// Runs `operation` and cancels it as soon as the client is gone.
    ///
    /// A client that only closed its sending side counts as gone. One operation of a connection at a time.
    /// - Throws: what `operation` throws, `CancellationError` if it looks at its cancellation.
    func cancellingWhenClosed<Value: Sendable>(
        _ operation: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        // Not a child task, so that it can be cancelled alone. It is awaited right below, and cancelled by the connection and by our own cancellation.
        let task = Task { try await operation() }
        whenClosed { task.cancel() }
        defer { whenClosed(nil) }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// Called by the connection's handler, any number of times.
    func markClosed() {
        let action = state.withLock { state in
            state.isClosed = true
            defer { state.whenClosed = nil }
            return state.whenClosed
        }
        action?()
    }

    /// Whether the client went away.
    var isClosed: Bool { state.withLock(\.isClosed) }

    private func whenClosed(_ action: (@Sendable () -> Void)?) {
        let isClosed = state.withLock { state in
            state.whenClosed = state.isClosed ? nil : action
            return state.isClosed
        }
        if isClosed { action?() }
    }
}
