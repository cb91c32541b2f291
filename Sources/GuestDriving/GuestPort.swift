package import Execution
package import GuestProtocol
package import NIOCore

/// One process of a sandbox, as the thread that drives it meets it: what it says, what it is told, and what became of it.
///
/// Every backend has its own. Not for two threads at a time.
package protocol GuestPort: Sendable {
    /// Where the process stands.
    var state: GuestState { get }
    /// What is counted for its sandbox.
    var counters: any ResourceCounters { get }
    /// Whether a frame has not left whole yet, or never will: nobody can have answered it.
    var isSending: Bool { get }

    /// Sends a frame over the channel, behind earlier ones; does not wait until it left. The descriptors that belong to
    /// the first one are the port's business.
    mutating func send(_ frame: ByteBuffer)

    /// Waits until something happened, ``GuestState`` changed or somebody woke it, or until `deadline`; nil is for ever. What happened, in the order in
    /// which it did; of one wait at most some hundred kilobytes.
    mutating func next(until deadline: ContinuousClock.Instant?) -> [GuestEvent]

    /// Does not listen to the channel any longer.
    mutating func closeChannel()

    /// Sends a signal to the process group.
    func signal(_ number: Int32)
}

/// What a process does.
package enum GuestEvent: Sendable, Equatable {
    /// It printed something, 64 KiB at most.
    case output(OutputStream, ByteBuffer)
    /// Nobody can print there any longer.
    case outputEnded(OutputStream)
    case frame(GuestFrame)
    /// It said something that is no frame; the channel is closed.
    case garbled
}

/// What became of a process.
package struct GuestState: Sendable, Equatable {
    /// How it ended.
    package var exit: ExitStatus?
    /// Why it went away under its owner.
    package var lost: String?
    /// Whether nothing of its sandbox is left that could run.
    package var isGone: Bool

    package init(exit: ExitStatus? = nil, lost: String? = nil, isGone: Bool = false) {
        self.exit = exit
        self.lost = lost
        self.isGone = isGone
    }
}

/// What is counted for a sandbox as a whole. Every answer is nil where nobody counts, or the sandbox is gone.
package protocol ResourceCounters: Sendable {
    /// How many processes the kernel killed for want of memory.
    var outOfMemoryKills: Int? { get }
    /// In bytes.
    var memoryPeak: Int? { get }
    /// Whether processes of the program are alive; true as well where a main process that ends cannot be told from one
    /// that does not.
    var hasSurvivors: Bool? { get }
    /// Of all processes that ever were in it.
    var processorTime: Duration? { get }
}
