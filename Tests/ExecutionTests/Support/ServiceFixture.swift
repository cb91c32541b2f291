import NIOCore
import Synchronization
import Testing

@testable import Execution

/// A running service over a fake backend and a real store.
struct ServiceFixture: Sendable {
    let service: ExecutionService
    let backend: FakeBackend
    let files: FileStore
    let metrics: ExecutionMetrics
    let directory: String

    func admit(
        _ code: String,
        timeout: Duration = .seconds(5),
        files: [(String, String)] = [],
        tenant: Tenant = .everyone
    ) async throws -> AdmittedExecution {
        let request = ExecutionRequest(
            script: Script(code: code),
            timeout: timeout,
            files: files.map { (path: $0.0, fileID: $0.1) },
            tenant: tenant
        )
        return try await service.admit(request, operation: .execute)
    }

    /// Nobody has a place, a sandbox or a hold on a blob.
    func expectAllGivenBack(sourceLocation: SourceLocation = #_sourceLocation) async {
        #expect(service.gate.running == 0 && service.gate.queued == 0, sourceLocation: sourceLocation)
        let (taken, waiting) = service.pool.contents.withLock { ($0.taken.count, $0.waiting.count) }
        #expect(taken == 0 && waiting == 0, sourceLocation: sourceLocation)
        #expect(files.retention.holders == 0, sourceLocation: sourceLocation)
        #expect(metrics.snapshot().active.values.allSatisfy { $0 == 0 }, sourceLocation: sourceLocation)
    }
}

/// Runs `body` beside a running service; afterwards nothing may be left.
func withService(
    _ backendState: (inout FakeBackend.State) -> Void = { _ in },
    _ configure: (inout ExecutionService.Configuration) -> Void = { _ in },
    _ body: (ServiceFixture) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        let backend = FakeBackend(backendState)
        let files = try await openStore(directory)
        let metrics = ExecutionMetrics()
        var configuration = ExecutionService.Configuration()
        configuration.poolSizes = [.bare: 2, .full: 1]
        configure(&configuration)
        let service = ExecutionService(
            configuration: configuration,
            backend: backend,
            files: files,
            metrics: metrics,
            logger: silentLogger
        )
        let running = Task { try await service.run() }
        let upkeep = Task { try await files.run() }
        let fixture = ServiceFixture(
            service: service,
            backend: backend,
            files: files,
            metrics: metrics,
            directory: directory
        )
        let result: Result<Void, any Error>
        do { result = .success(try await body(fixture)) } catch { result = .failure(error) }
        running.cancel()
        upkeep.cancel()
        try await running.value
        try await upkeep.value
        #expect(backend.living.isEmpty, "sandboxes are left after the service stopped")
        try result.get()
    }
}
