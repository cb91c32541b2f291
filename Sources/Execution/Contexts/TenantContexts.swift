import Logging

/// The default sandbox of one tenant, and the contexts in it. Carries out what ``ContextTable`` decides.
actor TenantContexts {
    typealias Table = ContextTable<any Kernel>
    typealias Instant = ContinuousClock.Instant

    /// Where the sandbox is.
    private enum Place {
        case none
        /// Awaited by whoever needs it.
        case making(Task<any Sandbox, any Error>)
        case standing(any Sandbox)
    }

    private let configuration: ContextService.Configuration
    private let pool: SandboxPool
    private let metrics: ExecutionMetrics
    private var place = Place.none
    private var isFrozen = false
    /// When somebody last wanted something of the sandbox.
    private var lastUsed = Instant.now
    private var isStopped = false
    private var table: Table
    private var lastTicket: UInt64 = 0
    private var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]

    init(configuration: ContextService.Configuration, pool: SandboxPool, metrics: ExecutionMetrics) {
        self.configuration = configuration
        self.pool = pool
        self.metrics = metrics
        table = Table(configuration: configuration.table)
    }

    /// All contexts in the order of their creation; the default one of Python is always there, as the first.
    var descriptions: [ContextDescription] {
        let all = table.entries.map(\.description)
        return table.defaultID(of: Language.python) == nil ? [Self.pythonDefault(configuration)] + all : all
    }

    /// Makes a context and starts its interpreter.
    func create(language: String, directory: String) async throws -> ContextDescription {
        let description = ContextDescription(id: ContextID.random(), language: language, directory: directory)
        try checkStopped()
        try table.add(description, isDefault: false, at: .now)
        do {
            let ticket = newTicket()
            try await takeTurn(description.id, ticket, isUrgent: false)
            defer { leave(description.id, ticket) }
            _ = try await livingKernel(description.id, ticket)
            return description
        } catch {
            // Whoever asked never hears of it.
            drop(table.remove(description.id), error: error)
            throw error
        }
    }

    /// Replaces the interpreter of a context; what runs in it ends first.
    func restart(_ id: String) async throws {
        let id = try existing(id)
        thaw()
        table.entry(id)?.kernel?.kill()
        let ticket = newTicket()
        try await takeTurn(id, ticket, isUrgent: true)
        defer { leave(id, ticket) }
        // Another one may have begun in its place meanwhile.
        table.entry(id)?.kernel?.kill()
        _ = table.setKernel(nil, of: id)
        _ = try await livingKernel(id, ticket)
    }

    /// Ends a context, with what runs in it and what waits for it.
    func delete(_ id: String) throws {
        let id = try existing(id)
        lastUsed = .now
        drop(table.remove(id), error: ContextRefusal.deleted(id: id))
    }

    /// Interrupts what runs in a context.
    func interrupt(_ id: String) throws {
        let id = try existing(id)
        lastUsed = .now
        thaw()
        table.entry(id)?.kernel?.interrupt(.interrupted)
    }

    /// The tenant's sandbox, made if there is none.
    func sandbox() async throws -> any Sandbox {
        try checkStopped()
        lastUsed = .now
        if case .standing(let sandbox) = place {
            if sandbox.isAlive {
                thaw()
                return sandbox
            }
            place = .none
            isFrozen = false
            pool.discard(sandbox)
        }
        if case .making(let task) = place { return try await task.value }
        let (pool, metrics) = (pool, metrics)
        // Unstructured because several may wait for it; each of them awaits it right below. It ends soon by itself, at the latest with the pool's patience.
        let task = Task { () throws -> any Sandbox in
            let taken = try await pool.take(.notebook)
            metrics.tookSandbox(.notebook, wasReady: taken.wasReady)
            return taken.sandbox
        }
        place = .making(task)
        do {
            let sandbox = try await task.value
            guard case .making = place, !isStopped else {
                if isStopped { pool.discard(sandbox) }
                return sandbox
            }
            place = .standing(sandbox)
            return sandbox
        } catch {
            if case .making = place { place = .none }
            throw error
        }
    }
}

