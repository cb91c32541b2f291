import Execution
import NIOCore
import Synchronization
import TestSupport

/// A backend whose programs are closures: what a sandbox does with a script is the test's business.
final class FakeBackend: SandboxBackend {
    typealias Output = @Sendable (OutputStream, ByteBuffer) -> Void
    typealias Program = @Sendable (Script, Output) async throws -> Outcome

    struct Behavior: Sendable {
        var program: Program = { _, _ in Outcome(ending: .exited(0), duration: .milliseconds(5)) }
        var status = BackendStatus(isReady: true)
        /// What every program leaves in its workspace.
        var produced: [String: [UInt8]] = [:]
        var makeError: SandboxError?
        /// What a context does with a cell.
        var cells: FakeKernel.Program = { _, _, _ in CellEnding() }
        /// Why no context can be had.
        var kernelError: KernelRefusal?
    }

    let name = "fake"
    private let behavior: Mutex<Behavior>
    private let numbers = Atomic<UInt32>(0)
    private let stagedFiles = Mutex<[String]>([])

    init(_ behavior: Behavior) { self.behavior = Mutex(behavior) }

    var current: Behavior { behavior.withLock(\.self) }

    /// Paths of the files that were put into workspaces.
    var stagedPaths: [String] { stagedFiles.withLock(\.self) }

    func change(_ change: (inout Behavior) -> Void) { behavior.withLock { change(&$0) } }

    func makeSandbox(_ kind: SandboxKind) async throws -> any Sandbox {
        if let error = current.makeError { throw error }
        let number = numbers.wrappingAdd(1, ordering: .relaxed).newValue
        return FakeSandbox(id: SandboxID(number), kind: kind, backend: self)
    }

    func status() async -> BackendStatus { current.status }

    func run(ready: @escaping @Sendable () -> Void) async throws {
        ready()
        // Until it is cancelled.
        try await Task.sleep(for: .seconds(3600))
    }

    fileprivate func staged(_ files: [StagedFile]) { stagedFiles.withLock { $0 += files.map(\.path.string) } }
}

final class FakeSandbox: Sandbox {
    let id: SandboxID
    let kind: SandboxKind
    let isAlive = true
    let tree: any WorkspaceTree = FakeTree()
    private let backend: FakeBackend

    init(id: SandboxID, kind: SandboxKind, backend: FakeBackend) {
        self.id = id
        self.kind = kind
        self.backend = backend
    }

    func stage(_ files: [StagedFile]) async throws { backend.staged(files) }

    func run(
        _ script: Script,
        limits: ExecutionLimits,
        output: @escaping @Sendable (OutputStream, ByteBuffer) -> Void
    ) async throws -> Outcome {
        try await backend.current.program(script, output)
    }

    func producedFiles(limits: ProducedFileLimits) async throws -> ProducedFiles {
        let files = try backend.current.produced.map { path, content in
            ProducedFiles.File(path: try WorkspacePath(path), size: content.count)
        }
        return ProducedFiles(files: files.sorted { $0.path < $1.path }, omitted: 0)
    }

    func read(_ path: WorkspacePath, limit: Int) async throws -> AsyncThrowingStream<ByteBuffer, any Error> {
        let content = backend.current.produced[path.string] ?? []
        return AsyncThrowingStream { continuation in
            continuation.yield(ByteBuffer(bytes: content))
            continuation.finish()
        }
    }

    func openKernel(language: String, directory: String) async throws -> any Kernel {
        if let error = backend.current.kernelError { throw error }
        return FakeKernel(backend.current.cells)
    }

    func setFrozen(_ isFrozen: Bool) {}

    func destroy() async {}
}
