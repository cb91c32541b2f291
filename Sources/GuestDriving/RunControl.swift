import Synchronization

/// Tells the thread that drives an execution that nobody wants it any longer.
package final class RunControl: Sendable {
    private let wake: @Sendable () -> Void
    private let cancelled = Atomic(false)

    /// `wake` ends the wait of the port that the thread is at.
    package init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    package var isCancelled: Bool { cancelled.load(ordering: .acquiring) }

    package func cancel() {
        cancelled.store(true, ordering: .releasing)
        wake()
    }
}
