import Execution
import JSON
import NIOCore

/// The wire form of what came of an execution.
enum ExecutionAnswer {
    /// The answer of /v1/execute.
    static func json(_ result: ExecutionResult, stdout: ByteBuffer, stderr: ByteBuffer) -> ByteBuffer {
        var writer = JSONWriter(capacity: stdout.readableBytes + stderr.readableBytes + 512)
        writer.raw("{\"stdout\":")
        writer.text(stdout)
        writer.raw(",\"stderr\":")
        writer.text(stderr)
        writer.raw(",")
        writeFields(of: result, to: &writer)
        writer.raw("}")
        return writer.buffer
    }

    /// What the answer of /v1/execute and the last event of /v1/execute/stream have in common, without braces.
    static func writeFields(of result: ExecutionResult, to writer: inout JSONWriter) {
        writer.raw("\"exit_code\":")
        writeNullable(result.outcome.exitCode, to: &writer)
        writer.raw(",\"timed_out\":")
        writer.bool(result.outcome.ending == .timedOut)
        writer.raw(",\"duration_ms\":")
        writer.integer(result.outcome.duration.milliseconds)
        writer.raw(",\"files\":")
        writer.list(result.files) { writer, file in
            writer.raw("{\"path\":")
            writer.string(file.filename)
            writer.raw(",\"kind\":\"file\",\"file_id\":")
            writer.string(file.id)
            writer.raw("}")
        }
        writer.raw(",\"outcome\":")
        writeOutcome(of: result, to: &writer)
    }

    /// The word for how it ended, in the answer and in the log.
    static func reason(_ ending: Outcome.Ending) -> String {
        switch ending {
        case .exited: "exit"
        case .signalled: "signal"
        case .timedOut: "timeout"
        case .cpuLimit: "cpu"
        case .memoryLimit: "memory"
        case .outputLimit: "output_limit"
        }
    }

    /// Fields beyond the contract: why it ended, and what it used.
    private static func writeOutcome(of result: ExecutionResult, to writer: inout JSONWriter) {
        let outcome = result.outcome
        writer.raw("{\"reason\":")
        writer.string(reason(outcome.ending))
        if case .signalled(let signal) = outcome.ending {
            writer.raw(",\"signal\":")
            writer.integer(signal)
        }
        if let bytes = outcome.peakMemoryBytes {
            writer.raw(",\"peak_memory_bytes\":")
            writer.integer(bytes)
        }
        if let time = outcome.cpuTime {
            writer.raw(",\"cpu_time_ms\":")
            writer.integer(time.milliseconds)
        }
        writer.raw(",\"memory_limit_hit\":")
        writer.bool(outcome.wasMemoryLimitHit)
        writer.raw(",\"stdout_truncated\":")
        writer.bool(outcome.truncatedStreams.contains(.stdout))
        writer.raw(",\"stderr_truncated\":")
        writer.bool(outcome.truncatedStreams.contains(.stderr))
        writer.raw(",\"omitted_files\":")
        writer.integer(result.omittedFiles)
        writer.raw("}")
    }

    private static func writeNullable(_ number: Int?, to writer: inout JSONWriter) {
        if let number { writer.integer(number) } else { writer.raw("null") }
    }
}
