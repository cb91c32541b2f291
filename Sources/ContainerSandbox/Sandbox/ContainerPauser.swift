import Synchronization

/// Pauses a container when its owner wants it to rest, and not while its guest owes an answer: files are read and written at any time.
final class ContainerPauser: Sendable {
    private let container: any ContainerHandle
    private let state = Mutex(State())

    private struct State {
        var isWanted = false
        var requests = 0
        var isPaused = false
    }

    init(_ container: any ContainerHandle) { self.container = container }

    /// Whether the owner wants it to rest.
    func setWanted(_ isWanted: Bool) { change { $0.isWanted = isWanted } }

    /// A request is on its way.
    func began() { change { $0.requests += 1 } }

    /// A request was answered. May come before the one who asked says that it began.
    func ended() { change { $0.requests -= 1 } }

    private func change(_ body: (inout State) -> Void) {
        state.withLock { state in
            body(&state)
            let isPaused = state.isWanted && state.requests == 0
            guard isPaused != state.isPaused else { return }
            state.isPaused = isPaused
            // Under the lock, for its order.
            container.setPaused(isPaused)
        }
    }
}