// MARK: - Cells
extension TenantContexts {
    /// Finds the context of a cell, made if it is a default one, and gives the cell a place in it. Its interpreter lives where the turn came at once.
    ///
    /// - Throws: ``ContextRefusal`` and what ``livingKernel(_:_:)`` throws; the place is given back then.
    func admit(_ choice: ContextChoice) async throws -> (id: String, ticket: UInt64) {
        try checkStopped()
        lastUsed = .now
        let id = try contextID(choice)
        let ticket = newTicket()
        switch table.enter(id, ticket: ticket, at: .now) {
        case .refused(let refusal): throw refusal
        case .waits: return (id, ticket)
        case .turn: break
        }
        do {
            _ = try await livingKernel(id, ticket)
            return (id, ticket)
        } catch {
            leave(id, ticket)
            throw error
        }
    }

    /// Runs a cell that was admitted, when its turn comes, and gives its place back.
    func run(
        _ cell: Cell,
        _ id: String,
        _ ticket: UInt64,
        events: @escaping @Sendable (CellEvent) -> Void
    ) async throws -> CellEnding {
        defer { leave(id, ticket) }
        let arrival = Instant.now
        try await waitForTurn(id, ticket)
        let start = Instant.now
        metrics.admitted(.contextExecute, after: start - arrival)
        defer { metrics.left(.contextExecute) }
        do {
            let ending = try await attempt(cell, id, ticket, events: events)
            metrics.completed(.contextExecute, outcome: ending.metricsLabel, after: .now - start)
            return ending
        } catch {
            metrics.completed(.contextExecute, outcome: "failed", after: .now - start)
            throw error
        }
    }

    /// Runs a cell whose turn it is. An interpreter that dies before anything of the cell has begun takes nothing with it.
    private func attempt(
        _ cell: Cell,
        _ id: String,
        _ ticket: UInt64,
        events: @escaping @Sendable (CellEvent) -> Void
    ) async throws -> CellEnding {
        for _ in 0..<Self.attempts {
            let kernel = try await livingKernel(id, ticket)
            let begun = FirstEvent()
            let ending = await kernel.run(cell) { event in
                begun.note()
                events(event)
            }
            if begun.isNoted || ending.death == nil { return ending }
        }
        throw ContextRefusal.cannotStart("its interpreter ends again and again")
    }

    /// How many interpreters are tried for one cell.
    private static let attempts = 3

    /// Gives back the place of a cell that will not run.
    func abandon(_ id: String, _ ticket: UInt64) {
        if !table.giveUp(id, ticket: ticket) { leave(id, ticket) }
    }

    private func contextID(_ choice: ContextChoice) throws -> String {
        switch choice {
        case .id(let id): return try existing(id)
        case .defaultOf(let language):
            if let id = table.defaultID(of: language) { return id }
            var description = Self.pythonDefault(configuration)
            if language != Language.python {
                description = ContextDescription(
                    id: ContextID.random(),
                    language: language,
                    directory: description.directory
                )
            }
            try table.add(description, isDefault: true, at: .now)
            return description.id
        }
    }

    private static func pythonDefault(_ configuration: ContextService.Configuration) -> ContextDescription {
        ContextDescription(id: ContextID.default, language: Language.python, directory: configuration.directory)
    }

    /// The id of a context that exists; the default one of Python always does.
    private func existing(_ id: String) throws -> String {
        if table.entry(id) != nil { return id }
        guard id == ContextID.default else { throw ContextRefusal.unknownContext(id: id) }
        try table.add(Self.pythonDefault(configuration), isDefault: true, at: .now)
        return id
    }
}

// MARK: - Turns
extension TenantContexts {
    private func newTicket() -> UInt64 {
        lastTicket += 1
        return lastTicket
    }

    private func takeTurn(_ id: String, _ ticket: UInt64, isUrgent: Bool) async throws {
        switch table.enter(id, ticket: ticket, isUrgent: isUrgent, at: .now) {
        case .refused(let refusal): throw refusal
        case .turn: return
        case .waits: try await waitForTurn(id, ticket)
        }
    }

