import CLinux
import Execution
import Glibc
import GuestProtocol
import NIOCore

/// Drives one execution from its first byte to its end, on one thread that it blocks.
///
/// It waits with poll(2) for the two output streams, the program's hunger for input, the guest and everybody else (its
/// wake-up), and never beyond the moment at which a limit can be reached.
struct ExecutionDriver {
    typealias Instant = ContinuousClock.Instant

    /// What the driver needs of a sandbox.
    struct Context: Sendable {
        let record: SandboxRecord
        let channel: Descriptor
        let statistics: SandboxStatistics
        let control: RunControl
        /// Begins to kill everything in the sandbox.
        let kill: @Sendable () -> Void
    }

    /// How it came to an end.
    struct End: Sendable {
        var outcome: Outcome
        /// Whether processes of the program may still be alive.
        var hasSurvivors: Bool
    }

    enum Failure: Error, Equatable {
        case cancelled
        case lost(String)
    }

    private enum Verdict: Equatable {
        case limit(Outcome.Ending)
        case cancelled
    }

    private let context: Context
    private let limits: ExecutionLimits
    private let pass: (OutputStream, ByteBuffer) -> Void
    private var pipes: [OutputPipe]
    private var input: ByteFeed
    private var channel: GuestChannel
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

    init(
        _ context: Context,
        _ script: Script,
        _ limits: ExecutionLimits,
        pass: @escaping (OutputStream, ByteBuffer) -> Void
    ) throws(SystemError) {
        let (inputEnd, feed) = try Descriptor.pipe()
        let (stdout, stdoutEnd) = try Descriptor.pipe()
        let (stderr, stderrEnd) = try Descriptor.pipe()
        try systemCall("fcntl") { ci_set_nonblocking(feed.raw, 1) }
        self.context = context
        self.limits = limits
        self.pass = pass
        pipes = [
            OutputPipe(.stdout, end: stdout, limit: limits.outputBytes),
            OutputPipe(.stderr, end: stderr, limit: limits.outputBytes),
        ]
        input = ByteFeed(Array((script.standardInput ?? "").utf8), into: feed)
        channel = GuestChannel(context.channel, limit: FrameReader.scriptLimit)
        let frame = ServerFrame.run(script, filename: "\(SandboxPlan.Path.workspace)/\(WorkspacePath.entrypoint)")
        channel.send(frame, with: [inputEnd, stdoutEnd, stderrEnd])
        start = .now
        processorWatch = ProcessorWatch(context.statistics, limit: limits.cpuTime, start: start)
    }

    /// Runs the program to its end. Blocks.
    mutating func run() throws(Failure) -> End {
        context.record.attach(context.control.wakeUp)
        input.push()
        let defect = withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { space -> Failure? in
            while true {
                let state = context.record.current
                if isOver(state) {
                    // It may have ended between saying so and our listening.
                    hear(space)
                    return nil
                }
                if let failure = failure(state) { return failure }
                enforce(at: .now)
                step(space)
            }
        }
        for index in pipes.indices { pipes[index].finish(pass) }
        if let defect { throw defect }
        if verdict == .cancelled { throw .cancelled }
        return end()
    }

    /// Takes what the guest says: that the program ended. Anything else is its last word; how it ended, its wait status tells.
    private mutating func hear(_ space: UnsafeMutableRawBufferPointer) {
        guard let frame = channel.pull(into: space).first else { return }
        if case .done(let code) = frame { exitCode = code }
        channel.close()
    }

    /// Whether the program has ended and its output has, too, or was killed and takes too long to end.
    private func isOver(_ state: SandboxRecord.State) -> Bool {
        if let patienceEnds, patienceEnds <= .now { return true }
        if pipes.contains(where: \.isOpen) { return false }
        return verdict != nil ? state.isGone : exitCode != nil || state.exit != nil
    }

    /// Why waiting is of no use.
    private func failure(_ state: SandboxRecord.State) -> Failure? {
        if let reason = state.lost { return verdict == .cancelled ? .cancelled : .lost(reason) }
        return verdict == nil && state.isGone ? .lost("it was destroyed") : nil
    }

