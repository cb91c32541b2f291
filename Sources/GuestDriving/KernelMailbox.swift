import Execution
import Synchronization

/// What others want of a kernel, for the thread that drives it.
final class KernelMailbox: Sendable {
    /// Something to begin.
    enum Work: Sendable {
        /// Become the interpreter of a context.
        case open(language: String, directory: String, answer: CheckedContinuation<Void, any Error>)
        case run(Cell, events: @Sendable (CellEvent) -> Void, answer: CheckedContinuation<CellEnding, Never>)
    }

    private struct State: Sendable {
        var work: Work?
        var stop: CellEnding.Stop?
        var isKilled = false
        var death: KernelDeath?
        var isRunning = false
    }

    private let wake: @Sendable () -> Void
    private let state = Mutex(State())

    /// `wake` ends the wait of the port that the thread is at.
    init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    /// Why the kernel is gone; nil while it lives.
    var death: KernelDeath? { state.withLock { $0.death } }

    /// Leaves work; false when the kernel is gone.
    func give(_ work: Work) -> Bool {
        let isTaken = state.withLock { state in
            guard state.death == nil else { return false }
            precondition(state.work == nil && !state.isRunning, "a kernel does one thing at a time")
            state.work = work
            state.isRunning = true
            state.stop = nil
            return true
        }
        wake()
        return isTaken
    }

    /// Asks for the end of what runs; nothing when nothing does. The first who asks is remembered.
    func stop(_ stop: CellEnding.Stop) {
        state.withLock { state in
            if state.isRunning, state.stop == nil { state.stop = stop }
        }
        wake()
    }

    /// Asks for the end of the kernel.
    func kill() {
        state.withLock { $0.isKilled = true }
        wake()
    }

    // What the driving thread does.

    func takeWork() -> Work? { state.withLock { $0.work.take() } }
    var stopRequest: CellEnding.Stop? { state.withLock { $0.stop } }
    var isKilled: Bool { state.withLock { $0.isKilled } }

    /// What ran has ended.
    func finishWork() {
        state.withLock { state in
            state.isRunning = false
            state.stop = nil
        }
    }

    /// The kernel is gone; gives work that was left and not begun.
    func close(_ death: KernelDeath) -> Work? {
        state.withLock { state in
            state.death = death
            state.isRunning = false
            return state.work.take()
        }
    }
}
