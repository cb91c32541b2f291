import Glibc
import GuestDriving

extension LauncherClient {
    /// Carries out one action as far as the lock is needed; what resumes somebody is given back for later.
    func complete(_ action: LauncherState.Action, _ core: inout Core) -> (@Sendable () -> Void)? {
        switch action {
        case .sendCreate, .sendDestroy, .sendEnter, .sendKill, .awaitGuest, .announceReady:
            return nil
        case .deliver(let id):
            return deliver(id, &core)
        case .refuse(let id, let reason):
            return refuse(id, reason, &core)
        case .exited(let id, let status):
            let record = core.sandboxes[id]?.record
            return { record?.update { $0.exit = ExitStatus(status) } }
        case .lost(let id, let reason):
            let record = core.sandboxes[id]?.record
            return { record?.update { $0.lost = reason } }
        case .gone(let id):
            guard let entry = core.sandboxes.removeValue(forKey: id) else { return nil }
            return {
                entry.record.update { $0.isGone = true }
                for ender in entry.enders { ender.resume() }
            }
        case .giveUp(let reason):
            core.defect = text(reason)
            return nil
        }
    }

    private func deliver(_ id: UInt32, _ core: inout Core) -> (@Sendable () -> Void)? {
        guard var entry = core.sandboxes[id], let maker = entry.maker, let handover = entry.handover else { return nil }
        entry.maker = nil
        entry.handover = nil
        let record = entry.record
        core.sandboxes[id] = entry
        return { maker.resume(returning: Delivery(record: record, handover: handover)) }
    }

    private func refuse(_ id: UInt32, _ reason: LauncherState.Reason, _ core: inout Core) -> (@Sendable () -> Void)? {
        guard let maker = core.sandboxes[id]?.maker else { return nil }
        core.sandboxes[id]?.maker = nil
        core.sandboxes[id]?.handover = nil
        let error: any Error =
            switch reason {
            case .cancelled: CancellationError()
            case .unavailable(let text): LauncherRefusal.unavailable(text)
            case .sandboxGone: LauncherRefusal.sandboxGone
            case .step, .text: LauncherRefusal.setup(text(reason))
            }
        return { maker.resume(throwing: error) }
    }

    private func text(_ reason: LauncherState.Reason) -> String {
        switch reason {
        case .step(let failure): failure.description(in: plan.plan)
        case .text(let text), .unavailable(let text): text
        case .sandboxGone: "its sandbox is gone"
        case .cancelled: "cancelled"
        }
    }
}
