import Execution
import Glibc
import GuestDriving
import NIOCore
import NIOPosix
import Synchronization

/// A sandbox made of namespaces, control groups, Landlock and seccomp on this machine.
final class LinuxSandbox: Sandbox {
    let id: SandboxID
    let kind: SandboxKind
    private let delivery: LauncherClient.Delivery
    private let statistics: SandboxStatistics
    private let workspace: Workspace
    private let launcher: LauncherClient
    private let threads: NIOThreadPool
    private let fileThreads: NIOThreadPool
    private let state = Mutex(State())

    private struct State: Sendable {
        var staged: [String: Workspace.Staged] = [:]
        var hasRun = false
        /// Whether nothing but the program lay in the workspace when it had ended; then nobody looks at it any more.
        var isEmpty = false
        /// Whether the main process, which waits since the sandbox was made, belongs to a context.
        var isMainTaken = false
        var spare = Spare.none
        /// Whether the launcher said that it does not stand any longer.
        var isGone = false
    }

    /// A process that enters ahead of time for the next context, once there was a second one.
    private enum Spare: Sendable {
        case none
        case entering
        case ready(LauncherClient.Delivery)
    }

    /// Fails when there is no workspace in the delivery. `fileThreads` are for its tree, `threads` for executions.
    init?(
        _ delivery: LauncherClient.Delivery,
        kind: SandboxKind,
        launcher: LauncherClient,
        threads: NIOThreadPool,
        fileThreads: NIOThreadPool
    ) {
        guard let root = delivery.handover.workspace else { return nil }
        self.id = SandboxID(delivery.record.id)
        self.kind = kind
        self.delivery = delivery
        self.launcher = launcher
        self.threads = threads
        self.fileThreads = fileThreads
        self.statistics = SandboxStatistics(launcher.plan.statistics, delivery.handover.statistics)
        self.workspace = Workspace(root: root)
    }

    var isAlive: Bool {
        let current = delivery.record.current
        let (hasRun, isMainTaken, isGone) = state.withLock { ($0.hasRun, $0.isMainTaken, $0.isGone) }
        // Contexts come and go, the one in the main process too.
        return (current.exit == nil || isMainTaken) && current.lost == nil && !current.isGone && !isGone && !hasRun
    }

    var tree: any WorkspaceTree { LinuxWorkspaceTree(workspace: workspace, threads: fileThreads) }

    func stage(_ files: [StagedFile]) async throws {
        if files.isEmpty { return }
        let control = RunControl {}
        let staged = try await withTaskCancellationHandler {
            try await threads.runIfActive { try self.workspace.stage(files) { control.isCancelled } }
        } onCancel: {
            control.cancel()
        }
        state.withLock { $0.staged.merge(staged) { $1 } }
    }

