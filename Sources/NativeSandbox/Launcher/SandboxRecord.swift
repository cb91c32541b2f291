import GuestDriving
import Synchronization

/// What became of one sandbox, or of one process that entered one: written by the launcher's thread, read by whoever runs in it.
final class SandboxRecord: Sendable {
    let id: UInt32
    private let state = Mutex(State())

    struct State: Sendable {
        /// How its main process ended.
        var exit: ExitStatus?
        /// Why it went away under its owner.
        var lost: String?
        /// Whether nothing of it is left.
        var isGone = false
        fileprivate var listener: WakeUp?

        /// For the thread that drives it.
        var guest: GuestState { GuestState(exit: exit, lost: lost, isGone: isGone) }
    }

    init(id: UInt32) { self.id = id }

    var current: State { state.withLock { $0 } }

    /// From now on `listener` is woken at every change.
    func attach(_ listener: WakeUp) {
        state.withLock { $0.listener = listener }
    }

    func update(_ change: (inout State) -> Void) {
        state.withLock {
            change(&$0)
            $0.listener?.signal()
        }
    }
}
