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
    /// Whether its interpreter said that it ends with it.
    var isLast = false
    /// Who stopped it first.
    private(set) var stop: CellEnding.Stop?
    /// When it is interrupted next: a program may miss one, or catch it.
    private var interruptAt: Instant?
    private var interruptPause: Duration = .zero
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
        interruptAt = now
        interruptPause = grace / 3
        killAt = now + grace
    }

    /// Whether to interrupt it now: three times in its grace, and not before it has begun: an interrupt would be lost.
    mutating func takeInterrupt(at now: Instant) -> Bool {
        guard let interruptAt, hasStarted, !isLast, interruptAt <= now else { return false }
        self.interruptAt = now + interruptPause
        return true
    }

    /// When something is due even if nothing happens.
    var nextMoment: Instant? {
        guard let killAt else { return timeLimit }
        guard hasStarted, !isLast, let interruptAt else { return killAt }
        return min(killAt, interruptAt)
    }
}
