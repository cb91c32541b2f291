package import Execution
import Glibc
import GuestProtocol
package import NIOCore

/// Drives one execution from its first byte to its end, on one thread that it blocks.
///
/// It waits for what its port brings, and never beyond the moment at which a limit can be reached.
package struct ExecutionDriver<Port: GuestPort> {
    typealias Instant = ContinuousClock.Instant

    /// How it came to an end.
    package struct End: Sendable {
        package var outcome: Outcome
        /// Whether processes of the program may still be alive.
        package var hasSurvivors: Bool
    }

    package enum Failure: Error, Equatable {
        case cancelled
        case lost(String)
    }

    private enum Verdict: Equatable {
        case limit(Outcome.Ending)
        case cancelled
    }

    private var port: Port
    private let limits: ExecutionLimits
    private let control: RunControl
    private let kill: () -> Void
    private let pass: (OutputStream, ByteBuffer) -> Void
    private var outputs: [Output]
    /// What the guest said the program's exit code is.
    private var exitCode: Int?
    private let start: Instant
    private var processorWatch: ProcessorWatch
    private var readBytes = 0
    /// Why we killed it; nil while we did not.
    private var verdict: Verdict?
    private var measured = Measures()
    /// When we stop waiting for the end of what was killed: it goes on without us, and the answer does not depend on it.
    private var patienceEnds: Instant?

    /// Hands the program over, which lies at `filename` inside and whose standard input is the port's business. `control` must wake the port; `kill` begins
    /// to kill everything in the sandbox; `pass` takes output, as ``Sandbox/run(_:limits:output:)`` has it.
    package init(
        _ port: Port,
        _ script: Script,
        filename: String,
        limits: ExecutionLimits,
        control: RunControl,
        kill: @escaping () -> Void,
        pass: @escaping (OutputStream, ByteBuffer) -> Void
    ) {
        self.port = port
        self.limits = limits
        self.control = control
        self.kill = kill
        self.pass = pass
        outputs = OutputStream.allCases.map { Output($0, limit: limits.outputBytes) }
        start = .now
        // Before it begins: a short program may have told what it used by the time that it was sent.
        processorWatch = ProcessorWatch(port.counters, limit: limits.cpuTime, start: start)
        self.port.send(ServerFrame.run(script, filename: filename))
    }

    /// Runs the program to its end. Blocks.
    package mutating func run() throws(Failure) -> End {
        let defect = untilOver()
        for index in outputs.indices { outputs[index].finish(pass) }
        if let defect { throw defect }
        if verdict == .cancelled { throw .cancelled }
        return end()
    }

    private mutating func untilOver() -> Failure? {
        while true {
            let state = port.state
            if isOver(state) {
                // It may have ended between saying so and our listening.
                for event in port.next(until: .now) { if case .frame(let frame) = event { hear(frame) } }
                return nil
            }
            if let failure = failure(state) { return failure }
            enforce(at: .now)
            for event in port.next(until: nextMoment) { take(event) }
        }
    }

    private mutating func take(_ event: GuestEvent) {
        switch event {
        case .output(let stream, let bytes):
            readBytes += bytes.readableBytes
            outputs[stream.index].append(bytes, pass)
        case .outputEnded(let stream): outputs[stream.index].finish(pass)
        case .frame(let frame): hear(frame)
        case .garbled: break
        }
    }

    /// Takes what the guest says: that the program ended. Anything else is its last word; how it ended, its wait status tells.
    private mutating func hear(_ frame: GuestFrame) {
        if case .done(let code) = frame, exitCode == nil { exitCode = code }
        port.closeChannel()
    }

    /// Whether the program has ended and its output has, too, or was killed and takes too long to end.
    private func isOver(_ state: GuestState) -> Bool {
        if let patienceEnds, patienceEnds <= .now { return true }
        // What we decided holds, whatever goes away with the program.
        if verdict != nil, state.lost != nil { return true }
        if outputs.contains(where: \.isOpen) { return false }
        return verdict != nil ? state.isGone : exitCode != nil || state.exit != nil
    }

    /// Why waiting is of no use.
    private func failure(_ state: GuestState) -> Failure? {
        if let reason = state.lost { return .lost(reason) }
        return verdict == nil && state.isGone ? .lost("it was destroyed") : nil
    }

    /// Kills the program when a limit is reached.
    private mutating func enforce(at now: Instant) {
        guard verdict == nil else { return }
        if control.isCancelled { return condemn(.cancelled, now) }
        if readBytes > limits.floodBytes { return condemn(.limit(.outputLimit), now) }
        if now >= start + limits.wallTime { return condemn(.limit(.timedOut), now) }
        if processorWatch.isExceeded(at: now) { condemn(.limit(.cpuLimit), now) }
    }

    private mutating func condemn(_ verdict: Verdict, _ now: Instant) {
        self.verdict = verdict
        // Before the kill: with the sandbox its counters go.
        measure(now)
        patienceEnds = now + .seconds(10)
        kill()
    }

    /// When something is due even if nothing happens.
    private var nextMoment: Instant {
        if let patienceEnds { return patienceEnds }
        return min(start + limits.wallTime, processorWatch.nextLook ?? .now + .seconds(3600))
    }
}

