import GuestDriving
import NIOCore

/// A process in a container as the thread that drives it meets it.
struct ContainerPort: GuestPort {
    private let process: GuestProcess
    private let ownership: Ownership
    let counters: any ResourceCounters
    /// What is sent behind the first frame: a program's standard input. nil for a context, which has none.
    private var input: ByteBuffer?

    init(_ process: GuestProcess, counters: GuestCounters, input: ByteBuffer?) {
        self.process = process
        ownership = Ownership(process: process)
        self.counters = counters
        self.input = input
    }

    var state: GuestState { process.result }
    var isSending: Bool { process.isSending }

    mutating func send(_ frame: ByteBuffer) {
        process.send(.data, frame)
        guard let input else { return }
        if input.readableBytes > 0 { process.send(.input, input) }
        process.send(.end, ByteBuffer())
        self.input = nil
    }

    mutating func next(until deadline: ContinuousClock.Instant?) -> [GuestEvent] { process.next(until: deadline) }
    mutating func closeChannel() { process.stopListening() }
    func signal(_ number: Int32) { process.signal(number) }

    /// Ends with the last copy of the port: others may hold the outputs of a process for as long as its container stands, and nobody takes them.
    private final class Ownership: Sendable {
        let process: GuestProcess
        init(process: GuestProcess) { self.process = process }
        deinit { process.abandon() }
    }
}
