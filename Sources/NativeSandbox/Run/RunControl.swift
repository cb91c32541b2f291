import Synchronization

/// Tells the thread that drives an execution that nobody wants it any longer.
final class RunControl: Sendable {
    let wakeUp: WakeUp
    private let cancelled = Atomic(false)

    init() throws(SystemError) { wakeUp = try WakeUp() }

    var isCancelled: Bool { cancelled.load(ordering: .acquiring) }

    func cancel() {
        cancelled.store(true, ordering: .releasing)
        wakeUp.signal()
    }
}