extension ExecutionDriver {
    /// One output stream of the program.
    private struct Output {
        let stream: OutputStream
        private(set) var isOpen = true
        private var limiter: OutputLimiter

        init(_ stream: OutputStream, limit: Int) {
            self.stream = stream
            limiter = OutputLimiter(limit: limit)
        }

        var isTruncated: Bool { limiter.isTruncated }

        /// Passes on what the limit lets through.
        mutating func append(_ bytes: ByteBuffer, _ pass: (OutputStream, ByteBuffer) -> Void) {
            if !limiter.isTruncated { give(limiter.append(bytes), pass) }
        }

        /// Passes on what was held back.
        mutating func finish(_ pass: (OutputStream, ByteBuffer) -> Void) {
            guard isOpen else { return }
            isOpen = false
            give(limiter.finish(), pass)
        }

        private func give(_ bytes: ByteBuffer, _ pass: (OutputStream, ByteBuffer) -> Void) {
            if bytes.readableBytes > 0 { pass(stream, bytes) }
        }
    }

    /// What was counted at the end.
    private struct Measures {
        var duration: Duration = .zero
        var peak: Int?
        var processorTime: Duration?
        var kills = 0
    }

    private mutating func measure(_ now: Instant) {
        measured.duration = now - start
        measured.peak = port.counters.memoryPeak
        measured.processorTime = processorWatch.used
        measured.kills = port.counters.outOfMemoryKills ?? 0
    }

    private mutating func end() -> End {
        if verdict == nil { measure(.now) }
        let outcome = Outcome(
            ending: ending,
            duration: measured.duration,
            peakMemoryBytes: measured.peak,
            cpuTime: measured.processorTime,
            wasMemoryLimitHit: measured.kills > 0,
            truncatedStreams: Set(outputs.filter(\.isTruncated).map(\.stream))
        )
        // Where nobody counts there may be some.
        return End(outcome: outcome, hasSurvivors: verdict == nil && port.counters.hasSurvivors ?? true)
    }

    private var ending: Outcome.Ending {
        if case .limit(let ending) = verdict { return ending }
        if let code = exitCode { return .exited(code) }
        guard let exit = port.state.exit else { preconditionFailure("a program ended without an end") }
        guard let signal = exit.signal else { return .exited(exit.code ?? 0) }
        if signal == SIGKILL, measured.kills > 0 { return .memoryLimit }
        // The kernel's own limit for one process, where there is no other.
        if signal == SIGXCPU || signal == SIGKILL && isProcessorTimeUsed { return .cpuLimit }
        return .signalled(signal)
    }

    private var isProcessorTimeUsed: Bool { measured.processorTime.map { $0 >= limits.cpuTime } ?? false }
}

extension OutputStream {
    /// Its place in `allCases`.
    fileprivate var index: Int { self == .stdout ? 0 : 1 }
}
