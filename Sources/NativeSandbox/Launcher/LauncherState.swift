import Glibc
import GuestDriving
import GuestProtocol
import LauncherProtocol

/// What the server knows about its launcher and the sandboxes there: decides, does nothing, has no clock.
struct LauncherState: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// What the caller has to do, in order.
    enum Action: Sendable, Equatable {
        /// Send a CREATE with that zygote.
        case sendCreate(UInt32, zygote: Int)
        case sendDestroy(UInt32)
        /// Send an ENTER of a process into a sandbox.
        case sendEnter(UInt32, sandbox: UInt32)
        /// Send the SIGNAL that kills a process.
        case sendKill(UInt32)
        /// Wait for the first frame of its guest.
        case awaitGuest(UInt32)
        /// Its maker gets it.
        case deliver(UInt32)
        /// Its maker gets an error; its descriptors are closed.
        case refuse(UInt32, Reason)
        /// Its main process ended.
        case exited(UInt32, status: Int32)
        /// It went away under its owner.
        case lost(UInt32, String)
        /// Nothing is left of it: always the last action for a sandbox.
        case gone(UInt32)
        /// Sandboxes can be made, for the first time.
        case announceReady
        /// The launcher cannot go on and is to be ended.
        case giveUp(Reason)
    }

    enum Reason: Sendable, Equatable {
        case step(StepFailure)
        case text(String)
        /// Not now, but soon.
        case unavailable(String)
        /// Its sandbox does not stand any longer.
        case sandboxGone
        case cancelled
    }

    private enum Entry: Equatable {
        /// Waits for its zygote.
        case queued(zygote: Int, deadline: Instant)
        /// CREATE was sent.
        case creating(zygote: Int, deadline: Instant)
        /// ENTER was sent.
        case entering(deadline: Instant)
        /// It stands; its guest has said nothing yet.
        case warming(deadline: Instant)
        case standing
        case destroying

        var deadline: Instant? {
            switch self {
            case .queued(_, let deadline), .creating(_, let deadline), .entering(let deadline),
                .warming(let deadline):
                deadline
            case .standing, .destroying: nil
            }
        }
    }

    private var entries: [UInt32: Entry] = [:]
    /// Which sandbox each process entered that is not a main process.
    private var hosts: [UInt32: UInt32] = [:]
    private var isLauncherReady = false
    private var readyZygotes: Set<Int> = []
    private var wasAnnounced = false
    private let zygotes: [String]
    /// How often each zygote ended since it was last ready.
    private var zygoteDeaths: [Int: Int] = [:]

    /// So many deaths in a row of a zygote that was never ready mean that it cannot start at all.
    private static let hopelessDeaths = 4

    /// Takes the names of the zygotes, in the plan's order.
    init(zygotes: [String]) { self.zygotes = zygotes }

    /// Whether a sandbox of that zygote can be made at once.
    func isReady(zygote: Int) -> Bool { isLauncherReady && readyZygotes.contains(zygote) }
    var isReady: Bool { isLauncherReady && readyZygotes.count == zygotes.count }

    /// When something is to be given up next.
    var nextDeadline: Instant? { entries.values.compactMap(\.deadline).min() }

    mutating func createRequested(_ id: UInt32, zygote: Int, deadline: Instant) -> [Action] {
        precondition(entries[id] == nil, "a sandbox number was used twice")
        guard isReady(zygote: zygote) else {
            entries[id] = .queued(zygote: zygote, deadline: deadline)
            return []
        }
        entries[id] = .creating(zygote: zygote, deadline: deadline)
        return [.sendCreate(id, zygote: zygote)]
    }

    /// Another process is to enter a sandbox.
    mutating func enterRequested(_ id: UInt32, sandbox: UInt32, deadline: Instant) -> [Action] {
        precondition(entries[id] == nil, "a process number was used twice")
        guard case .standing = entries[sandbox] else {
            return [.refuse(id, .sandboxGone), .gone(id)]
        }
        hosts[id] = sandbox
        entries[id] = .entering(deadline: deadline)
        return [.sendEnter(id, sandbox: sandbox)]
    }

    /// Its maker does not want it any longer; nothing when it was delivered already.
    mutating func creationCancelled(_ id: UInt32) -> [Action] {
        abandon(id, .cancelled)
    }

    /// Whoever waits for the end gets ``Action/gone(_:)``, at once where nothing is left.
    mutating func destroyRequested(_ id: UInt32) -> [Action] {
        switch entries[id] {
        case nil: return [.gone(id)]
        case .destroying: return []
        case .queued: preconditionFailure("a sandbox that was never delivered is destroyed")
        case .entering: preconditionFailure("a process is killed, not destroyed")
        case .creating, .warming, .standing:
            precondition(hosts[id] == nil, "a process is killed, not destroyed")
            entries[id] = .destroying
            return [.sendDestroy(id)]
        }
    }

    /// The guest's first frame, or nil when it broke the rules.
    mutating func guestSpoke(_ id: UInt32, _ frame: GuestFrame?) -> [Action] {
        guard case .warming = entries[id] else { return [] }
        switch frame {
        case .ready:
            entries[id] = .standing
            return [.deliver(id)]
        case .failed(let step, let code):
            let failure = StepFailure(section: CI_SECTION_ENTRY.rawValue, step: step, code: code)
            return abandon(id, .step(failure))
        case .done, .opened, .refused, .cell, nil:
            return abandon(id, .text("its interpreter did not become ready"))
        }
    }

    /// Its descriptors did not arrive.
    mutating func handoverFailed(_ id: UInt32) -> [Action] {
        abandon(id, .text("its descriptors did not arrive: too many files are open"))
    }

    mutating func received(_ event: LauncherEvent) -> [Action] {
        switch event {
        case .launcherReady(let version): return launcherReady(version)
        case .launcherFailed(let failure): return [.giveUp(.step(failure))]
        case .zygoteReady(let zygote): return zygoteReady(zygote)
        case .zygoteLost(let zygote, let status): return zygoteLost(zygote, ExitStatus(status))
        case .created(let id):
            guard let entry = entries[id] else {
                // Asked for before the launcher started again, made after it: nobody waits for it any longer.
                return [.sendDestroy(id)]
            }
            guard case .creating(_, let deadline) = entry else { return [] }
            entries[id] = .warming(deadline: deadline)
            return [.awaitGuest(id)]
        case .failed(let id, let failure):
            guard case .creating = entries[id] else { return [] }
            entries[id] = nil
            return [.refuse(id, Self.reason(failure)), .gone(id)]
        case .entered(let id):
            switch entries[id] {
            case .entering(let deadline):
                entries[id] = .warming(deadline: deadline)
                return [.awaitGuest(id)]
            case .destroying: return [.sendKill(id)]
            default: return []
            }
        case .notEntered(let id, let failure):
            return forgetProcess(id, because: failure.code == ENOENT ? .sandboxGone : Self.reason(failure))
        case .exited(let id, let status) where hosts[id] != nil:
            return processExited(id, status)
        case .exited(let id, let status):
            if case .warming = entries[id] {
                return abandon(id, .text("its interpreter ended at once, with \(ExitStatus(status))"))
            }
            return entries[id] == nil ? [] : [.exited(id, status: status)]
        case .destroyed(let id):
            return destroyed(id)
        }
    }

    /// Two failures belong to no step and pass by themselves.
    private static func reason(_ failure: StepFailure) -> Reason {
        switch (failure.section, failure.code) {
        case (CI_SECTION_NONE.rawValue, ESRCH): .unavailable("its interpreter's zygote died")
        case (CI_SECTION_NONE.rawValue, EAGAIN): .unavailable("there are as many sandboxes as there are places")
        default: .step(failure)
        }
    }

    private mutating func processExited(_ id: UInt32, _ status: Int32) -> [Action] {
        if case .standing = entries[id] {
            return [.exited(id, status: status)] + forgetProcess(id, because: .cancelled)
        }
        return forgetProcess(id, because: .text("its interpreter ended at once, with \(ExitStatus(status))"))
    }

    /// Nothing is left of a process. Who waits for it is told why, and so is its owner.
    private mutating func forgetProcess(_ id: UInt32, because reason: Reason, lost: String? = nil) -> [Action] {
        hosts[id] = nil
        switch entries.removeValue(forKey: id) {
        case .entering, .warming: return [.refuse(id, reason), .gone(id)]
        case .standing: return (lost.map { [.lost(id, $0)] } ?? []) + [.gone(id)]
        case .destroying: return [.gone(id)]
        case .queued, .creating, nil: return []
        }
    }

    private mutating func destroyed(_ id: UInt32) -> [Action] {
        let reason = "its sandbox was destroyed"
        let processes = hosts.filter { $0.value == id }.keys.sorted()
        let ends = processes.flatMap { forgetProcess($0, because: .text(reason), lost: reason) }
        return ends + sandboxDestroyed(id)
    }

    private mutating func sandboxDestroyed(_ id: UInt32) -> [Action] {
        switch entries[id] {
        case nil, .queued, .entering: return []
        case .destroying: break
        // Not asked for: so it is a loss.
        case .creating, .warming:
            entries[id] = nil
            return [.refuse(id, .text("the launcher destroyed it")), .gone(id)]
        case .standing:
            entries[id] = nil
            return [.lost(id, "the launcher destroyed it"), .gone(id)]
        }
        entries[id] = nil
        return [.gone(id)]
    }

    /// The socket was closed: nothing stands any longer.
    mutating func launcherLost(_ reason: String) -> [Action] {
        isLauncherReady = false
        readyZygotes = []
        return forgetAll(reason)
    }

    /// There will be no other launcher: nobody may wait for one.
    mutating func stopped(_ reason: String) -> [Action] {
        entries.keys.sorted().flatMap { abandon($0, .text(reason)) }
    }

    mutating func timePassed(to now: Instant) -> [Action] {
        let late = entries.filter { $0.value.deadline.map { $0 <= now } ?? false }.keys.sorted()
        return late.flatMap { abandon($0, .text("it did not become ready in time")) }
    }

    private mutating func launcherReady(_ version: Int32) -> [Action] {
        guard version == CI_PROTOCOL_VERSION else {
            return [
                .giveUp(.text("the launcher speaks version \(version) of the protocol, not \(CI_PROTOCOL_VERSION)"))
            ]
        }
        let lost = isLauncherReady ? forgetAll("the launcher was started again") : []
        isLauncherReady = true
        readyZygotes = []
        return lost
    }

    private mutating func zygoteReady(_ zygote: Int) -> [Action] {
        readyZygotes.insert(zygote)
        zygoteDeaths[zygote] = 0
        var actions: [Action] = []
        for (id, entry) in entries.sorted(by: { $0.key < $1.key }) {
            guard case .queued(zygote, let deadline) = entry else { continue }
            entries[id] = .creating(zygote: zygote, deadline: deadline)
            actions.append(.sendCreate(id, zygote: zygote))
        }
        if isReady, !wasAnnounced {
            wasAnnounced = true
            actions.append(.announceReady)
        }
        return actions
    }

    private mutating func zygoteLost(_ zygote: Int, _ status: ExitStatus) -> [Action] {
        readyZygotes.remove(zygote)
        zygoteDeaths[zygote, default: 0] += 1
        guard !wasAnnounced, zygoteDeaths[zygote] == Self.hopelessDeaths, zygotes.indices.contains(zygote) else {
            return []
        }
        return [.giveUp(.text("the interpreter '\(zygotes[zygote])' cannot start: it ends with \(status)"))]
    }

    private mutating func abandon(_ id: UInt32, _ reason: Reason) -> [Action] {
        switch entries[id] {
        case .queued:
            entries[id] = nil
            return [.refuse(id, reason), .gone(id)]
        case .entering:
            // It is killed when it has entered.
            entries[id] = .destroying
            return [.refuse(id, reason)]
        case .creating, .warming:
            entries[id] = .destroying
            return [.refuse(id, reason), hosts[id] == nil ? .sendDestroy(id) : .sendKill(id)]
        case .standing, .destroying, nil:
            return []
        }
    }

    /// Those who wait for a zygote go on waiting: it comes back with the launcher or their deadline passes.
    private mutating func forgetAll(_ reason: String) -> [Action] {
        var actions: [Action] = []
        hosts = [:]
        for (id, entry) in entries.sorted(by: { $0.key < $1.key }) {
            switch entry {
            case .queued:
                continue
            case .creating, .entering, .warming: actions.append(.refuse(id, .text(reason)))
            case .standing: actions.append(.lost(id, reason))
            case .destroying: break
            }
            entries[id] = nil
            actions.append(.gone(id))
        }
        return actions
    }
}