    /// Returns when it is the ticket's turn. Throws where it never will be: its context was deleted, even if there is one of that id again.
    private func waitForTurn(_ id: String, _ ticket: UInt64) async throws {
        if table.hasTurn(id, ticket: ticket) { return }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                if table.hasTurn(id, ticket: ticket) { return continuation.resume() }
                guard table.isWaiting(id, ticket: ticket) else {
                    return continuation.resume(throwing: ContextRefusal.deleted(id: id))
                }
                if Task.isCancelled { return continuation.resume(throwing: CancellationError()) }
                waiters[ticket] = continuation
            }
        } onCancel: {
            // Nobody needs to wait for this: it only resumes us.
            Task { await self.stopWaiting(id, ticket) }
        }
    }

    private func stopWaiting(_ id: String, _ ticket: UInt64) {
        _ = table.giveUp(id, ticket: ticket)
        waiters.removeValue(forKey: ticket)?.resume(throwing: CancellationError())
    }

    private func leave(_ id: String, _ ticket: UInt64) {
        lastUsed = .now
        _ = table.giveUp(id, ticket: ticket)
        // The next one may not listen yet; then it finds its turn when it does.
        if let next = table.leave(id, ticket: ticket, at: .now) { waiters.removeValue(forKey: next)?.resume() }
    }

    /// Ends what a removed context leaves behind.
    private func drop(_ removed: Table.Removed?, error: any Error) {
        // A frozen process does not die.
        thaw()
        removed?.kernel?.kill()
        for ticket in removed?.waiting ?? [] { waiters.removeValue(forKey: ticket)?.resume(throwing: error) }
    }
}

// MARK: - Interpreters
extension TenantContexts {
    /// The interpreter of a context whose turn the caller has, started where there is none that lives.
    ///
    /// - Throws: ``ContextRefusal/deleted(id:)`` where the turn went with the context: another one may have its id by now.
    private func livingKernel(_ id: String, _ ticket: UInt64) async throws -> any Kernel {
        var lastReason = "every sandbox was lost at once"
        for _ in 0..<Self.attempts {
            guard let entry = table.entry(id), table.hasTurn(id, ticket: ticket) else {
                throw ContextRefusal.deleted(id: id)
            }
            if let kernel = entry.kernel, kernel.death == nil {
                thaw()
                return kernel
            }
            let sandbox = try await sandbox()
            do {
                let kernel = try await sandbox.openKernel(
                    language: entry.description.language,
                    directory: entry.description.directory
                )
                guard table.hasTurn(id, ticket: ticket), table.setKernel(kernel, of: id) else {
                    kernel.kill()
                    throw ContextRefusal.deleted(id: id)
                }
                return kernel
            } catch SandboxError.lost where !sandbox.isAlive {
                // Another sandbox is taken.
                continue
            } catch SandboxError.setup(let reason) {
                // Killed while it became warm, most likely by want of memory.
                lastReason = reason
            } catch SandboxError.unavailable(let reason, _) {
                // Its zygote died; the next attempt waits for another one.
                lastReason = reason
            }
        }
        throw ContextRefusal.cannotStart(lastReason)
    }

    private func thaw() {
        guard isFrozen, case .standing(let sandbox) = place else { return }
        isFrozen = false
        sandbox.setFrozen(false)
    }

    private func checkStopped() throws {
        if isStopped { throw ContextRefusal.stopping }
    }
}

// MARK: - Upkeep
extension TenantContexts {
    /// Ends contexts that were idle for too long, and freezes a sandbox in which nobody does anything.
    func lookAfter(at now: Instant) {
        let idle = configuration.idleTimeout.map { table.idle(since: now - $0) } ?? []
        // The default one without an interpreter has nothing to end.
        let ended = idle.filter { table.entry($0)?.kernel != nil || $0 != ContextID.default }
        for id in ended { drop(table.remove(id), error: ContextRefusal.deleted(id: id)) }
        // What was killed must run to die.
        if !ended.isEmpty { return }
        // Also where there is no context any more: processes outlive theirs.
        guard let pause = configuration.freezeAfter, !isFrozen, table.isQuiet, case .standing(let sandbox) = place,
            lastUsed <= now - pause
        else { return }
        isFrozen = true
        sandbox.setFrozen(true)
    }

    /// Ends everything; nothing can be had afterwards.
    func stop() {
        isStopped = true
        for entry in table.entries { drop(table.remove(entry.description.id), error: ContextRefusal.stopping) }
        if case .standing(let sandbox) = place {
            place = .none
            pool.discard(sandbox)
        }
    }
}
