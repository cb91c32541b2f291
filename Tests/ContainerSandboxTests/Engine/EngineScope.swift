import Logging
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import ContainerSandbox

/// A client of a daemon for one test, and the containers it makes.
struct EngineScope: Sendable {
    let engine: DockerEngine
    let daemon: DockerDaemon
    /// On every container of the test.
    let labels: [String: String]

    /// Runs `body` against the shared daemon, or `daemon`, and removes every container that was made.
    static func run(
        on daemon: DockerDaemon? = nil,
        _ body: @escaping @Sendable (EngineScope) async throws -> Void
    ) async throws {
        let daemon = if let daemon { daemon } else { try await DockerDaemon.shared }
        try await daemon.makeTinyImage()
        let endpoint = try DockerEndpoint(dockerHost: daemon.host, environment: [:])
        let engine = DockerEngine(
            endpoint: endpoint,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let id = String(UInt64.random(in: 0 ... .max), radix: 36)
        let scope = EngineScope(engine: engine, daemon: daemon, labels: ["code-interpreter-test": id])
        do {
            try await withDeadline(.seconds(120), "the test") { try await body(scope) }
        } catch {
            await scope.clear()
            throw error
        }
        await scope.clear()
    }

    private func clear() async {
        // A daemon that is gone has its folders removed by the test.
        for container in (try? await engine.list(labels: labels)) ?? [] { try? await engine.remove(container.id) }
        await engine.shutdown()
    }

    /// A container of the tiny image that does not run yet.
    func create(_ command: String..., change: (inout ContainerSpecification) -> Void = { _ in }) async throws -> String
    {
        var specification = ContainerSpecification(image: DockerDaemon.tinyImage)
        specification.command = command
        specification.labels = labels
        specification.memoryBytes = 64 << 20
        change(&specification)
        return try await engine.create(specification)
    }

    /// Creates, attaches and starts.
    func run(_ command: [String], change: (inout ContainerSpecification) -> Void = { _ in }) async throws
        -> RunningContainer
    {
        var specification = ContainerSpecification(image: DockerDaemon.tinyImage)
        specification.command = command
        specification.labels = labels
        specification.memoryBytes = 64 << 20
        change(&specification)
        let id = try await engine.create(specification)
        let streams = ContainerStreams()
        let stream = try await streams.attach(engine, id)
        try await engine.start(id)
        return RunningContainer(id: id, stream: stream, streams: streams)
    }
}

struct RunningContainer: Sendable {
    let id: String
    let stream: EngineStream
    let streams: ContainerStreams
}

/// What came out of a container.
final class ContainerStreams: Sendable {
    struct State {
        var output: [UInt8] = []
        var error: [UInt8] = []
        var closings: [String] = []
    }

    let state = Mutex(State())

    func attach(_ engine: DockerEngine, _ id: String) async throws -> EngineStream {
        try await engine.attach(
            id,
            onOutput: { bytes in self.state.withLock { $0.output += bytes.readableBytesView } },
            onError: { bytes in self.state.withLock { $0.error += bytes.readableBytesView } },
            onClosed: { error in self.state.withLock { $0.closings.append(error.map { "\($0)" } ?? "end") } }
        )
    }

    var output: String { state.withLock { String(decoding: $0.output, as: UTF8.self) } }
    var error: String { state.withLock { String(decoding: $0.error, as: UTF8.self) } }
    var outputCount: Int { state.withLock { $0.output.count } }
    var closings: [String] { state.withLock { $0.closings } }

    func closed() async -> Bool { await eventually(within: .seconds(20)) { !closings.isEmpty } }
}
