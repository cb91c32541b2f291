import NIOCore
import Synchronization
import TestSupport

@testable import Execution

/// Makes sandboxes in memory that do what a test says.
final class FakeBackend: SandboxBackend {
    struct State {
        /// Called for each make, with its number from 1; may wait or throw.
        var onMake: @Sendable (Int, SandboxKind) async throws -> Void = { _, _ in }
        var behaviour = FakeSandbox.Behaviour()
        var makes = 0
        var making = 0
        var mostMaking = 0
        /// Every sandbox that was made and not destroyed.
        var living: [SandboxID: FakeSandbox] = [:]
        var destroyed = 0
        var mostDestroying = 0
        var destroying = 0
        var mostLiving = 0
    }

    let state = Mutex(State())
    let name = "fake"

    init(_ configure: (inout State) -> Void = { _ in }) {
        state.withLock { configure(&$0) }
    }

    func configure(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

    var makes: Int { state.withLock { $0.makes } }
    var living: [FakeSandbox] { state.withLock { Array($0.living.values) } }
    var destroyed: Int { state.withLock { $0.destroyed } }

    func makeSandbox(_ kind: SandboxKind) async throws -> any Sandbox {
        let (number, onMake, behaviour) = state.withLock { state in
            state.makes += 1
            state.making += 1
            state.mostMaking = max(state.mostMaking, state.making)
            return (state.makes, state.onMake, state.behaviour)
        }
        defer { state.withLock { $0.making -= 1 } }
        try await onMake(number, kind)
        try Task.checkCancellation()
        let sandbox = FakeSandbox(id: SandboxID(UInt32(number)), kind: kind, backend: self, behaviour: behaviour)
        state.withLock { state in
            state.living[sandbox.id] = sandbox
            state.mostLiving = max(state.mostLiving, state.living.count)
        }
        return sandbox
    }

    func status() async -> BackendStatus { BackendStatus(isReady: true) }

    func run(ready: @escaping @Sendable () -> Void) async throws { ready() }

    /// As when the launcher dies: every sandbox made so far is dead.
    func killAll() {
        for sandbox in living { sandbox.die() }
    }

    fileprivate func beginDestroy() {
        state.withLock { state in
            state.destroying += 1
            state.mostDestroying = max(state.mostDestroying, state.destroying)
        }
    }

    fileprivate func endDestroy(_ id: SandboxID) {
        state.withLock { state in
            state.destroying -= 1
            if state.living.removeValue(forKey: id) != nil { state.destroyed += 1 }
        }
    }
}

final class FakeSandbox: Sandbox {
    struct Behaviour: Sendable {
        var onStage: @Sendable (FakeSandbox, [StagedFile]) async throws -> Void = { _, _ in }
        var onRun: @Sendable (FakeSandbox, Script) async throws -> Outcome = { _, _ in
            Outcome(ending: .exited(0), duration: .zero)
        }
        var onRead: @Sendable (FakeSandbox, WorkspacePath) throws -> Void = { _, _ in }
        var onDestroy: @Sendable () async -> Void = {}
        /// Given language and directory.
        var onOpen: @Sendable (FakeSandbox, String, String) async throws -> any Kernel = { _, _, _ in FakeKernel() }
        var mayHaveStarted = true
        /// What the program leaves behind.
        var produced: [String: [UInt8]] = [:]
        var omitted = 0
    }

    private struct State {
        var isAlive = true
        var hasRun = false
        var isDestroyed = false
        var isFrozen = false
        var staged: [StagedFile] = []
    }

    let id: SandboxID
    let kind: SandboxKind
    let behaviour: Behaviour
    let tree: any WorkspaceTree = FakeTree()
    private let backend: FakeBackend
    private let state = Mutex(State())

    init(id: SandboxID, kind: SandboxKind, backend: FakeBackend, behaviour: Behaviour) {
        self.id = id
        self.kind = kind
        self.backend = backend
        self.behaviour = behaviour
    }

    var isAlive: Bool { state.withLock { $0.isAlive } }
    var mayHaveStarted: Bool { behaviour.mayHaveStarted }
    var staged: [StagedFile] { state.withLock { $0.staged } }

    func die() { state.withLock { $0.isAlive = false } }

    func stage(_ files: [StagedFile]) async throws {
        try await behaviour.onStage(self, files)
        state.withLock { state in
            precondition(!state.hasRun, "staged after the program ran")
            state.staged = files
        }
    }

    func run(
        _ script: Script,
        limits: ExecutionLimits,
        output: @escaping @Sendable (OutputStream, ByteBuffer) -> Void
    ) async throws -> Outcome {
        if !isAlive { throw SandboxError.lost("it was dead") }
        state.withLock { state in
            precondition(!state.hasRun && !state.isDestroyed, "a sandbox was used twice")
            state.hasRun = true
        }
        let outcome = try await behaviour.onRun(self, script)
        output(.stdout, ByteBuffer(string: script.code))
        return outcome
    }

    func producedFiles(limits: ProducedFileLimits) async throws -> ProducedFiles {
        let files = try behaviour.produced.map { name, content in
            ProducedFiles.File(path: try WorkspacePath(name), size: content.count)
        }
        return ProducedFiles(files: files.sorted { $0.path < $1.path }, omitted: behaviour.omitted)
    }

    func read(_ path: WorkspacePath, limit: Int) async throws -> AsyncThrowingStream<ByteBuffer, any Error> {
        try behaviour.onRead(self, path)
        let content = behaviour.produced[path.string] ?? []
        return AsyncThrowingStream { continuation in
            continuation.yield(ByteBuffer(bytes: content.prefix(limit)))
            continuation.finish()
        }
    }

    func openKernel(language: String, directory: String) async throws -> any Kernel {
        if !isAlive { throw SandboxError.lost("it was dead") }
        return try await behaviour.onOpen(self, language, directory)
    }

    func setFrozen(_ isFrozen: Bool) {
        state.withLock { $0.isFrozen = isFrozen }
    }

    var isFrozen: Bool { state.withLock { $0.isFrozen } }

    func destroy() async {
        backend.beginDestroy()
        await behaviour.onDestroy()
        state.withLock { state in
            state.isAlive = false
            state.isDestroyed = true
        }
        backend.endDestroy(id)
    }
}
