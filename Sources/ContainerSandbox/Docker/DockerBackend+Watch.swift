import Execution
import Logging
import Synchronization

// How the backend keeps up with its engine.
extension DockerBackend {
    /// How often an engine that is away is asked again.
    private static let retryTime: Duration = .seconds(2)
    /// How often what outlived its time is looked for.
    private static let reapTime: Duration = .seconds(30)

    package func run(ready: @escaping @Sendable () -> Void) async throws {
        defer { conclude("the server is stopping") }
        do {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await self.watch(ready: ready) }
                tasks.addTask { try await self.reapForEver() }
                try await tasks.next()
                tasks.cancelAll()
            }
        } catch {
            await removeAll()
            throw error
        }
        await removeAll()
    }

    /// Connects to the engine again and again, and serves in between.
    private func watch(ready: @escaping @Sendable () -> Void) async throws {
        var isFirst = true
        while !Task.isCancelled {
            do {
                try await prepare()
                if isFirst { try await buildOne() }
                conclude(nil)
                if isFirst { ready() } else { logger.notice("containers can be made again") }
                isFirst = false
                try await follow()
            } catch let error as EngineError {
                try hinder("\(error)")
            } catch let obstacle as Obstacle {
                try hinder(obstacle.reason)
            }
            try await Task.sleep(for: Self.retryTime)
        }
    }

    /// No container can be made for this reason.
    private struct Obstacle: Error {
        var reason: String
    }

    private func hinder(_ reason: String) throws {
        if Task.isCancelled { throw CancellationError() }
        guard plan.docker.waitsForEngine else { throw DockerBackendError.engine(reason) }
        let isNews = state.withLock { $0.obstacle != reason }
        conclude(reason)
        if isNews { logger.error("no containers can be made", metadata: ["why": "\(reason)"]) }
    }

    /// Asks the engine what it is, looks for the image, pulls it where it is absent and that is allowed, and removes what earlier runs left.
    private func prepare() async throws {
        let version = try await engine.version()
        state.withLock { $0.engineVersion = version }
        if try await engine.image(plan.docker.image) == nil {
            guard plan.docker.mayPull else {
                throw Obstacle(reason: "the image \(plan.docker.image) is absent; `make images` makes it")
            }
            logger.notice("pulling", metadata: ["image": "\(plan.docker.image)"])
            do throws(EngineError) {
                try await engine.pull(plan.docker.image) { [logger] line in logger.info("pulling: \(line)") }
            } catch {
                throw Obstacle(
                    reason:
                        "the image \(plan.docker.image) is absent and cannot be pulled (\(error)); `make images` makes it"
                )
            }
        }
        try await reap()
    }

    /// Makes a container as every other one is made: one that cannot be built must stop the server, not each request.
    private func buildOne() async throws {
        do {
            let sandbox = try await make(.bare)
            await sandbox.destroy()
        } catch SandboxError.setup(let reason) {
            throw DockerBackendError.sandbox(reason)
        } catch SandboxError.unavailable(let reason, _) {
            throw Obstacle(reason: reason)
        }
    }

    /// Waits until there is a reason to ask the engine again, and throws it.
    private func follow() async throws {
        let (obstructions, obstructed) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let isObstructed = state.withLock { state in
            state.obstructed = obstructed
            return state.obstacle != nil
        }
        if isObstructed { obstructed.yield() }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { try await self.listen() }
            tasks.addTask {
                for await _ in obstructions {
                    if let obstacle = self.state.withLock({ $0.obstacle }) { throw Obstacle(reason: obstacle) }
                }
            }
            try await tasks.next()
        }
    }

    /// Listens to what the engine tells until it goes away.
    private func listen() async throws {
        for try await event in engine.events(labels: [DockerPlan.Label.run: run]) {
            switch event.kind {
            case .oom: state.withLock { if $0.connections[event.id] != nil { $0.outOfMemory.insert(event.id) } }
            case .imageDelete, .imageUntag:
                if try await engine.image(plan.docker.image) == nil {
                    throw Obstacle(reason: "the image \(plan.docker.image) was removed")
                }
            case .die, .destroy, .imageTag, .imagePull, .subscribed: break
            }
        }
    }

    // MARK: What was left

    private func reapForEver() async throws {
        while true {
            try await Task.sleep(for: Self.reapTime)
            // An engine that is away is somebody else's news.
            try? await reap()
        }
    }

    /// Removes containers of earlier runs of ours, and those of anybody whose time is over.
    private func reap() async throws(EngineError) {
        let now = WallClock.seconds
        for container in try await engine.list(labels: [:]) {
            guard let reason = reasonToRemove(container, at: now) else { continue }
            logger.notice("removing a container \(reason)", metadata: ["id": "\(container.id.prefix(12))"])
            try await engine.remove(container.id)
        }
    }

    /// nil for what is to stay, and for what no server of ours made.
    private func reasonToRemove(_ container: ContainerSummary, at now: Int) -> String? {
        guard let owner = container.labels[DockerPlan.Label.owner] else { return nil }
        if container.labels[DockerPlan.Label.run] != run {
            if owner == plan.docker.owner { return "an earlier run left" }
        } else if isForgotten(container, at: now) {
            return "that has ended"
        }
        let expiry = container.labels[DockerPlan.Label.expiry].flatMap { Int($0) }
        return expiry.map { $0 < now } ?? false ? "whose time is over" : nil
    }

    /// Whether nothing will come of it any more: engines forget now and then what they had begun to remove.
    private func isForgotten(_ container: ContainerSummary, at now: Int) -> Bool {
        ["created", "exited", "dead", "removing"].contains(container.state) && now - container.created > 60
            && state.withLock { $0.connections[container.id] == nil }
    }

    /// On the way out: whatever is left of this run.
    private func removeAll() async {
        let cleaning = Task {
            for container in try await engine.list(labels: [DockerPlan.Label.run: run]) {
                try await engine.remove(container.id)
            }
        }
        // An engine that is away removes them by itself: they end with our connections.
        _ = try? await cleaning.value
        await engine.shutdown()
    }
}

/// Why the server cannot go on.
package enum DockerBackendError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No container can be built as planned.
    case sandbox(String)
    /// The engine or its image is not there.
    case engine(String)

    package var description: String {
        switch self {
        case .engine(let reason): reason
        case .sandbox(let reason): "No sandbox can be built with this container engine: \(reason)"
        }
    }
}
