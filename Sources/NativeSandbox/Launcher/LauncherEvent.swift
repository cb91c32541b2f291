import LauncherProtocol

/// What the launcher reports, as Swift has it.
enum LauncherEvent: Sendable, Equatable {
    case launcherReady(version: Int32)
    case zygoteReady(Int)
    case zygoteLost(Int, status: Int32)
    case created(UInt32)
    case failed(UInt32, StepFailure)
    case exited(UInt32, status: Int32)
    case entered(UInt32)
    case notEntered(UInt32, StepFailure)
    case destroyed(UInt32)
    case launcherFailed(StepFailure)

    /// Nil for one of a kind we do not know.
    init?(_ event: ci_event) {
        let failure = StepFailure(section: event.section, step: Int(event.step), code: event.error)
        switch event.kind {
        case CI_EVENT_LAUNCHER_READY.rawValue: self = .launcherReady(version: event.value)
        case CI_EVENT_ZYGOTE_READY.rawValue: self = .zygoteReady(Int(event.value))
        case CI_EVENT_ZYGOTE_LOST.rawValue: self = .zygoteLost(Int(event.value), status: event.error)
        case CI_EVENT_CREATED.rawValue: self = .created(event.sandbox)
        case CI_EVENT_FAILED.rawValue: self = .failed(event.sandbox, failure)
        case CI_EVENT_ENTERED.rawValue: self = .entered(event.sandbox)
        case CI_EVENT_NOT_ENTERED.rawValue: self = .notEntered(event.sandbox, failure)
        case CI_EVENT_EXITED.rawValue: self = .exited(event.sandbox, status: event.value)
        case CI_EVENT_DESTROYED.rawValue: self = .destroyed(event.sandbox)
        case CI_EVENT_LAUNCHER_FAILED.rawValue: self = .launcherFailed(failure)
        default: return nil
        }
    }
}

/// A step of the plan that could not be carried out.
struct StepFailure: Error, Sendable, Equatable {
    /// As `enum ci_section` numbers them.
    var section: UInt32
    /// From 0 in its section.
    var step: Int
    /// The errno.
    var code: Int32

    /// For people: what failed, with the line of the plan it belongs to.
    func description(in plan: PlanText) -> String {
        let reason = SystemError("", code: code).description.dropFirst(2)
        guard let section = Self.sections[self.section] else { return String(reason) }
        let line = plan.describe(section, step: step) ?? "step \(step)"
        return "[\(section.rawValue)] \(line): \(reason)"
    }

    private static let sections: [UInt32: PlanText.Section] = [
        CI_SECTION_LAUNCHER.rawValue: .launcher,
        CI_SECTION_ROOT.rawValue: .root,
        CI_SECTION_LIMITS.rawValue: .limits,
        CI_SECTION_WORKSPACE.rawValue: .workspace,
        CI_SECTION_STATISTICS.rawValue: .statistics,
        CI_SECTION_INIT.rawValue: .`init`,
        CI_SECTION_ENTRY.rawValue: .entry,
    ]
}
