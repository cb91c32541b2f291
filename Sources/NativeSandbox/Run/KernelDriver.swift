import Execution
import Glibc
import GuestProtocol
import NIOCore

/// Drives one kernel from its birth to its end, on one thread that it blocks.
///
/// It waits with poll(2) for the two output streams, the guest and everybody else (its mailbox). The guest keeps the order: it uses one of
/// its three ways out only when the others were read empty, so what is read first happened first.
struct KernelDriver {
    typealias Instant = ContinuousClock.Instant

    /// What the driver needs of its kernel.
    struct Link: Sendable {
        let record: SandboxRecord
        let mailbox: KernelMailbox
        let statistics: SandboxStatistics
        /// How long what was interrupted may go on.
        let grace: Duration
        /// Sends a signal to the kernel's process group.
        let signal: @Sendable (Int32) -> Void
    }

    /// How long an interpreter may take to start; those of other languages are slow.
    static let openingTime: Duration = .seconds(75)
    /// How long a killed process may take to be gone, and one that ends by itself to do so.
    static let dyingTime: Duration = .seconds(10)
    static let endingTime: Duration = .seconds(3)
    /// Output that came while no cell ran is kept for the next one, so much of it.
    static let lateBytes = 256 << 10

    enum Phase {
        case idle
        case opening(answer: CheckedContinuation<Void, any Error>, deadline: Instant)
        case running(KernelRun)
    }

    let link: Link
    var channel: GuestChannel
    var phase = Phase.idle
    private var pipes: [(stream: OutputStream, end: Descriptor?)]
    /// What the guest gets with its first frame.
    private var passengers: [Descriptor]
    private var late: [(OutputStream, ByteBuffer)] = []
    private var lateSize = 0
    private var lastID = 0
    /// What the system's kernel had killed in the sandbox before the cell.
    private var killsBefore = 0
    /// Why we killed it, and when we stop waiting for its end.
    var verdict: KernelDeath?
    private var patienceEnds: Instant?

    init(_ link: Link, channel: Descriptor, stdout: (Descriptor, Descriptor), stderr: (Descriptor, Descriptor)) {
        self.link = link
        self.channel = GuestChannel(channel, limit: FrameReader.contextLimit)
        pipes = [(.stdout, stdout.0), (.stderr, stderr.0)]
        passengers = [stdout.1, stderr.1]
    }

    /// Serves until the kernel is gone. Blocks.
    mutating func drive() {
        let space = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { space.deallocate() }
        while true {
            if let death = death(at: .now) { return finish(death, space) }
            begin()
            enforce(at: .now)
            step(space)
        }
    }

    /// Why it is gone; nil while it is not.
    private func death(at now: Instant) -> KernelDeath? {
        let state = link.record.current
        if let exit = state.exit {
            if let verdict { return verdict }
            if case .running(let run) = phase, run.isLast { return .ended }
            guard let signal = exit.signal else { return .exited(exit.code ?? 0) }
            let kills = link.statistics.outOfMemoryKills ?? 0
            return signal == SIGKILL && kills > killsBefore ? .memoryLimit : .signalled(signal)
        }
        if let reason = state.lost { return verdict ?? .lost(reason) }
        if state.isGone { return verdict ?? .lost("its sandbox was destroyed") }
        if let patienceEnds, patienceEnds <= now { return verdict ?? .lost("it does not end") }
        return nil
    }

    /// Takes new work.
    private mutating func begin() {
        guard case .idle = phase, verdict == nil, let work = link.mailbox.takeWork() else { return }
        let now = Instant.now
        switch work {
        case .open(let language, let directory, let answer):
            phase = .opening(answer: answer, deadline: now + Self.openingTime)
            channel.send(ServerFrame.context(language: language, directory: directory), with: passengers)
            passengers = []
        case .run(let cell, let events, let answer):
            lastID += 1
            killsBefore = link.statistics.outOfMemoryKills ?? 0
            let run = KernelRun(id: lastID, cell: cell, start: now, events: events, answer: answer)
            phase = .running(run)
            channel.send(ServerFrame.execute(cell, id: lastID))
        }
    }

    /// Interrupts, and kills what does not heed it.
    private mutating func enforce(at now: Instant) {
        if link.mailbox.isKilled { return condemn(.replaced, now) }
        if channel.isGarbled { return condemn(.garbled, now) }
        switch phase {
        case .idle: return
        case .opening(_, let deadline):
            if now >= deadline { condemn(.unresponsive, now) }
        case .running(var run):
            if let stop = link.mailbox.stopRequest { run.request(stop, at: now, grace: link.grace) }
            if let limit = run.timeLimit, now >= limit { run.request(.timeLimit, at: now, grace: link.grace) }
            if run.takeInterrupt(at: now) { link.signal(SIGINT) }
            phase = .running(run)
            if let killAt = run.killAt, now >= killAt { condemn(.unresponsive, now) }
        }
    }

    private mutating func condemn(_ verdict: KernelDeath, _ now: Instant) {
        guard self.verdict == nil else { return }
        self.verdict = verdict
        patienceEnds = now + Self.dyingTime
        link.signal(SIGKILL)
    }

