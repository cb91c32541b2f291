import Execution
import Logging

/// Writes one line for each execution that was asked for: what kind, how it ended, how long it took. Never code, input, output or names of files.
struct ExecutionLog: Sendable {
    let operation: ExecutionOperation
    let logger: Logger
    private let start = ContinuousClock.now

    init(operation: ExecutionOperation, logger: Logger) {
        self.operation = operation
        self.logger = logger
    }

    /// Runs `work` and logs its end, good or bad.
    func following(_ work: () async throws -> ExecutionResult) async throws -> ExecutionResult {
        do {
            let result = try await work()
            write(ExecutionAnswer.reason(result.outcome.ending), exitCode: result.outcome.exitCode)
            return result
        } catch {
            write(Self.word(for: error))
            throw error
        }
    }

    /// Runs the cell that `work` is and logs its end, good or bad.
    func followingCell(_ work: () async throws -> CellEnding) async throws -> CellEnding {
        do {
            let ending = try await work()
            write(ending.metricsLabel)
            return ending
        } catch {
            write(Self.word(for: error))
            throw error
        }
    }

    /// Runs `work`, which comes before the execution, and logs only its failure.
    func followingAdmission<Value>(_ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch {
            write(Self.word(for: error))
            throw error
        }
    }

    private func write(_ outcome: String, exitCode: Int? = nil) {
        var metadata: Logger.Metadata = [
            "operation": "\(operation.rawValue)", "outcome": "\(outcome)",
            "ms": "\((ContinuousClock.now - start).milliseconds)",
        ]
        if let exitCode { metadata["exit_code"] = "\(exitCode)" }
        logger.info("execution", metadata: metadata)
    }

    private static func word(for error: any Error) -> String {
        switch error {
        case is CancellationError: "cancelled"
        case is ExecutionRefusal, is ContextRefusal: "refused"
        default: "failed"
        }
    }
}
