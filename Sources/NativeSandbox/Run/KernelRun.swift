import Execution

/// A cell that runs.
struct KernelRun {
    typealias Instant = ContinuousClock.Instant

    let id: Int
    let events: @Sendable (CellEvent) -> Void
    let answer: CheckedContinuation<CellEnding, Never>
    /// When its time is up; nil where it may take as long as it likes.
    let timeLimit: Instant?
    var hasStarted = false
    /// Who stopped it first.
    private(set) var stop: CellEnding.Stop?
    private var isInterruptDue = false
    /// When its kernel is killed; nil while nobody stopped it.
    var killAt: Instant?

    init(
        id: Int,
        cell: Cell,
        start: Instant,
        events: @escaping @Sendable (CellEvent) -> Void,
        answer: CheckedContinuation<CellEnding, Never>
    ) {
        self.id = id
        self.events = events
        self.answer = answer
        timeLimit = cell.timeLimit.map { start + $0 }
    }

    /// Somebody wants it to end; only the first counts.
    mutating func request(_ stop: CellEnding.Stop, at now: Instant, grace: Duration) {
        guard self.stop == nil else { return }
        self.stop = stop
        isInterruptDue = true
        killAt = now + grace
    }

    /// Whether to interrupt it now. True once, and not before it has begun: an interrupt would be lost.
    mutating func takeInterrupt() -> Bool {
        guard isInterruptDue, hasStarted else { return false }
        isInterruptDue = false
        return true
    }

    /// When something is due even if nothing happens.
    var nextMoment: Instant? {
        if let killAt { return killAt }
        return timeLimit
    }
}
