import Logging
import Synchronization

/// One container of the Docker Engine.
final class DockerContainer: ContainerHandle {
    let id: String
    private let engine: DockerEngine
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        /// The latest change of ``setPaused(_:)``, which the next one waits for.
        var pausing: Task<Void, Never>?
        var isPaused = false
        /// Begun once, and waited for by everybody.
        var removal: Task<Void, Never>?
    }

    init(id: String, engine: DockerEngine, logger: Logger) {
        self.id = id
        self.engine = engine
        self.logger = logger
    }

    func remove() async {
        let removal = state.withLock { state in
            let removal = state.removal ?? Task { [id, engine, logger] in await Self.remove(id, engine, logger) }
            state.removal = removal
            return removal
        }
        await removal.value
    }

    private static func remove(_ id: String, _ engine: DockerEngine, _ logger: Logger) async {
        do throws(EngineError) {
            try await engine.remove(id)
        } catch {
            // It ends with our connection to it, and whoever looks for what was left finds it.
            logger.warning(
                "a container was not removed",
                metadata: ["container": "\(id.prefix(12))", "why": "\(error)"]
            )
        }
    }

    func setPaused(_ isPaused: Bool) {
        state.withLock { state in
            guard state.isPaused != isPaused, state.removal == nil else { return }
            state.isPaused = isPaused
            let earlier = state.pausing
            // What is asked of the guest meanwhile waits in its standard input.
            state.pausing = Task { [id, engine, logger] in
                await earlier?.value
                do throws(EngineError) {
                    try await isPaused ? engine.pause(id) : engine.unpause(id)
                } catch {
                    logger.debug(
                        "a container was not \(isPaused ? "paused" : "unpaused")",
                        metadata: ["why": "\(error)"]
                    )
                }
            }
        }
    }
}
