import Execution
import Glibc
import GuestProtocol
import NIOCore

/// Drives one kernel from its birth to its end, on one thread that it blocks.
///
/// It waits for what its port brings, in the order in which it happened, and for everybody else (its mailbox, which wakes the port).
struct KernelDriver<Port: GuestPort> {
    typealias Instant = ContinuousClock.Instant

    enum Phase {
        case idle
        case opening(answer: CheckedContinuation<Void, any Error>, deadline: Instant)
        case running(KernelRun)
    }

    let mailbox: KernelMailbox
    /// How long what was interrupted may go on.
    let grace: Duration
    var port: Port
    var phase = Phase.idle
    private var late = LateOutput()
    private var lastID = 0
    /// What the system's kernel had killed in the sandbox before the cell.
    private var killsBefore = 0
    private var isGarbled = false
    /// Why we killed it, and when we stop waiting for its end.
    var verdict: KernelDeath?
    private var patienceEnds: Instant?

    init(_ port: Port, mailbox: KernelMailbox, grace: Duration) {
        self.port = port
        self.mailbox = mailbox
        self.grace = grace
    }

    /// Serves until the kernel is gone. Blocks.
    mutating func drive() {
        while true {
            if let death = death(at: .now) { return finish(death) }
            begin()
            enforce(at: .now)
            for event in port.next(until: nextMoment) { take(event) }
        }
    }

    private mutating func take(_ event: GuestEvent) {
        switch event {
        case .output(let stream, let bytes): takeOutput(bytes, of: stream)
        case .outputEnded: break
        case .frame(let frame): hear(frame)
        case .garbled: isGarbled = true
        }
    }

    /// Why it is gone; nil while it is not.
    private func death(at now: Instant) -> KernelDeath? {
        let state = port.state
        if let exit = state.exit {
            if let verdict { return verdict }
            if case .running(let run) = phase, run.isLast { return .ended }
            guard let signal = exit.signal else { return .exited(exit.code ?? 0) }
            let kills = port.counters.outOfMemoryKills ?? 0
            return signal == SIGKILL && kills > killsBefore ? .memoryLimit : .signalled(signal)
        }
        if let reason = state.lost { return verdict ?? .lost(reason) }
        if state.isGone { return verdict ?? .lost("its sandbox was destroyed") }
        if let patienceEnds, patienceEnds <= now { return verdict ?? .lost("it does not end") }
        return nil
    }

    /// Takes new work.
    private mutating func begin() {
        guard case .idle = phase, verdict == nil, let work = mailbox.takeWork() else { return }
        let now = Instant.now
        switch work {
        case .open(let language, let directory, let answer):
            phase = .opening(answer: answer, deadline: now + KernelTimes.opening)
            port.send(ServerFrame.context(language: language, directory: directory))
        case .run(let cell, let events, let answer):
            lastID += 1
            killsBefore = port.counters.outOfMemoryKills ?? 0
            let run = KernelRun(id: lastID, cell: cell, start: now, events: events, answer: answer)
            phase = .running(run)
            port.send(ServerFrame.execute(cell, id: lastID))
        }
    }

    /// Interrupts, and kills what does not heed it.
    private mutating func enforce(at now: Instant) {
        if mailbox.isKilled { return condemn(.replaced, now) }
        if isGarbled { return condemn(.garbled, now) }
        switch phase {
        case .idle: return
        case .opening(_, let deadline):
            if now >= deadline { condemn(.unresponsive, now) }
        case .running(var run):
            if let stop = mailbox.stopRequest { run.request(stop, at: now, grace: grace) }
            if let limit = run.timeLimit, now >= limit { run.request(.timeLimit, at: now, grace: grace) }
            if run.takeInterrupt(at: now) { port.signal(SIGINT) }
            phase = .running(run)
            if let killAt = run.killAt, now >= killAt { condemn(.unresponsive, now) }
        }
    }

    private mutating func condemn(_ verdict: KernelDeath, _ now: Instant) {
        guard self.verdict == nil else { return }
        self.verdict = verdict
        patienceEnds = now + KernelTimes.dying
        port.signal(SIGKILL)
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
    private mutating func takeOutput(_ bytes: ByteBuffer, of stream: OutputStream) {
        if case .running(let run) = phase, run.hasStarted { return run.events(.output(stream, bytes)) }
        late.add(bytes, of: stream)
    }

    /// Gives what was kept to the cell that began.
    mutating func giveLateOutput(to run: KernelRun) {
        for piece in late.take() { run.events(.output(piece.stream, piece.bytes)) }
    }

    /// What a kernel that is gone had printed and said; processes it left may go on for ever.
    private mutating func drain() {
        let deadline = Instant.now
        for _ in 0..<128 {
            let events = port.next(until: deadline)
            if events.isEmpty { return }
            for event in events {
                // What it said before we killed it is not heard any longer.
                if case .output = event { take(event) } else if verdict == nil { take(event) }
            }
        }
    }
}

// MARK: - The guest
extension KernelDriver {
    private mutating func hear(_ frame: GuestFrame) {
        // What it says while it is killed changes nothing.
        guard verdict == nil else { return }
        // Of a cell that is over, or of none; nobody waits for it.
        if case .cell(let id, _) = frame, id != runningID { return }
        // A lie, and with it a guest that reads nothing would be sent one cell after the other.
        if port.isSending { return condemn(.garbled, .now) }
        switch (frame, phase) {
        case (.opened, .opening(let answer, _)):
            phase = .idle
            mailbox.finishWork()
            answer.resume()
        case (.refused(let refusal), .opening(let answer, _)):
            phase = .idle
            mailbox.finishWork()
            answer.resume(throwing: refusal)
            condemn(.replaced, .now)
        case (.cell(_, let frame), .running(let run)): take(frame, run)
        default: condemn(.garbled, .now)
        }
    }

    private var runningID: Int? {
        if case .running(let run) = phase { run.id } else { nil }
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
                ending.killAt = .now + KernelTimes.ending
                phase = .running(ending)
                return
            }
            // Two reads that only an unusual end is worth.
            let peak = run.stop == nil ? nil : port.counters.memoryPeak
            finishRun(run, CellEnding(stop: run.stop, peakMemoryBytes: peak))
        }
    }

    private mutating func finishRun(_ run: KernelRun, _ ending: CellEnding) {
        phase = .idle
        mailbox.finishWork()
        run.answer.resume(returning: ending)
    }

    /// Ends what runs and what would have run.
    private mutating func finish(_ death: KernelDeath) {
        // What it said before it died comes before its end.
        drain()
        let peak = port.counters.memoryPeak
        let left = mailbox.close(death)
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

/// How long things may take.
private enum KernelTimes {
    /// An interpreter that starts; those of other languages are slow.
    static let opening: Duration = .seconds(75)
    /// A killed process until it is gone.
    static let dying: Duration = .seconds(10)
    /// One that ends by itself.
    static let ending: Duration = .seconds(3)
}
