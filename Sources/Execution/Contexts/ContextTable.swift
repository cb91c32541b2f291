import DequeModule

/// The contexts of one tenant: which there are, whose turn it is in each, which are idle. A pure value: it is told the time and owns the kernels.
///
/// A context has one turn at a time. Whoever has it, a cell or a restart, may use its kernel, and gives the turn back.
struct ContextTable<Kernel: Sendable>: Sendable {
    typealias Instant = ContinuousClock.Instant

    struct Configuration: Sendable {
        /// Most contexts; the default one of Python does not count.
        var contexts = 64
        /// Most cells that wait for their turn in one context.
        var waiting = 64
    }

    struct Entry: Sendable {
        var description: ContextDescription
        /// Whether cells that name no context go to it.
        var isDefault: Bool
        var kernel: Kernel?
        fileprivate(set) var turn: UInt64?
        fileprivate(set) var waiting: Deque<UInt64> = []
        fileprivate(set) var lastUsed: Instant

        var isBusy: Bool { turn != nil }
    }

    enum Place: Sendable, Equatable {
        /// It is the ticket's turn.
        case turn
        case waits
        case refused(ContextRefusal)
    }

    /// What a context leaves behind.
    struct Removed: Sendable {
        var kernel: Kernel?
        /// Who waited for a turn.
        var waiting: [UInt64]
    }

    let configuration: Configuration
    private(set) var entries: [Entry] = []

    init(configuration: Configuration) { self.configuration = configuration }

    func entry(_ id: String) -> Entry? { index(id).map { entries[$0] } }

    /// The default context of a language.
    func defaultID(of language: String) -> String? {
        entries.first { $0.isDefault && $0.description.language == language }?.description.id
    }

    /// Whether nobody has a turn anywhere.
    var isQuiet: Bool { !entries.contains(where: \.isBusy) }

    /// Adds a context behind the others, the default one of Python before them: to clients it was always there.
    mutating func add(_ description: ContextDescription, isDefault: Bool, at now: Instant) throws(ContextRefusal) {
        precondition(index(description.id) == nil, "a context was added twice")
        let entry = Entry(description: description, isDefault: isDefault, kernel: nil, lastUsed: now)
        if Self.isPythonDefault(description) { return entries.insert(entry, at: 0) }
        let count = entries.count(where: { !Self.isPythonDefault($0.description) })
        guard count < configuration.contexts else { throw .tooManyContexts(limit: configuration.contexts) }
        entries.append(entry)
    }

    /// Asks for a turn. Tickets are never used twice.
    mutating func enter(_ id: String, ticket: UInt64, isUrgent: Bool = false, at now: Instant) -> Place {
        guard let index = index(id) else { return .refused(.unknownContext(id: id)) }
        entries[index].lastUsed = now
        guard entries[index].isBusy else {
            entries[index].turn = ticket
            return .turn
        }
        if isUrgent {
            entries[index].waiting.prepend(ticket)
            return .waits
        }
        guard entries[index].waiting.count < configuration.waiting else {
            return .refused(.queueFull(limit: configuration.waiting))
        }
        entries[index].waiting.append(ticket)
        return .waits
    }

    /// Gives a turn back; whose turn it is now. Nothing where the context was removed meanwhile.
    mutating func leave(_ id: String, ticket: UInt64, at now: Instant) -> UInt64? {
        guard let index = index(id), entries[index].turn == ticket else { return nil }
        entries[index].lastUsed = now
        entries[index].turn = entries[index].waiting.popFirst()
        return entries[index].turn
    }

    /// Whoever waits no longer wants a turn. False when the ticket does not wait (any more).
    mutating func giveUp(_ id: String, ticket: UInt64) -> Bool {
        guard let index = index(id), let place = entries[index].waiting.firstIndex(of: ticket) else { return false }
        entries[index].waiting.remove(at: place)
        return true
    }

    /// Whether the turn is the ticket's.
    func hasTurn(_ id: String, ticket: UInt64) -> Bool { entry(id)?.turn == ticket }

    /// Whether the ticket waits for its turn.
    func isWaiting(_ id: String, ticket: UInt64) -> Bool { entry(id)?.waiting.contains(ticket) ?? false }

    /// Sets the kernel of a context that still exists; false where it does not.
    mutating func setKernel(_ kernel: Kernel?, of id: String) -> Bool {
        guard let index = index(id) else { return false }
        entries[index].kernel = kernel
        return true
    }

    mutating func remove(_ id: String) -> Removed? {
        guard let index = index(id) else { return nil }
        let entry = entries.remove(at: index)
        return Removed(kernel: entry.kernel, waiting: Array(entry.waiting))
    }

    /// Contexts that nobody used since `moment`.
    func idle(since moment: Instant) -> [String] {
        entries.filter { !$0.isBusy && $0.lastUsed <= moment }.map(\.description.id)
    }

    private static func isPythonDefault(_ description: ContextDescription) -> Bool {
        description.id == ContextID.default
    }

    private func index(_ id: String) -> Int? { entries.firstIndex { $0.description.id == id } }
}