    func run(
        _ script: Script,
        limits: ExecutionLimits,
        output: @escaping @Sendable (OutputStream, ByteBuffer) -> Void
    ) async throws -> Outcome {
        let isFirst = state.withLock { state in
            defer { state.hasRun = true }
            return !state.hasRun
        }
        precondition(isFirst, "a sandbox runs one program in its life")
        let wakeUp: WakeUp
        do { wakeUp = try WakeUp() } catch { throw SandboxError.setup(error.description) }
        let control = RunControl { wakeUp.signal() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                threads.submit { state in
                    guard state == .active else {
                        return continuation.resume(throwing: SandboxError.lost("the server is stopping"))
                    }
                    continuation.resume(with: Result { try self.drive(script, limits, control, wakeUp, output) })
                }
            }
        } onCancel: {
            control.cancel()
        }
    }

    /// Blocks.
    private func drive(
        _ script: Script,
        _ limits: ExecutionLimits,
        _ control: RunControl,
        _ wakeUp: WakeUp,
        _ output: @escaping (OutputStream, ByteBuffer) -> Void
    ) throws -> Outcome {
        let code = ByteBuffer(string: script.code)
        try workspace.write(code.readableBytesView, to: .entrypoint)
        let number = id.rawValue
        do {
            let input = Array((script.standardInput ?? "").utf8)
            var driver = ExecutionDriver(
                try ProcessPort(program: delivery, input: input, launcher, statistics, wakeUp),
                script,
                filename: "\(SandboxPlan.Path.workspace)/\(WorkspacePath.entrypoint)",
                limits: limits,
                control: control,
                kill: { self.launcher.requestDestroy(number) },
                pass: output
            )
            let end = try driver.run()
            settle(hasSurvivors: end.hasSurvivors, wakeUp)
            return end.outcome
        } catch ExecutionDriver<ProcessPort>.Failure.cancelled {
            throw CancellationError()
        } catch ExecutionDriver<ProcessPort>.Failure.lost(let reason) {
            throw SandboxError.lost(reason)
        } catch let error as SystemError {
            throw SandboxError.setup(error.description)
        }
    }

    /// Kills what may change files while they are looked at. Where there are none nobody is waited for: mostly it is
    /// the main process, on its way out.
    private func settle(hasSurvivors: Bool, _ wakeUp: WakeUp) {
        var isEmpty = workspace.holdsOnlyTheProgram
        if hasSurvivors, !isEmpty {
            killAll(wakeUp)
            isEmpty = workspace.holdsOnlyTheProgram
        }
        state.withLock { $0.isEmpty = isEmpty }
    }

    /// Kills every process and waits for their end, ten seconds at most.
    private func killAll(_ wakeUp: WakeUp) {
        launcher.requestDestroy(id.rawValue)
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            let current = delivery.record.current
            if current.isGone || current.lost != nil || ContinuousClock.now >= deadline { return }
            var entry = pollfd(fd: wakeUp.raw, events: Int16(POLLIN), revents: 0)
            if poll(&entry, 1, Milliseconds.until(deadline)) > 0 { wakeUp.clear() }
        }
    }

    func producedFiles(limits: ProducedFileLimits) async throws -> ProducedFiles {
        let (staged, isEmpty) = state.withLock { ($0.staged, $0.isEmpty) }
        if isEmpty { return ProducedFiles(files: [], omitted: 0) }
        return try await threads.runIfActive { self.workspace.produced(since: staged, limits: limits) }
    }

    func read(_ path: WorkspacePath, limit: Int) async throws -> AsyncThrowingStream<ByteBuffer, any Error> {
        try await workspace.read(path, limit: limit, on: threads)
    }

    func destroy() async {
        await launcher.destroy(id.rawValue)
    }

    func openKernel(language: String, directory: String) async throws -> any Kernel {
        precondition(kind == .notebook, "a sandbox for one execution holds no contexts")
        let process = try await kernelProcess()
        let kernel: DrivenKernel
        do {
            let wakeUp = try WakeUp()
            let port = try ProcessPort(kernel: process, launcher, statistics, wakeUp)
            kernel = try DrivenKernel(port, grace: launcher.plan.settings.interruptGrace) { wakeUp.signal() }
        } catch {
            launcher.signal(process.record.id, SIGKILL)
            if let error = error as? SystemError { throw SandboxError.setup(error.description) }
            throw error
        }
        try await kernel.open(language: language, directory: directory)
        return kernel
    }

    /// The main process for the first context, one that enters for every other.
    private func kernelProcess() async throws -> LauncherClient.Delivery {
        let isMainFree = state.withLock { state in
            defer { state.isMainTaken = true }
            return !state.isMainTaken
        }
        if isMainFree, delivery.record.current.exit == nil { return delivery }
        defer { enterAhead() }
        if let spare = takeSpare() { return spare }
        do {
            return try await launcher.enter(id.rawValue)
        } catch LauncherRefusal.unavailable(let reason) {
            throw SandboxError.unavailable(reason, retryAfter: nil)
        } catch LauncherRefusal.sandboxGone {
            // Its first process was killed, most likely for memory, which nobody else has heard of.
            state.withLock { $0.isGone = true }
            throw SandboxError.lost("its processes were killed")
        } catch LauncherRefusal.setup(let reason) {
            throw isAlive ? SandboxError.setup(reason) : SandboxError.lost(reason)
        }
    }

    /// The one that entered ahead of time, if it is there and lives.
    private func takeSpare() -> LauncherClient.Delivery? {
        let spare = state.withLock { state -> LauncherClient.Delivery? in
            guard case .ready(let process) = state.spare else { return nil }
            state.spare = .none
            return process
        }
        return spare?.record.current.exit == nil ? spare : nil
    }

    /// Has a process enter for the next context, a little later: who just got one has the processors to itself.
    private func enterAhead() {
        let isWanted = state.withLock { state in
            guard case .none = state.spare else { return false }
            state.spare = .entering
            return true
        }
        guard isWanted else { return }
        // Nobody waits for it: what it brings is there when it is wanted, and it ends with the sandbox, whose end refuses it.
        Task { [weak self] in
            try await Task.sleep(for: Self.spareDelay)
            // None, where it cannot be: the next context enters by itself.
            let process = try? await self?.launcher.enter(self?.id.rawValue ?? 0)
            self?.state.withLock { $0.spare = process.map { .ready($0) } ?? .none }
        }
    }

    private static let spareDelay: Duration = .milliseconds(2)

    func setFrozen(_ isFrozen: Bool) {
        launcher.freeze(id.rawValue, isFrozen)
    }
}