    /// Sleeps until something can be done, and does it.
    private mutating func step(_ space: UnsafeMutableRawBufferPointer) {
        withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 4) { entries in
            entries.initialize(repeating: pollfd(fd: -1, events: 0, revents: 0))
            entries[0] = pollfd(fd: link.mailbox.wakeUp.raw, events: Int16(POLLIN), revents: 0)
            if let interest = channel.interest { entries[1] = interest }
            for index in pipes.indices {
                guard let end = pipes[index].end else { continue }
                entries[2 + index] = pollfd(fd: end.raw, events: Int16(POLLIN), revents: 0)
            }
            let timeout = nextMoment.map { Milliseconds.until($0) } ?? -1
            // Fails only when interrupted, and then nothing has happened.
            guard poll(entries.baseAddress, 4, timeout) > 0 else { return }
            if entries[0].revents != 0 { link.mailbox.wakeUp.clear() }
            for index in pipes.indices where entries[2 + index].revents != 0 { readOutput(index, space) }
            if entries[1].revents & Int16(POLLOUT) != 0 { channel.push() }
            if entries[1].revents & ~Int16(POLLOUT) != 0 { hear(space) }
        }
    }

    /// When something is due even if nothing happens.
    private var nextMoment: Instant? {
        if let patienceEnds { return patienceEnds }
        switch phase {
        case .idle: return nil
        case .opening(_, let deadline): return deadline
        case .running(let run): return run.nextMoment
        }
    }
}

// MARK: - Output
extension KernelDriver {
    private mutating func readOutput(_ index: Int, _ space: UnsafeMutableRawBufferPointer) {
        guard let end = pipes[index].end else { return }
        let count = Glibc.read(end.raw, space.baseAddress, space.count)
        if count < 0, errno == EINTR || errno == EAGAIN { return }
        guard count > 0 else { return pipes[index].end = nil }
        let bytes = ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: space[..<count]))
        if case .running(let run) = phase, run.hasStarted { return run.events(.output(pipes[index].stream, bytes)) }
        keep(bytes, of: pipes[index].stream)
    }

    /// For the next cell: what threads and processes of earlier ones print.
    private mutating func keep(_ bytes: ByteBuffer, of stream: OutputStream) {
        let room = Self.lateBytes - lateSize
        guard room > 0, let kept = bytes.getSlice(at: bytes.readerIndex, length: min(room, bytes.readableBytes))
        else { return }
        lateSize += kept.readableBytes
        late.append((stream, kept))
        if lateSize >= Self.lateBytes { late.append((.stderr, ByteBuffer(string: Self.lateNotice))) }
    }

    private static let lateNotice = "\n...[output between cells truncated]\n"

    /// Gives what was kept to the cell that began.
    mutating func giveLateOutput(to run: KernelRun) {
        for (stream, bytes) in late { run.events(.output(stream, bytes)) }
        late = []
        lateSize = 0
    }

    /// What is in the pipes of a kernel that is gone; processes it left may hold them open for ever.
    private mutating func drainOutput(_ space: UnsafeMutableRawBufferPointer) {
        for index in pipes.indices {
            // Bounded: a pipe holds a megabyte at the most.
            for _ in 0..<64 {
                guard let end = pipes[index].end else { break }
                var entry = pollfd(fd: end.raw, events: Int16(POLLIN), revents: 0)
                guard poll(&entry, 1, 0) > 0 else { break }
                readOutput(index, space)
            }
        }
    }
}

// MARK: - The guest
extension KernelDriver {
    private mutating func hear(_ space: UnsafeMutableRawBufferPointer) {
        for frame in channel.pull(into: space) {
            switch (frame, phase) {
            case (.opened, .opening(let answer, _)):
                phase = .idle
                link.mailbox.finishWork()
                answer.resume()
            case (.refused(let refusal), .opening(let answer, _)):
                phase = .idle
                link.mailbox.finishWork()
                answer.resume(throwing: refusal)
                condemn(.replaced, .now)
            case (.cell(let id, let frame), .running(let run)) where id == run.id: take(frame, run)
            // Of a cell that is over; nobody waits for it.
            case (.cell, _): break
            default: condemn(.garbled, .now)
            }
        }
    }

    private mutating func take(_ frame: CellFrame, _ run: KernelRun) {
        switch frame {
        case .event(.started(let count)):
            guard !run.hasStarted else { return condemn(.garbled, .now) }
            var begun = run
            begun.hasStarted = true
            phase = .running(begun)
            run.events(.started(executionCount: count))
            giveLateOutput(to: run)
        case .event(let event):
            guard run.hasStarted else { return condemn(.garbled, .now) }
            run.events(event)
        case .done(let ends):
            if ends {
                // It goes by itself; its exit ends the cell.
                var ending = run
                ending.isLast = true
                ending.killAt = .now + Self.endingTime
                phase = .running(ending)
                return
            }
            // Two reads that only an unusual end is worth.
            let peak = run.stop == nil ? nil : link.statistics.memoryPeak
            finishRun(run, CellEnding(stop: run.stop, peakMemoryBytes: peak))
        }
    }

    private mutating func finishRun(_ run: KernelRun, _ ending: CellEnding) {
        phase = .idle
        link.mailbox.finishWork()
        run.answer.resume(returning: ending)
    }

    /// Ends what runs and what would have run.
    private mutating func finish(_ death: KernelDeath, _ space: UnsafeMutableRawBufferPointer) {
        drainOutput(space)
        // What it said before it died comes before its end.
        if verdict == nil { hear(space) }
        let peak = link.statistics.memoryPeak
        let left = link.mailbox.close(death)
        switch phase {
        case .idle: break
        case .opening(let answer, _): answer.resume(throwing: Self.refusal(death))
        case .running(let run): finishRun(run, CellEnding(death: death, stop: run.stop, peakMemoryBytes: peak))
        }
        switch left {
        case .open(_, _, let answer): answer.resume(throwing: Self.refusal(death))
        case .run(_, _, let answer):
            answer.resume(returning: CellEnding(death: death, peakMemoryBytes: peak))
        case nil: break
        }
    }

    private static func refusal(_ death: KernelDeath) -> any Error {
        switch death {
        case .lost(let reason): SandboxError.lost(reason)
        case .replaced: CancellationError()
        default: KernelRefusal.start("the interpreter ended while it started")
        }
    }
}
