import Execution
import Glibc

/// Looks at the CPU time of a sandbox no more often than it can matter: the limit cannot be reached before all
/// processors together have used what is left.
struct ProcessorWatch {
    private let counters: any ResourceCounters
    private let limit: Duration
    /// What making the sandbox had used.
    private let before: Duration?
    /// Nil where nobody counts.
    private(set) var nextLook: ContinuousClock.Instant?

    private static let processors = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    /// So that the last moments before the limit are not spent looking.
    private static let shortestInterval: Duration = .milliseconds(5)

    init(_ counters: any ResourceCounters, limit: Duration, start: ContinuousClock.Instant) {
        self.counters = counters
        self.limit = limit
        before = counters.processorTime
        nextLook = before == nil ? nil : start + limit / Self.processors
    }

    /// Nil where nobody counts.
    var used: Duration? {
        guard let before, let now = counters.processorTime else { return nil }
        return now - before
    }

    mutating func isExceeded(at now: ContinuousClock.Instant) -> Bool {
        guard let nextLook, nextLook <= now, let used else { return false }
        if used >= limit { return true }
        self.nextLook = now + max((limit - used) / Self.processors, Self.shortestInterval)
        return false
    }
}
