import Execution
import Glibc
import GuestDriving
import GuestProtocol
import NIOCore

/// A process of this machine: its channel, its two output pipes and its standard input, waited for with poll(2).
///
/// The guest keeps the order: it uses one of its three ways out only when the others were read empty, so what is read first happened first.
struct ProcessPort: GuestPort {
    private let record: SandboxRecord
    private let statistics: SandboxStatistics
    private let launcher: LauncherClient
    private let wakeUp: WakeUp
    private var channel: GuestChannel
    private var pipes: [OutputPipe]
    private var input: ByteFeed
    /// What the guest gets with its first frame.
    private var passengers: [Descriptor]

    private static let chunkBytes = 64 << 10

    /// Attaches `wakeUp` to the process, whose channel is `channel`.
    private init(
        _ record: SandboxRecord,
        _ launcher: LauncherClient,
        _ statistics: SandboxStatistics,
        _ wakeUp: WakeUp,
        channel: GuestChannel,
        input: ByteFeed,
        passengers: [Descriptor]
    ) throws(SystemError) {
        let (stdout, stdoutEnd) = try Descriptor.pipe()
        let (stderr, stderrEnd) = try Descriptor.pipe()
        self.record = record
        self.launcher = launcher
        self.statistics = statistics
        self.wakeUp = wakeUp
        self.channel = channel
        self.input = input
        pipes = [OutputPipe(.stdout, end: stdout), OutputPipe(.stderr, end: stderr)]
        self.passengers = passengers + [stdoutEnd, stderrEnd]
        record.attach(wakeUp)
    }

    /// For a process that runs one program, whose standard input is `input`.
    init(
        program delivery: LauncherClient.Delivery,
        input: [UInt8],
        _ launcher: LauncherClient,
        _ statistics: SandboxStatistics,
        _ wakeUp: WakeUp
    ) throws(SystemError) {
        let (inputEnd, feed) = try Descriptor.nonblockingFeed()
        try self.init(
            delivery.record,
            launcher,
            statistics,
            wakeUp,
            channel: GuestChannel(delivery.handover.channel, limit: FrameReader.scriptLimit),
            input: ByteFeed(input, into: feed),
            passengers: [inputEnd]
        )
    }

    /// For the interpreter of a context.
    init(
        kernel delivery: LauncherClient.Delivery,
        _ launcher: LauncherClient,
        _ statistics: SandboxStatistics,
        _ wakeUp: WakeUp
    ) throws(SystemError) {
        try self.init(
            delivery.record,
            launcher,
            statistics,
            wakeUp,
            channel: GuestChannel(delivery.handover.channel, limit: FrameReader.contextLimit),
            input: .none,
            passengers: []
        )
    }

    var state: GuestState { record.current.guest }
    var counters: any ResourceCounters { statistics }
    var isSending: Bool { channel.isSending }

    mutating func send(_ frame: ByteBuffer) {
        channel.send(frame, with: passengers)
        passengers = []
        input.push()
    }

    mutating func closeChannel() { channel.close() }

    func signal(_ number: Int32) { launcher.signal(record.id, number) }

    mutating func next(until deadline: ContinuousClock.Instant?) -> [GuestEvent] {
        var events: [GuestEvent] = []
        // What is closed is left out by its number.
        withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 5) { entries in
            entries.initialize(repeating: pollfd(fd: -1, events: 0, revents: 0))
            entries[0] = pollfd(fd: wakeUp.raw, events: Int16(POLLIN), revents: 0)
            if let interest = channel.interest { entries[1] = interest }
            if let end = input.end { entries[2] = pollfd(fd: end.raw, events: Int16(POLLOUT), revents: 0) }
            for index in pipes.indices {
                guard let end = pipes[index].end else { continue }
                entries[3 + index] = pollfd(fd: end.raw, events: Int16(POLLIN), revents: 0)
            }
            // Fails only when interrupted, and then nothing has happened.
            guard poll(entries.baseAddress, 5, deadline.map { Milliseconds.until($0) } ?? -1) > 0 else { return }
            if entries[0].revents != 0 { wakeUp.clear() }
            if entries[2].revents != 0 { input.push() }
            withUnsafeTemporaryAllocation(byteCount: Self.chunkBytes, alignment: 16) { space in
                for index in pipes.indices where entries[3 + index].revents != 0 {
                    if let event = pipes[index].read(into: space) { events.append(event) }
                }
                if entries[1].revents & Int16(POLLOUT) != 0 { channel.push() }
                if entries[1].revents & ~Int16(POLLOUT) != 0 {
                    events += channel.pull(into: space).map { .frame($0) }
                    if channel.takeGarbled() { events.append(.garbled) }
                }
            }
        }
        return events
    }
}
