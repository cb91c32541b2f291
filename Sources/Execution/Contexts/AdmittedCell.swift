import Synchronization

/// A cell that has its place in a context.
///
/// It gives it back when it has run, at the latest when nobody holds it any more.
package final class AdmittedCell: Sendable {
    private let cell: Cell
    private let contexts: TenantContexts
    private let id: String
    private let ticket: UInt64
    private let capacityRetryAfter: Duration
    private let isClaimed = Atomic(false)

    init(_ cell: Cell, contexts: TenantContexts, id: String, ticket: UInt64, capacityRetryAfter: Duration) {
        self.cell = cell
        self.contexts = contexts
        self.id = id
        self.ticket = ticket
        self.capacityRetryAfter = capacityRetryAfter
    }

    deinit {
        if isClaimed.load(ordering: .acquiring) { return }
        let (contexts, id, ticket) = (contexts, id, ticket)
        // Nobody waits for this: it only gives the place back.
        Task { await contexts.abandon(id, ticket) }
    }

    /// Runs it when its turn comes; once.
    ///
    /// `events` is called in order, from one thread at a time, may block it (that is the backpressure) and is never called after the return. Cancelling
    /// the task interrupts the cell.
    /// - Throws: ``ContextRefusal`` when its context was deleted or has no interpreter any more, `CancellationError` while it waited for its turn;
    ///   never for anything the code does.
    package func run(events: @escaping @Sendable (CellEvent) -> Void) async throws -> CellEnding {
        let wasClaimed = isClaimed.exchange(true, ordering: .acquiringAndReleasing)
        precondition(!wasClaimed, "an admitted cell runs once")
        do {
            return try await contexts.run(cell, id, ticket, events: events)
        } catch {
            throw ContextService.explanation(of: error, [], capacityRetryAfter: capacityRetryAfter)
        }
    }
}
