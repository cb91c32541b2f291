import CLinux
import Execution
import Glibc
import GuestProtocol
import LauncherProtocol
import Logging
import Synchronization

/// The server's side of the conversation with the launcher.
///
/// Requests are sent by whoever has one; what comes back is read by one thread of its own, ``serve(ready:)``.
final class LauncherClient: Sendable {
    let plan: SandboxPlan
    let logger: Logger
    let recipe: LauncherProcess.Recipe
    let wakeUp: WakeUp
    let core: Mutex<Core>

    /// All that changes, behind one lock that is never held while anything blocks.
    struct Core: Sendable {
        var state: LauncherState
        var launcher: LauncherProcess?
        /// Requests the socket had no room for.
        var unsent: [ci_request] = []
        var isStopping = false
        /// Why the launcher was given up.
        var defect: String?
        var lastID: UInt32 = 0
        var sandboxes: [UInt32: Entry] = [:]
    }

    /// What belongs to one sandbox here.
    struct Entry: Sendable {
        let record: SandboxRecord
        var maker: CheckedContinuation<Delivery, any Error>?
        var enders: [CheckedContinuation<Void, Never>] = []
        var handover: Handover?
        /// Only what it says before it is ready.
        var frames = FrameReader(limit: FrameReader.scriptLimit)
    }

    /// A sandbox that is ready, for whoever made it.
    struct Delivery: Sendable {
        let record: SandboxRecord
        let handover: Handover
    }

    /// How long a sandbox may take to become ready, the start of its zygote included.
    private static let creationTime: Duration = .seconds(30)

    /// Starts the launcher. Must be called while the process has the rights its plan needs.
    init(plan: SandboxPlan, filters: SeccompPrograms, launcherPath: String, logger: Logger) throws(SystemError) {
        self.plan = plan
        self.logger = logger
        self.wakeUp = try WakeUp()
        self.recipe = LauncherProcess.Recipe(
            path: launcherPath,
            plan: try Descriptor.sealedFile(named: "plan", holding: Array(plan.plan.text.utf8)),
            filters: try Descriptor.sealedFile(named: "seccomp", holding: filters.bytes)
        )
        let launcher = try LauncherProcess.start(recipe)
        self.core = Mutex(Core(state: LauncherState(zygotes: plan.settings.kinds.map(\.rawValue)), launcher: launcher))
    }

    /// Whether sandboxes of both kinds can be made at once; if not, why.
    var readiness: (isReady: Bool, message: String?) {
        core.withLock { core in
            if let defect = core.defect { return (false, defect) }
            if core.launcher == nil { return (false, "the launcher is not running") }
            return core.state.isReady ? (true, nil) : (false, "the interpreters are starting")
        }
    }

    /// Makes a sandbox and waits until its interpreter is ready.
    ///
    /// - Throws: ``LauncherRefusal``, `CancellationError`; nothing is left then.
    func create(_ kind: SandboxKind) async throws -> Delivery {
        guard let zygote = plan.settings.kinds.firstIndex(of: kind) else {
            throw LauncherRefusal.unavailable("sandboxes of kind \(kind.rawValue) are not made here")
        }
        return try await make { $0.createRequested($1, zygote: zygote, deadline: $2) }
    }

    /// Forks another process into a sandbox, with the zygote that made its main process, and waits until it is ready. Only its channel is handed over.
    ///
    /// - Throws: ``LauncherRefusal``, `CancellationError`; nothing is left then.
    func enter(_ sandbox: UInt32) async throws -> Delivery {
        try await make { $0.enterRequested($1, sandbox: sandbox, deadline: $2) }
    }

    /// What the state answers to a request for a new number until a deadline.
    private typealias Request = @Sendable (inout LauncherState, UInt32, LauncherState.Instant) -> [LauncherState.Action]

