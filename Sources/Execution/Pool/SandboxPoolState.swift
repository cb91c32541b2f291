import DequeModule

/// Which sandboxes are made, kept, given away and destroyed. A pure value: it is told the time and owns what it keeps.
///
/// While anybody waits for a kind, none of that kind is ready. A resource is in one place only: ready, taken, doomed or being destroyed.
struct SandboxPoolState<Resource: Sendable>: Sendable {
    typealias Instant = ContinuousClock.Instant

    struct Configuration: Sendable {
        /// How many of each kind wait ready.
        var targets: [SandboxKind: Int] = [:]
        /// Most sandboxes of a kind in the making at once while somebody waits for one. Each kind has its own count, so that one whose interpreter
        /// is slow to start holds up no other.
        var makes = 4
        /// Most of a kind in the making at once while nobody waits, so that refilling leaves processors to what runs.
        var refills = 2
        /// Most being destroyed at once.
        var destroys = 4
        /// Nothing new is made while this many wait to be destroyed: what exists, and the memory used programs left behind, stays bounded.
        var backlog = 16
        /// Most who wait at once, of all kinds.
        var waiters = 10_000
        /// The pause after a failure, doubled for each in a row up to the longest.
        var shortestPause: Duration = .milliseconds(50)
        var longestPause: Duration = .seconds(5)
        /// After a sandbox was taken nothing is refilled or destroyed for so long, unless it is needed: who took it has the processors to itself. Ended
        /// by the sandbox's coming back.
        var restAfterTake: Duration = .milliseconds(10)
        /// The same after one came back: the answer leaves first.
        var restAfterReturn: Duration = .milliseconds(1)
        /// How long a backend may fail before those who wait are told; as long as a restart of its launcher may take.
        var patience: Duration = .seconds(10)
        /// How much longer than that somebody may wait for a backend that is only slow.
        var extraPatience: Duration = .zero
    }

    /// Why nobody gets a sandbox.
    enum Refusal: Error, Sendable, Equatable {
        case noCapacity(reason: String, retryAfter: Duration?)
        case stopping
    }

    enum Taken {
        case given(Resource)
        case waits
        case refused(Refusal)
    }

    struct Waiter: Sendable {
        let ticket: UInt64
        let kind: SandboxKind
    }

    /// A row of failures of one kind.
    struct Failing: Sendable {
        let since: Instant
        var count: Int
        /// Failures a new attempt will hardly mend.
        var setupCount: Int
        var blockedUntil: Instant
        var refusal: Refusal
    }

    struct Shelf: Sendable {
        var ready: Deque<Resource> = []
        var making = 0
        var waiters: Deque<UInt64> = []
        var failing: Failing?
    }

    let configuration: Configuration
    var shelves: [SandboxKind: Shelf]
    var doomed: Deque<Resource> = []
    var destroying = 0
    var taken = 0
    /// Until when what can wait does; see ``Configuration/restAfterTake``.
    private(set) var restsUntil: Instant?
    private(set) var isStopped = false

    init(configuration: Configuration) {
        self.configuration = configuration
        self.shelves = Dictionary(uniqueKeysWithValues: SandboxKind.allCases.map { ($0, Shelf()) })
    }

    func target(_ kind: SandboxKind) -> Int { configuration.targets[kind] ?? 0 }
    func ready(_ kind: SandboxKind) -> Int { shelves[kind]?.ready.count ?? 0 }
    func making(_ kind: SandboxKind) -> Int { shelves[kind]?.making ?? 0 }
    func waiting(_ kind: SandboxKind) -> Int { shelves[kind]?.waiters.count ?? 0 }
    var making: Int { SandboxKind.allCases.reduce(0) { $0 + making($1) } }
    var waiting: Int { SandboxKind.allCases.reduce(0) { $0 + waiting($1) } }

    /// Stopped, and nothing is left anywhere.
    var isDrained: Bool { isStopped && taken == 0 && making == 0 && doomed.isEmpty && destroying == 0 }
}

// MARK: - Taking and giving back
extension SandboxPoolState {
    /// Takes one that waits ready. Nil when there is none.
    mutating func takeReady(_ kind: SandboxKind, at now: Instant) -> Resource? {
        guard !isStopped, let resource = shelves[kind]?.ready.popFirst() else { return nil }
        taken += 1
        restsUntil = now + configuration.restAfterTake
        return resource
    }

    /// Takes one, or queues `ticket` for the next that is made. Tickets are never used twice.
    mutating func take(_ ticket: UInt64, kind: SandboxKind, at now: Instant) -> Taken {
        if isStopped { return .refused(.stopping) }
        if let resource = takeReady(kind, at: now) { return .given(resource) }
        if let failing = shelves[kind]?.failing, now < failing.blockedUntil, isDown(failing, at: now) {
            return .refused(failing.refusal)
        }
        if waiting >= configuration.waiters {
            return .refused(.noCapacity(reason: "too many executions wait for a sandbox", retryAfter: nil))
        }
        shelves[kind]?.waiters.append(ticket)
        return .waits
    }

    /// Whoever waits no longer wants one. False when the ticket does not wait (any more).
    mutating func giveUp(_ waiter: Waiter) -> Bool {
        guard let index = shelves[waiter.kind]?.waiters.firstIndex(of: waiter.ticket) else { return false }
        shelves[waiter.kind]?.waiters.remove(at: index)
        return true
    }

    /// Why a waiter whose patience is at its end did not get one.
    func reasonForWaiting(_ kind: SandboxKind) -> Refusal {
        shelves[kind]?.failing?.refusal
            ?? .noCapacity(
                reason: "no sandbox became ready in \(configuration.patience + configuration.extraPatience)",
                retryAfter: nil
            )
    }

    /// A taken one comes back, used or dead, to be destroyed.
    mutating func discard(_ resource: Resource, at now: Instant) {
        precondition(taken > 0, "a sandbox was given back twice")
        taken -= 1
        restsUntil = now + configuration.restAfterReturn
        doomed.append(resource)
    }

    /// Takes out of the shelves what `isDead` names; it will be destroyed.
    mutating func dropReady(where isDead: (Resource) -> Bool) -> Int {
        var dropped = 0
        for kind in SandboxKind.allCases {
            guard let ready = shelves[kind]?.ready, ready.contains(where: isDead) else { continue }
            let dead = ready.filter(isDead)
            shelves[kind]?.ready.removeAll(where: isDead)
            doomed.append(contentsOf: dead)
            dropped += dead.count
        }
        return dropped
    }

    /// Whether what can wait still has to.
    func rests(at now: Instant) -> Bool { restsUntil.map { now < $0 } ?? false }

    /// Nothing is made or given from now on. Returns who waited; everything ready is doomed.
    mutating func stop() -> [UInt64] {
        isStopped = true
        var waiters: [UInt64] = []
        for kind in SandboxKind.allCases {
            guard let shelf = shelves[kind] else { continue }
            waiters += shelf.waiters
            doomed.append(contentsOf: shelf.ready)
            shelves[kind]?.waiters.removeAll()
            shelves[kind]?.ready.removeAll()
        }
        return waiters
    }
}
