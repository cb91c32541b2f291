import Synchronization

/// Wakes one task that looks after something. Rings while nobody listens are remembered, as one.
final class Doorbell: Sendable {
    private enum State {
        case quiet
        case rung
        case listening(CheckedContinuation<Void, Never>)
    }

    private let state = Mutex(State.quiet)

    func ring() {
        let listener: CheckedContinuation<Void, Never>? = state.withLock { state in
            defer { state = .rung }
            guard case .listening(let continuation) = state else { return nil }
            return continuation
        }
        guard let listener else { return }
        listener.resume()
    }

    /// Returns at the next ring, at once if it rang meanwhile, or when the task is cancelled. For one task at a time.
    func listen() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isRung = state.withLock { state in
                    switch state {
                    case .rung: return true
                    case .listening: preconditionFailure("a doorbell has one listener")
                    case .quiet:
                        // A cancellation from before this lock rang nobody; a later one will find us.
                        if Task.isCancelled { return true }
                        state = .listening(continuation)
                        return false
                    }
                }
                if isRung { continuation.resume() }
            }
        } onCancel: {
            ring()
        }
        state.withLock { $0 = .quiet }
    }
}
