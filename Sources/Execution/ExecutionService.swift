package import Logging

/// Takes requests through admission, a sandbox, and the file store. One a server.
package final class ExecutionService: Sendable {
    package struct Configuration: Sendable {
        package var maxConcurrentExecutions = 16
        /// Most executions that wait for a place; more are refused at once.
        package var maxQueuedExecutions = 1_000
        package var queueTimeout: Duration = .seconds(30)
        /// What a client is told when the queue was full for too long.
        package var queueRetryAfter: Duration = .seconds(2)
        /// What a client is told when the backend has no room.
        package var capacityRetryAfter: Duration = .seconds(10)
        /// How long an execution that has its place waits for a sandbox while the backend makes none, as while its launcher is restarted.
        package var sandboxTimeout: Duration = .seconds(10)
        /// How much longer a request may wait where sandboxes are made, only slowly.
        package var extraSandboxTimeout: Duration = .zero
        /// Most sandboxes of a kind in the making at once.
        package var sandboxesInTheMaking = 4
        package var maxTimeout: Duration = .seconds(60)
        package var cpuTime: Duration = .seconds(5)
        package var outputBytes = 1_000_000
        package var floodBytes = 64_000_000
        /// What a workspace holds: files that are more together are refused before they are staged.
        package var workspaceBytes = 256 << 20
        package var producedFiles = ProducedFileLimits(count: 256, bytesPerFile: 100_000_000, totalBytes: 256_000_000)
        /// How many sandboxes of each kind wait ready.
        package var poolSizes: [SandboxKind: Int] = [.bare: 8, .full: 8]
        package init() {}
    }

    let configuration: Configuration
    let files: FileStore
    let metrics: ExecutionMetrics
    let gate: AdmissionGate
    let pool: SandboxPool
    private let backend: any SandboxBackend

    package init(
        configuration: Configuration,
        backend: any SandboxBackend,
        files: FileStore,
        metrics: ExecutionMetrics,
        logger: Logger
    ) {
        self.configuration = configuration
        self.backend = backend
        self.files = files
        self.metrics = metrics
        self.gate = AdmissionGate(
            limit: configuration.maxConcurrentExecutions,
            queueLimit: configuration.maxQueuedExecutions,
            queueTimeout: configuration.queueTimeout
        )
        var pooling = SandboxPool.State.Configuration()
        pooling.targets = configuration.poolSizes
        pooling.patience = configuration.sandboxTimeout
        pooling.extraPatience = configuration.extraSandboxTimeout
        pooling.makes = configuration.sandboxesInTheMaking
        pooling.refills = min(pooling.refills, pooling.makes)
        let pool = SandboxPool(configuration: pooling, backend: backend, logger: logger)
        self.pool = pool
        metrics.setLimit(configuration.maxConcurrentExecutions)
        metrics.lookUpReady { [weak pool] in
            Dictionary(uniqueKeysWithValues: SandboxKind.allCases.map { ($0, pool?.ready($0) ?? 0) })
        }
    }

    /// Checks the request, waits for its turn and for a sandbox, and stages its files: whatever can be refused is refused here.
    ///
    /// The caller must call ``AdmittedExecution/run(output:)`` or ``AdmittedExecution/abandon()`` on the result, once.
    /// - Throws: ``ExecutionRefusal``; ``SandboxError/notARegularFile(_:)`` when one staged path lies below another one, which is a file;
    ///   ``FileStoreError``, `CancellationError`.
    package func admit(_ request: ExecutionRequest, operation: ExecutionOperation) async throws -> AdmittedExecution {
        do {
            return try await prepare(request, operation: operation)
        } catch ExecutionRefusal.stopping {
            metrics.rejected(operation, status: 503, reason: "stopping")
            throw ExecutionRefusal.stopping
        } catch let refusal as ExecutionRefusal {
            if case .noCapacity = refusal { metrics.rejected(operation, status: 503, reason: "no_capacity") }
            throw refusal
        }
    }

    /// A fresh look at the backend, for /ready and /health.
    package func status() async -> BackendStatus { await backend.status() }

    /// Keeps the pool filled until the task is cancelled; then refuses who waits, and destroys every sandbox: those in use when their execution
    /// ended, or after a grace of five seconds.
    package func run() async throws {
        await withTaskCancellationHandler {
            await pool.run()
        } onCancel: {
            gate.stop()
        }
    }
}
