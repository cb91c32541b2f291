import Synchronization

/// Lets a bounded number of tasks in at once, first come, first served; who waits holds no thread. Carries out what ``Admission`` decides.
package final class AdmissionGate: Sendable {
    /// Why somebody was not let in.
    package enum Refusal: Error, Equatable {
        case queueFull
        case queueTimeout
        case stopping
    }

    private struct State {
        var admission: Admission<UInt64>
        var waiting: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var nextTicket: UInt64 = 0
    }

    private let state: Mutex<State>
    private let queueTimeout: Duration

    /// At most `limit` are inside, and `queueLimit` wait, each for `queueTimeout` at most.
    package init(limit: Int, queueLimit: Int, queueTimeout: Duration) {
        self.state = Mutex(State(admission: Admission(limit: limit, queueLimit: queueLimit)))
        self.queueTimeout = queueTimeout
    }

    package var queued: Int { state.withLock { $0.admission.queued } }
    var running: Int { state.withLock { $0.admission.running } }

    /// Waits for a place. Who returns from here has one and must ``leave()`` once.
    ///
    /// - Throws: ``Refusal``, `CancellationError`; there is no place to give back then.
    package func enter() async throws {
        if try enterAtOnce() { return }
        let ticket = state.withLock { state in
            state.nextTicket += 1
            return state.nextTicket
        }
        let deadline = ContinuousClock.now + queueTimeout
        // The alarm is cancelled and awaited on leaving this scope.
        async let _ = refuse(ticket, at: deadline)
        try await wait(ticket, until: deadline)
    }

    /// Gives a place back.
    package func leave() {
        let next = state.withLock { state in
            state.admission.leave().flatMap { state.waiting.removeValue(forKey: $0) }
        }
        next?.resume()
    }

    /// Refuses all who wait and all who come.
    func stop() {
        let refused = state.withLock { state in
            state.admission.stop().compactMap { state.waiting.removeValue(forKey: $0) }
        }
        for continuation in refused { continuation.resume(throwing: Refusal.stopping) }
    }

    /// The common case, without a suspension: whether there was a place and nobody before us.
    private func enterAtOnce() throws -> Bool {
        try state.withLock { state in
            guard state.admission.running < state.admission.limit else { return false }
            switch state.admission.arrive(0) {
            case .admitted: return true
            case .queued: preconditionFailure("queued while a place was free")
            case .refused(let refusal): throw Refusal(refusal)
            }
        }
    }

    private func wait(_ ticket: UInt64, until deadline: ContinuousClock.Instant) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let answer: Result<Void, any Error>? = state.withLock { state in
                    // A cancellation or alarm from before this lock did not find the ticket; a later one will.
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if ContinuousClock.now >= deadline { return .failure(Refusal.queueTimeout) }
                    switch state.admission.arrive(ticket) {
                    case .admitted: return .success(())
                    case .refused(let refusal): return .failure(Refusal(refusal))
                    case .queued:
                        state.waiting[ticket] = continuation
                        return nil
                    }
                }
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            giveUp(ticket, CancellationError())
        }
    }

    private func refuse(_ ticket: UInt64, at deadline: ContinuousClock.Instant) async {
        do { try await Task.sleep(until: deadline, clock: .continuous) } catch { return }
        giveUp(ticket, Refusal.queueTimeout)
    }

    private func giveUp(_ ticket: UInt64, _ error: any Error) {
        let continuation = state.withLock { state in
            state.admission.giveUp(ticket) ? state.waiting.removeValue(forKey: ticket) : nil
        }
        continuation?.resume(throwing: error)
    }
}

extension AdmissionGate.Refusal {
    fileprivate init(_ refusal: Admission<UInt64>.Refusal) {
        switch refusal {
        case .queueFull: self = .queueFull
        case .stopping: self = .stopping
        }
    }
}
