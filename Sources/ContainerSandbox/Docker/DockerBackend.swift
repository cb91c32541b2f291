package import Execution
package import Logging
import NIOCore
package import NIOPosix
import SeccompPolicy
import Synchronization

/// Makes sandboxes that are containers of the Docker Engine.
package final class DockerBackend: SandboxBackend {
    package let name = "docker"

    let plan: DockerPlan
    let engine: DockerEngine
    let logger: Logger
    private let threads: NIOThreadPool
    /// Distinguishes this run of the server from earlier ones with the same owner.
    let run: String
    let state = Mutex(State())

    struct State {
        var lastID: UInt32 = 0
        /// Why no container can be made; nil while some can.
        var obstacle: String?
        /// Who wants a sandbox before the engine was looked at.
        var early: [CheckedContinuation<Void, Never>] = []
        var hasLooked = false
        var engineVersion: EngineVersion?
        var greeting: GuestGreeting?
        /// Why the latest sandbox could not be built; nil where it could.
        var latestFailure: String?
        /// By the id of their container.
        var connections: [String: GuestConnection] = [:]
        /// Containers of which the engine said that they ran out of memory.
        var outOfMemory: Set<String> = []
        /// Wakes who follows the engine when something is in the way that only we noticed.
        var obstructed: AsyncStream<Void>.Continuation?
    }

    /// Does not reach the engine yet; ``run(ready:)`` does.
    ///
    /// One thread of `threadPool` is busy for as long as an execution runs.
    package init(
        settings: ContainerSettings,
        docker: DockerSettings,
        endpoint: DockerEndpoint,
        group: MultiThreadedEventLoopGroup,
        threadPool: NIOThreadPool,
        logger: Logger
    ) {
        plan = DockerPlan(sandboxes: settings, docker: docker, seccompProfile: EngineSeccompProfile.json())
        engine = DockerEngine(endpoint: endpoint, group: group, logger: logger)
        threads = threadPool
        self.logger = logger
        run = (0..<16).map { _ in String(Int.random(in: 0..<16), radix: 16) }.joined()
    }

    /// Where the engine is looked for.
    package var endpoint: DockerEndpoint { engine.endpoint }

    /// Looks at engine and image once, and makes a container as every other one is made; for `doctor`. Nothing is left of it.
    ///
    /// - Returns: what is in the way; nil when nothing is.
    package func examine() async -> String? {
        do {
            let version = try await engine.version()
            state.withLock { $0.engineVersion = version }
            guard try await engine.image(plan.docker.image) != nil else {
                return "the engine has no image \(plan.docker.image)"
            }
            await (try make(.bare)).destroy()
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Ends what ``examine()`` used.
    package func close() async { await engine.shutdown() }

    /// Of contexts, each once, Python first; nil until the first sandbox was made, whose guest names them.
    package var languages: [Language]? {
        guard let greeting = state.withLock({ $0.greeting }) else { return nil }
        var languages = [Language.ofPython]
        for kernel in greeting.languages where !languages.contains(where: { $0.name == kernel.language }) {
            languages.append(Language(name: kernel.language, displayName: kernel.displayName))
        }
        return languages
    }

    package func makeSandbox(_ kind: SandboxKind) async throws -> any Sandbox {
        await firstLook()
        if let obstacle = state.withLock({ $0.obstacle }) { throw unavailable(obstacle) }
        return try await make(kind)
    }

    /// Waits until it is known whether containers can be made.
    private func firstLook() async {
        await withCheckedContinuation { continuation in
            let isKnown = state.withLock { state in
                if !state.hasLooked { state.early.append(continuation) }
                return state.hasLooked
            }
            if isKnown { continuation.resume() }
        }
    }

    /// Containers can be made, or not for this reason.
    func conclude(_ obstacle: String?) {
        let early = state.withLock { state in
            state.obstacle = obstacle
            state.hasLooked = true
            defer { state.early = [] }
            return state.early
        }
        for continuation in early { continuation.resume() }
    }

    func unavailable(_ reason: String) -> SandboxError {
        .unavailable(reason, retryAfter: nil)
    }

    /// Makes a container and waits until its guest is warm. Nothing is left of it where that fails.
    func make(_ kind: SandboxKind) async throws -> ContainerSandbox {
        let expiry = WallClock.seconds + Int(plan.docker.timeToLive.components.seconds)
        let number = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        do {
            // A task of its own: a creation that is cancelled half-way would leave a container nobody knows.
            let creation = Task { try await create(plan.specification(kind, run: run, expiry: expiry)) }
            let container = DockerContainer(id: try await creation.value, engine: engine, logger: logger)
            do {
                let connection = try await connect(container)
                let sandbox = try await ContainerSandbox(
                    SandboxID(number),
                    kind: kind,
                    connection: connection,
                    container: container,
                    settings: plan.sandboxes,
                    threads: threads
                )
                state.withLock { state in
                    state.greeting = sandbox.greeting
                    state.latestFailure = nil
                }
                return sandbox
            } catch {
                await Task { await container.remove() }.value
                throw error
            }
        } catch {
            throw explained(error)
        }
    }

    private func create(_ specification: ContainerSpecification) async throws -> String {
        do {
            return try await engine.create(specification)
        } catch EngineError.notFound {
            let reason = "the image \(plan.docker.image) is gone"
            obstruct(reason)
            throw unavailable(reason)
        }
    }

    /// Attaches to a container that was created, and starts it.
    private func connect(_ container: DockerContainer) async throws -> GuestConnection {
        let connection = GuestConnection()
        let id = container.id
        let voice = GuestVoice(logger: logger, container: id)
        let stream = try await engine.attach(
            id,
            onOutput: { connection.receive($0) },
            onError: { voice.hear($0) },
            onClosed: { [weak self] error in self?.closed(id, connection, error, voice) }
        )
        connection.start(stream)
        state.withLock { $0.connections[id] = connection }
        try await engine.start(id)
        return connection
    }

    /// The stream of a container ended.
    private func closed(_ id: String, _ connection: GuestConnection, _ error: (any Error)?, _ voice: GuestVoice) {
        let last = voice.lastLine.map { ": \($0)" } ?? ""
        let isKnown = state.withLock { state in
            state.connections[id] = nil
            return state.outOfMemory.remove(id) != nil
        }
        if isKnown { return connection.end("its container ran out of memory\(last)", isOutOfMemory: true) }
        if let error { return connection.end("\(error)\(last)") }
        Task {
            // That it ran out of memory is said a moment later.
            let end = try? await engine.inspect(id)
            let isOutOfMemory = end?.oomKilled ?? false || state.withLock { $0.outOfMemory.remove(id) != nil }
            let reason = isOutOfMemory ? "its container ran out of memory" : "its container ended"
            connection.end("\(reason)\(last)", isOutOfMemory: isOutOfMemory)
        }
    }

    private func explained(_ error: any Error) -> any Error {
        switch error {
        case let error as EngineError:
            if case .unreachable = error {
                obstruct("\(error)")
                return unavailable("\(error)")
            }
            state.withLock { $0.latestFailure = "\(error)" }
            return SandboxError.setup("\(error)")
        case SandboxError.setup(let reason):
            state.withLock { $0.latestFailure = reason }
            return error
        default:
            return error
        }
    }

    /// Makes no more containers until the engine was asked again, which happens soon.
    func obstruct(_ reason: String) {
        state.withLock { state in
            state.obstacle = state.obstacle ?? reason
            state.obstructed?.yield()
        }
    }

    /// An engine that hangs says nothing of it, so it is asked each time.
    package func status() async -> BackendStatus {
        let silence = await silence()
        let (hasLooked, obstacle, failure, version, greeting) = state.withLock {
            ($0.hasLooked, $0.obstacle ?? silence, $0.latestFailure, $0.engineVersion, $0.greeting)
        }
        return BackendStatus(
            isReady: hasLooked && obstacle == nil && failure == nil,
            message: obstacle ?? (hasLooked ? nil : "the container engine was not asked yet")
                ?? failure.map { "the latest sandbox could not be built: \($0)" },
            walls: plan.walls(engine: version, greeting: greeting),
            reducedModes: plan.reducedModes
        )
    }
}

extension DockerBackend {
    private static let pingTime: Duration = .seconds(2)

    /// Why the engine does not answer; nil where it does, or was not asked the first time.
    private func silence() async -> String? {
        guard state.withLock({ $0.hasLooked && $0.obstacle == nil }) else { return nil }
        do {
            try await engine.ping(within: Self.pingTime)
            return nil
        } catch {
            return "\(error)"
        }
    }
}

extension EngineStream: GuestTransport {}
