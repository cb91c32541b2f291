/// A program to run as `__main__`.
package struct Script: Sendable, Equatable {
    /// Python source.
    package var code: String
    /// What the program reads from standard input; nil and empty are an immediate end of file.
    package var standardInput: String?
    /// Whether the last top-level expression prints its repr, statement by statement, in frames named `<stdin>`.
    package var isLastLineInteractive: Bool

    package init(code: String, standardInput: String? = nil, isLastLineInteractive: Bool = true) {
        self.code = code
        self.standardInput = standardInput
        self.isLastLineInteractive = isLastLineInteractive
    }
}

/// What one execution may use.
package struct ExecutionLimits: Sendable, Equatable {
    /// From the moment the program starts until it and every holder of its output ended.
    package var wallTime: Duration
    /// Of all processes of the sandbox together.
    package var cpuTime: Duration
    /// For each of the two output streams; see ``OutputLimiter``.
    package var outputBytes: Int
    /// Both streams together, read and thrown away included; beyond it the program is killed.
    package var floodBytes: Int

    package init(wallTime: Duration, cpuTime: Duration, outputBytes: Int, floodBytes: Int) {
        self.wallTime = wallTime
        self.cpuTime = cpuTime
        self.outputBytes = outputBytes
        self.floodBytes = floodBytes
    }
}

/// One of a program's two output streams.
package enum OutputStream: String, Sendable, CaseIterable {
    case stdout
    case stderr
}

/// How an execution ended. A value, never an error: untrusted code cannot make us throw.
package struct Outcome: Sendable, Equatable {
    package var ending: Ending
    /// From start to end of the program.
    package var duration: Duration
    /// Highest memory use of the whole sandbox beyond the shared interpreter, in bytes; nil where the host cannot tell.
    package var peakMemoryBytes: Int?
    /// Of all processes of the sandbox; nil where the host cannot tell.
    package var cpuTime: Duration?
    /// Whether the kernel killed any process of the sandbox for its memory limit, the main one or not.
    package var wasMemoryLimitHit: Bool
    /// Streams of which something was cut off.
    package var truncatedStreams: Set<OutputStream>

    package init(
        ending: Ending,
        duration: Duration,
        peakMemoryBytes: Int? = nil,
        cpuTime: Duration? = nil,
        wasMemoryLimitHit: Bool = false,
        truncatedStreams: Set<OutputStream> = []
    ) {
        self.ending = ending
        self.duration = duration
        self.peakMemoryBytes = peakMemoryBytes
        self.cpuTime = cpuTime
        self.wasMemoryLimitHit = wasMemoryLimitHit
        self.truncatedStreams = truncatedStreams
    }

    /// Why it ended.
    package enum Ending: Sendable, Equatable {
        /// By itself, with this exit code, 0…255.
        case exited(Int)
        /// Killed by this signal, not by us.
        case signalled(Int)
        /// Wall time was up.
        case timedOut
        /// CPU time was up.
        case cpuLimit
        /// The kernel killed the main process for its memory.
        case memoryLimit
        /// It printed more than ``ExecutionLimits/floodBytes``.
        case outputLimit
    }

    /// What the one-shot contract calls the exit code: nil after a time-out, 128 + n after a signal, 137 after a limit.
    package var exitCode: Int? {
        switch ending {
        case .exited(let code): code
        case .signalled(let signal): 128 + signal
        case .timedOut: nil
        case .cpuLimit, .memoryLimit, .outputLimit: 137
        }
    }
}
