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
        var isRemoved = false
    }

    init(id: String, engine: DockerEngine, logger: Logger) {
        self.id = id
        self.engine = engine
        self.logger = logger
    }

    func remove() async {
        let isFirst = state.withLock { state in
            defer { state.isRemoved = true }
            return !state.isRemoved
        }
        guard isFirst else { return }
        do throws(EngineError) {
            try await engine.remove(id)
        } catch {
            // It ends with our connection to it, and whoever looks for what was left finds it.
            logger.warning("a container was not removed", metadata: ["container": "\(id.prefix(12))", "why": "\(error)"])
        }
    }

    func setPaused(_ isPaused: Bool) {
        state.withLock { state in
            guard state.isPaused != isPaused, !state.isRemoved else { return }
            state.isPaused = isPaused
            let earlier = state.pausing
            // What is asked of the guest meanwhile waits in its standard input.
            state.pausing = Task { [id, engine, logger] in
                await earlier?.value
                do throws(EngineError) {
                    try await isPaused ? engine.pause(id) : engine.unpause(id)
                } catch {
                    logger.debug("a container was not \(isPaused ? "paused" : "unpaused")", metadata: ["why": "\(error)"])
                }
            }
        }
    }
}
