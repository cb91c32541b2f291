import DequeModule

// MARK: - Making
extension SandboxPoolState {
    enum Made: Equatable {
        /// It belongs to this waiter now.
        case given(UInt64)
        case kept
        /// Nobody wants it any more: it is doomed.
        case doomed
    }

    struct Failed: Equatable {
        /// Who waited for that kind and is refused now.
        var refused: [UInt64]
        var refusal: Refusal
        /// Nothing of that kind is made for so long.
        var pause: Duration
    }

    /// Which sandboxes to begin now. Each is followed by ``made(_:kind:)``, ``makeFailed(_:isSetup:refusal:at:)`` or ``makeCancelled(_:)``.
    mutating func startMakes(at now: Instant) -> [SandboxKind] {
        var kinds: [SandboxKind] = []
        while let kind = nextMake(at: now) {
            shelves[kind]?.making += 1
            kinds.append(kind)
        }
        return kinds
    }

    /// A sandbox is ready: the longest waiting gets it.
    mutating func made(_ resource: Resource, kind: SandboxKind) -> Made {
        finishMake(kind)
        shelves[kind]?.failing = nil
        if isStopped {
            doomed.append(resource)
            return .doomed
        }
        guard let ticket = shelves[kind]?.waiters.popFirst() else {
            shelves[kind]?.ready.append(resource)
            return .kept
        }
        taken += 1
        return .given(ticket)
    }

    /// A sandbox could not be made.
    ///
    /// Those who wait are refused once the kind is down: it failed for longer than the patience, or twice in a row in a way a new attempt will
    /// hardly mend. Failures of attempts that ran beside the first one count as one.
    mutating func makeFailed(_ kind: SandboxKind, isSetup: Bool, refusal: Refusal, at now: Instant) -> Failed {
        finishMake(kind)
        var failing =
            shelves[kind]?.failing ?? Failing(since: now, count: 0, setupCount: 0, blockedUntil: now, refusal: refusal)
        if failing.count == 0 || now >= failing.blockedUntil {
            failing.count += 1
            failing.setupCount = isSetup ? failing.setupCount + 1 : 0
            failing.blockedUntil = now + pause(after: failing.count)
        }
        failing.refusal = refusal
        shelves[kind]?.failing = failing
        var refused: [UInt64] = []
        if isDown(failing, at: now), let waiters = shelves[kind]?.waiters {
            refused = Array(waiters)
            shelves[kind]?.waiters.removeAll()
        }
        return Failed(refused: refused, refusal: refusal, pause: failing.blockedUntil - now)
    }

    /// A make was cancelled, and left nothing.
    mutating func makeCancelled(_ kind: SandboxKind) {
        finishMake(kind)
    }

    func isDown(_ failing: Failing, at now: Instant) -> Bool {
        failing.setupCount >= 2 || now - failing.since >= configuration.patience
    }

    /// The next kind to make: first for those who wait, the longest waiting first, then for the emptier shelf.
    private func nextMake(at now: Instant) -> SandboxKind? {
        if isStopped || doomed.count + destroying >= configuration.backlog { return nil }
        let possible = SandboxKind.allCases.filter { mayMake($0, at: now) }
        let wanted = possible.filter { waiting($0) > making($0) }
        if let kind = wanted.min(by: { firstTicket($0) < firstTicket($1) }) { return kind }
        let rests = rests(at: now)
        let missing = possible.filter {
            making($0) < configuration.refills && ready($0) + making($0) < target($0) + waiting($0)
                // A shelf that is half empty does not wait.
                && (!rests || 2 * (ready($0) + making($0)) < target($0))
        }
        return missing.min { fill($0) < fill($1) }
    }

    /// A kind that failed rests, and then is tried with one at a time until it works.
    private func mayMake(_ kind: SandboxKind, at now: Instant) -> Bool {
        if making(kind) >= configuration.makes { return false }
        guard let failing = shelves[kind]?.failing else { return true }
        return now >= failing.blockedUntil && making(kind) == 0
    }

    private func firstTicket(_ kind: SandboxKind) -> UInt64 { shelves[kind]?.waiters.first ?? .max }

    private func fill(_ kind: SandboxKind) -> Double {
        Double(ready(kind) + making(kind)) / Double(max(1, target(kind)))
    }

    private func pause(after count: Int) -> Duration {
        // 2^16 times the shortest pause is beyond any longest one; more would overflow.
        min(configuration.longestPause, configuration.shortestPause * (1 << min(count - 1, 16)))
    }

    private mutating func finishMake(_ kind: SandboxKind) {
        precondition(making(kind) > 0, "a sandbox was made that nobody began")
        shelves[kind]?.making -= 1
    }
}

// MARK: - Destroying
extension SandboxPoolState {
    /// What to destroy now. Each is followed by ``destroyed()``.
    mutating func startDestroys(at now: Instant) -> [Resource] {
        // A few can wait; many hold memory that is wanted.
        if rests(at: now), !isStopped, doomed.count < configuration.destroys { return [] }
        let count = min(doomed.count, configuration.destroys - destroying)
        guard count > 0 else { return [] }
        let resources = Array(doomed.prefix(count))
        doomed.removeFirst(count)
        destroying += count
        return resources
    }

    mutating func destroyed() {
        precondition(destroying > 0, "a sandbox was destroyed that nobody doomed")
        destroying -= 1
    }
}
