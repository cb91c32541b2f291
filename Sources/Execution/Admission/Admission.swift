import DequeModule

/// Who may run now, who waits, in which order: first come, first served, at most `limit` at once.
///
/// A pure value: no clock, no I/O. Time-outs and cancellations reach it as ``giveUp(_:)``. While anybody waits, every place is taken.
struct Admission<Waiter: Hashable & Sendable>: Sendable {
    enum Answer: Equatable, Sendable {
        case admitted
        case queued
        case refused(Refusal)
    }

    enum Refusal: Equatable, Sendable {
        case queueFull
        case stopping
    }

    let limit: Int
    let queueLimit: Int
    private(set) var running = 0
    private(set) var isStopped = false
    private var queue: Deque<Waiter> = []

    init(limit: Int, queueLimit: Int) {
        precondition(limit > 0 && queueLimit >= 0, "admission needs a place")
        self.limit = limit
        self.queueLimit = queueLimit
    }

    var queued: Int { queue.count }

    /// Somebody new asks for a place.
    mutating func arrive(_ waiter: Waiter) -> Answer {
        if isStopped { return .refused(.stopping) }
        if running < limit {
            running += 1
            return .admitted
        }
        if queue.count >= queueLimit { return .refused(.queueFull) }
        queue.append(waiter)
        return .queued
    }

    /// A place is given back; it passes on to the waiter returned, if any.
    mutating func leave() -> Waiter? {
        precondition(running > 0, "a place was given back twice")
        if let next = queue.popFirst() { return next }
        running -= 1
        return nil
    }

    /// A waiter's time is up or it was cancelled. False when it does not wait (any more): it was admitted or refused before.
    mutating func giveUp(_ waiter: Waiter) -> Bool {
        guard let index = queue.firstIndex(of: waiter) else { return false }
        queue.remove(at: index)
        return true
    }

    /// Nobody is admitted from now on; returns those who waited. Who has a place keeps it.
    mutating func stop() -> [Waiter] {
        isStopped = true
        defer { queue.removeAll() }
        return Array(queue)
    }
}
