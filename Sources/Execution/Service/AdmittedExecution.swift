package import NIOCore
import Synchronization

/// A request that has its place and its sandbox.
///
/// It gives both back when it has run or was abandoned, at the latest when nobody holds it any more.
package final class AdmittedExecution: Sendable {
    /// What it gives back.
    struct Holding: Sendable {
        /// Nil while it is being replaced.
        var sandbox: (any Sandbox)?
        let kind: SandboxKind
        let inputs: [StagedFile]
        /// Keeps the inputs on disk for a second staging.
        let held: FileStore.Held
    }

    private let service: ExecutionService
    private let script: Script
    private let limits: ExecutionLimits
    private let tenant: Tenant
    private let operation: ExecutionOperation
    /// Nil from the moment somebody runs or abandons it.
    private let holding: Mutex<Holding?>

    init(
        service: ExecutionService,
        script: Script,
        limits: ExecutionLimits,
        tenant: Tenant,
        operation: ExecutionOperation,
        holding: Holding
    ) {
        self.service = service
        self.script = script
        self.limits = limits
        self.tenant = tenant
        self.operation = operation
        self.holding = Mutex(holding)
    }

    deinit {
        if let holding = claim() { giveBack(holding) }
    }

    /// Runs it. The sandbox is given back whatever happens; cancelling the task kills the program.
    ///
    /// - Throws: ``SandboxError``, ``FileStoreError``, `CancellationError`; never for anything the program does.
    package func run(output: @escaping @Sendable (OutputStream, ByteBuffer) -> Void) async throws -> ExecutionResult {
        guard var holding = claim() else { preconditionFailure("an admitted execution runs once") }
        // Nothing here waits: the answer leaves, and the sandbox is destroyed after it.
        defer { giveBack(holding) }
        let start = ContinuousClock.now
        do {
            let result = try await execute(&holding, output: output)
            service.metrics.completed(operation, outcome: result.outcome.metricsLabel, after: .now - start)
            return result
        } catch {
            let label = error is CancellationError ? "cancelled" : "failed"
            service.metrics.completed(operation, outcome: label, after: .now - start)
            throw error
        }
    }

    /// Gives the place and the sandbox back without running anything. Does nothing when it ran or was abandoned before.
    package func abandon() async {
        guard let holding = claim() else { return }
        giveBack(holding)
        service.metrics.completed(operation, outcome: "cancelled", after: .zero)
    }

    private func claim() -> Holding? {
        holding.withLock { holding in
            defer { holding = nil }
            return holding
        }
    }

    private func giveBack(_ holding: Holding) {
        service.leave(operation)
        if let sandbox = holding.sandbox { service.pool.discard(sandbox) }
        service.files.release(holding.held)
    }
}

// MARK: - Running
extension AdmittedExecution {
    private func execute(
        _ holding: inout Holding,
        output: @escaping @Sendable (OutputStream, ByteBuffer) -> Void
    ) async throws -> ExecutionResult {
        let (outcome, sandbox) = try await runScript(&holding, output: output)
        let collected = try await service.collectFiles(from: sandbox, tenant: tenant)
        return ExecutionResult(outcome: outcome, files: collected.files, omittedFiles: collected.omitted)
    }

    private func runScript(
        _ holding: inout Holding,
        output: @escaping @Sendable (OutputStream, ByteBuffer) -> Void
    ) async throws -> (Outcome, any Sandbox) {
        for _ in 0...ExecutionService.replacements {
            if holding.sandbox == nil { holding.sandbox = try await replacement(holding) }
            guard let sandbox = holding.sandbox else { preconditionFailure("no sandbox to run in") }
            if let outcome = try await attempt(sandbox, output: output) { return (outcome, sandbox) }
            holding.sandbox = nil
            service.pool.discard(sandbox)
        }
        throw SandboxError.lost("every sandbox died before the program started")
    }

    /// Nil when the sandbox was lost before anything of the program ran in it.
    private func attempt(
        _ sandbox: any Sandbox,
        output: @escaping @Sendable (OutputStream, ByteBuffer) -> Void
    ) async throws -> Outcome? {
        // Its launcher may have died since the files were staged.
        guard sandbox.isAlive else { return nil }
        do {
            return try await sandbox.run(script, limits: limits, output: output)
        } catch SandboxError.lost where !sandbox.mayHaveStarted {
            return nil
        }
    }

    private func replacement(_ holding: Holding) async throws -> any Sandbox {
        do {
            return try await service.stagedSandbox(holding.kind, inputs: holding.inputs)
        } catch ExecutionRefusal.noCapacity(let reason, let retryAfter) {
            throw SandboxError.unavailable(reason, retryAfter: retryAfter)
        } catch ExecutionRefusal.stopping {
            throw SandboxError.lost("the server is stopping")
        }
    }
}