    private func make(_ request: Request) async throws -> Delivery {
        let id = core.withLock { core in
            core.lastID += 1
            return core.lastID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                begin(id, request, maker: continuation)
                // A cancellation before `begin` met nothing it could cancel.
                if Task.isCancelled { cancelCreation(id) }
            }
        } onCancel: {
            cancelCreation(id)
        }
    }

    private func begin(_ id: UInt32, _ request: Request, maker: CheckedContinuation<Delivery, any Error>) {
        let refusal: LauncherRefusal? = core.withLock { core in
            guard core.launcher != nil, !core.isStopping, core.defect == nil else {
                return .unavailable(core.defect ?? "the launcher is not running")
            }
            core.sandboxes[id] = Entry(record: SandboxRecord(id: id), maker: maker)
            return nil
        }
        if let refusal { return maker.resume(throwing: refusal) }
        perform { request(&$0.state, id, ContinuousClock.now + Self.creationTime) }
        // The thread has a new deadline to mind.
        wakeUp.signal()
    }

    /// Sends a signal to the process group of a main process or of one that entered. Nothing where it is gone.
    func signal(_ process: UInt32, _ number: Int32) {
        core.withLock { core in
            guard core.sandboxes[process] != nil else { return }
            send(ci_request(kind: CI_REQUEST_SIGNAL.rawValue, sandbox: process, argument: number), &core)
        }
    }

    /// Stops every process of a sandbox where it stands, or lets them run again. What is asked for afterwards finds it done.
    func freeze(_ sandbox: UInt32, _ isFrozen: Bool) {
        core.withLock { core in
            guard core.sandboxes[sandbox] != nil else { return }
            send(ci_request(kind: CI_REQUEST_FREEZE.rawValue, sandbox: sandbox, argument: isFrozen ? 1 : 0), &core)
        }
    }

    private func cancelCreation(_ id: UInt32) {
        perform { $0.state.creationCancelled(id) }
    }

    /// Begins to destroy a sandbox; its processes are dead once ``SandboxRecord/State/isGone`` is set.
    func requestDestroy(_ id: UInt32) {
        perform { $0.sandboxes[id] == nil ? [] : $0.state.destroyRequested(id) }
    }

    /// Destroys a sandbox and waits until nothing is left of it. May be repeated; cancellation does not matter.
    func destroy(_ id: UInt32) async {
        await withCheckedContinuation { continuation in
            let isGone = core.withLock { core in
                guard core.sandboxes[id] != nil else { return true }
                core.sandboxes[id]?.enders.append(continuation)
                return false
            }
            if isGone { return continuation.resume() }
            requestDestroy(id)
        }
    }

    /// Decides under the lock, sends under the lock, and does the rest outside it.
    func perform(_ decide: (inout Core) -> [LauncherState.Action]) {
        let completions = core.withLock { core in
            let actions = decide(&core)
            send(actions, &core)
            return actions.compactMap { complete($0, &core) }
        }
        for completion in completions { completion() }
    }

    /// Sends what `actions` ask for. Under the lock, so that a DESTROY never overtakes its CREATE.
    private func send(_ actions: [LauncherState.Action], _ core: inout Core) {
        for action in actions {
            switch action {
            case .sendCreate(let id, let zygote):
                send(ci_request(kind: CI_REQUEST_CREATE.rawValue, sandbox: id, argument: Int32(zygote)), &core)
            case .sendDestroy(let id):
                send(ci_request(kind: CI_REQUEST_DESTROY.rawValue, sandbox: id, argument: 0), &core)
            case .sendEnter(let id, let sandbox):
                send(ci_request(kind: CI_REQUEST_ENTER.rawValue, sandbox: sandbox, argument: Int32(id)), &core)
            case .sendKill(let id):
                send(ci_request(kind: CI_REQUEST_SIGNAL.rawValue, sandbox: id, argument: SIGKILL), &core)
            default:
                break
            }
        }
    }

    private func send(_ request: ci_request, _ core: inout Core) {
        guard core.unsent.isEmpty, let socket = core.launcher?.socket else { return core.unsent.append(request) }
        if Self.send(request, to: socket) { return }
        core.unsent.append(request)
        wakeUp.signal()
    }

    /// Whether it was sent or never can be; a launcher that is gone shows at its socket.
    static func send(_ request: ci_request, to socket: Descriptor) -> Bool {
        var request = request
        let sent = ci_send(socket.raw, &request, MemoryLayout<ci_request>.size, nil, 0)
        return sent >= 0 || errno != EAGAIN
    }
}

/// Why a sandbox was not made.
enum LauncherRefusal: Error, Sendable, Equatable {
    /// None can be made now.
    case unavailable(String)
    /// Nothing can enter a sandbox that does not stand any longer.
    case sandboxGone
    /// A step failed.
    case setup(String)
}
