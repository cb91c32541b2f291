import Dispatch
import Glibc
import GuestDriving
import GuestProtocol
import NIOCore
import Synchronization

@testable import ContainerSandbox

/// A port without a process: a test says what it brings.
struct FakePort: GuestPort {
    let line: Line

    var state: GuestState { line.guest }
    var counters: any ResourceCounters { GuestCounters(countsProcessorTime: false) }
    var isSending: Bool { line.isSending }

    mutating func send(_ frame: ByteBuffer) { line.take(frame) }
    mutating func next(until deadline: ContinuousClock.Instant?) -> [GuestEvent] { line.next() }
    mutating func closeChannel() {}
    func signal(_ number: Int32) { if number == SIGKILL { line.die(number) } }

    /// The other end of the port.
    final class Line: Sendable {
        /// Plays when the server has sent its `number`th frame, from 1 up.
        typealias Play = @Sendable (_ line: Line, _ number: Int) -> Void

        private struct State: Sendable {
            var guest = GuestState()
            var said: [Saying] = []
            var frames = 0
            var isSending = false
        }

        /// What one wait brings.
        private struct Saying: Sendable {
            var frames: [GuestFrame]
            var isSending: Bool
        }

        private let play: Play
        private let bell = DispatchSemaphore(value: 0)
        private let state = Mutex(State())

        init(_ play: @escaping Play) { self.play = play }

        var guest: GuestState { state.withLock { $0.guest } }

        /// Whether something was on its way to the guest when it said what was heard last.
        var isSending: Bool { state.withLock { $0.isSending } }

        func say(_ frames: GuestFrame..., whileSending isSending: Bool = false) {
            state.withLock { $0.said.append(Saying(frames: frames, isSending: isSending)) }
            ring()
        }

        func ring() { bell.signal() }

        fileprivate func take(_ frame: ByteBuffer) {
            let number = state.withLock { state in
                state.frames += 1
                return state.frames
            }
            play(self, number)
        }

        fileprivate func die(_ signal: Int32) {
            state.withLock { $0.guest.exit = ExitStatus(signal) }
            ring()
        }

        /// Comes back without anything now and then; whoever drives a port looks again.
        fileprivate func next() -> [GuestEvent] {
            _ = bell.wait(timeout: .now() + .milliseconds(20))
            return state.withLock { state in
                guard !state.said.isEmpty else { return [] }
                let saying = state.said.removeFirst()
                state.isSending = saying.isSending
                return saying.frames.map { GuestEvent.frame($0) }
            }
        }
    }
}
