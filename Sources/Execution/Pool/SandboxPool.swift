import Logging
import Synchronization

/// Sandboxes made ahead of time, each given away once. Carries out what ``SandboxPoolState`` decides.
final class SandboxPool: Sendable {
    typealias State = SandboxPoolState<any Sandbox>

    /// A sandbox that belongs to the caller until it is given to ``SandboxPool/discard(_:)``.
    struct Taken: Sendable {
        let sandbox: any Sandbox
        /// Whether it was waiting, or the caller had to.
        let wasReady: Bool
    }

    struct Contents: Sendable {
        var state: State
        var waiting: [UInt64: CheckedContinuation<any Sandbox, any Error>] = [:]
        /// Given away and not yet back.
        var taken: [SandboxID: any Sandbox] = [:]
        var nextTicket: UInt64 = 0
    }

    let backend: any SandboxBackend
    let logger: Logger
    let contents: Mutex<Contents>
    /// Rings when something may have to be made or destroyed; ``run()`` listens.
    let doorbell = Doorbell()
    private let patience: Duration

    init(configuration: State.Configuration, backend: any SandboxBackend, logger: Logger) {
        self.backend = backend
        self.logger = logger
        self.patience = configuration.patience + configuration.extraPatience
        self.contents = Mutex(Contents(state: State(configuration: configuration)))
    }

    func ready(_ kind: SandboxKind) -> Int { contents.withLock { $0.state.ready(kind) } }

    /// Takes a living sandbox: one that waits ready, else the next that is made.
    ///
    /// - Throws: ``SandboxPoolState/Refusal``, `CancellationError`.
    func take(_ kind: SandboxKind) async throws -> Taken {
        let deadline = ContinuousClock.now + patience
        while true {
            if let sandbox = takeReady(kind) {
                if sandbox.isAlive { return Taken(sandbox: sandbox, wasReady: true) }
                discard(sandbox)
            } else {
                let sandbox = try await next(kind, until: deadline)
                if sandbox.isAlive { return Taken(sandbox: sandbox, wasReady: false) }
                discard(sandbox)
            }
        }
    }

    /// Takes a sandbox back, to be destroyed soon, by ``run()``. Whoever took it may not touch it any more.
    func discard(_ sandbox: any Sandbox) {
        contents.withLock { contents in
            // Unknown when the shutdown lost its patience and destroyed it already.
            guard contents.taken.removeValue(forKey: sandbox.id) != nil else { return }
            contents.state.discard(sandbox, at: .now)
        }
        doorbell.ring()
    }

    private func takeReady(_ kind: SandboxKind) -> (any Sandbox)? {
        let sandbox = contents.withLock { contents in
            let sandbox = contents.state.takeReady(kind, at: .now)
            if let sandbox { contents.taken[sandbox.id] = sandbox }
            return sandbox
        }
        if sandbox != nil { doorbell.ring() }
        return sandbox
    }

    private func next(_ kind: SandboxKind, until deadline: ContinuousClock.Instant) async throws -> any Sandbox {
        let ticket = contents.withLock { contents in
            contents.nextTicket += 1
            return contents.nextTicket
        }
        let waiter = State.Waiter(ticket: ticket, kind: kind)
        // The alarm is cancelled and awaited on leaving this scope.
        async let _ = refuse(waiter, at: deadline)
        return try await wait(waiter, until: deadline)
    }

    private func wait(_ waiter: State.Waiter, until deadline: ContinuousClock.Instant) async throws -> any Sandbox {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let answer: Result<any Sandbox, any Error>? = contents.withLock { contents in
                    // A cancellation or alarm from before this lock did not find the ticket; a later one will.
                    if Task.isCancelled { return .failure(CancellationError()) }
                    let now = ContinuousClock.now
                    if now >= deadline { return .failure(contents.state.reasonForWaiting(waiter.kind)) }
                    switch contents.state.take(waiter.ticket, kind: waiter.kind, at: now) {
                    case .refused(let refusal): return .failure(refusal)
                    case .given(let sandbox):
                        contents.taken[sandbox.id] = sandbox
                        return .success(sandbox)
                    case .waits:
                        contents.waiting[waiter.ticket] = continuation
                        return nil
                    }
                }
                doorbell.ring()
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            giveUp(waiter) { _ in CancellationError() }
        }
    }

    private func refuse(_ waiter: State.Waiter, at deadline: ContinuousClock.Instant) async {
        do { try await Task.sleep(until: deadline, clock: .continuous) } catch { return }
        giveUp(waiter) { $0.reasonForWaiting(waiter.kind) }
    }

    private func giveUp(_ waiter: State.Waiter, because error: (State) -> any Error) {
        let refused: (CheckedContinuation<any Sandbox, any Error>, any Error)? = contents.withLock { contents in
            guard contents.state.giveUp(waiter) else { return nil }
            return contents.waiting.removeValue(forKey: waiter.ticket).map { ($0, error(contents.state)) }
        }
        guard let refused else { return }
        refused.0.resume(throwing: refused.1)
    }
}