    /// Kills the program when a limit is reached.
    private mutating func enforce(at now: Instant) {
        guard verdict == nil else { return }
        if context.control.isCancelled { return condemn(.cancelled, now) }
        if readBytes > limits.floodBytes { return condemn(.limit(.outputLimit), now) }
        if now >= start + limits.wallTime { return condemn(.limit(.timedOut), now) }
        if processorWatch.isExceeded(at: now) { condemn(.limit(.cpuLimit), now) }
    }

    private mutating func condemn(_ verdict: Verdict, _ now: Instant) {
        self.verdict = verdict
        // Before the kill: with the sandbox its statistics go.
        measure(now)
        patienceEnds = now + .seconds(10)
        context.kill()
    }

    /// Sleeps until something can be done, and does it.
    private mutating func step(_ space: UnsafeMutableRawBufferPointer) {
        // Two streams, the guest, the input and the wake-up; what is closed is left out by its number.
        withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 5) { entries in
            entries.initialize(repeating: pollfd(fd: -1, events: 0, revents: 0))
            entries[0] = pollfd(fd: context.control.wakeUp.raw, events: Int16(POLLIN), revents: 0)
            if let interest = channel.interest { entries[1] = interest }
            if let end = input.end { entries[2] = pollfd(fd: end.raw, events: Int16(POLLOUT), revents: 0) }
            for index in pipes.indices {
                guard let end = pipes[index].end else { continue }
                entries[3 + index] = pollfd(fd: end.raw, events: Int16(POLLIN), revents: 0)
            }
            // Fails only when interrupted, and then nothing has happened.
            guard poll(entries.baseAddress, 5, Milliseconds.until(nextMoment)) > 0 else { return }
            if entries[0].revents != 0 { context.control.wakeUp.clear() }
            if entries[2].revents != 0 { input.push() }
            for index in pipes.indices where entries[3 + index].revents != 0 {
                readBytes += pipes[index].read(into: space, pass)
            }
            if entries[1].revents & Int16(POLLOUT) != 0 { channel.push() }
            if entries[1].revents & ~Int16(POLLOUT) != 0 { hear(space) }
        }
    }

    /// When something is due even if nothing happens.
    private var nextMoment: Instant {
        if let patienceEnds { return patienceEnds }
        return min(start + limits.wallTime, processorWatch.nextLook ?? .now + .seconds(3600))
    }
}

extension ExecutionDriver {
    /// What was counted at the end.
    private struct Measures {
        var duration: Duration = .zero
        var peak: Int?
        var processorTime: Duration?
        var kills = 0
    }

    private mutating func measure(_ now: Instant) {
        measured.duration = now - start
        measured.peak = context.statistics.memoryPeak
        measured.processorTime = processorWatch.used
        measured.kills = context.statistics.outOfMemoryKills ?? 0
    }

    private mutating func end() -> End {
        if verdict == nil { measure(.now) }
        let outcome = Outcome(
            ending: ending,
            duration: measured.duration,
            peakMemoryBytes: measured.peak,
            cpuTime: measured.processorTime,
            wasMemoryLimitHit: measured.kills > 0,
            truncatedStreams: Set(pipes.filter(\.isTruncated).map(\.stream))
        )
        return End(outcome: outcome, hasSurvivors: verdict == nil && mayHaveSurvivors)
    }

    /// Init and, for a moment, the main process are still there; more are survivors. Where nobody counts there may be
    /// some.
    private var mayHaveSurvivors: Bool { context.statistics.processes.map { $0 > 2 } ?? true }

    private var ending: Outcome.Ending {
        if case .limit(let ending) = verdict { return ending }
        if let code = exitCode { return .exited(code) }
        guard let exit = context.record.current.exit else { preconditionFailure("a program ended without an end") }
        guard let signal = exit.signal else { return .exited(exit.code ?? 0) }
        if signal == SIGKILL, measured.kills > 0 { return .memoryLimit }
        // The kernel's own limit for one process, where there is no other.
        if signal == SIGXCPU || signal == SIGKILL && isProcessorTimeUsed { return .cpuLimit }
        return .signalled(signal)
    }

    private var isProcessorTimeUsed: Bool { measured.processorTime.map { $0 >= limits.cpuTime } ?? false }
}
