import Glibc
import Logging
import ServiceLifecycle
import UnixSignals

/// A part that runs until it is cancelled and then finishes what it has: a graceful shutdown cancels it when its turn comes.
struct UntilShutdown: Service, CustomStringConvertible {
    let name: String
    let body: @Sendable () async throws -> Void

    var description: String { name }

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown(body)
        } catch is CancellationError {
            // This is how it is asked to end.
        }
    }
}

/// Ends the server by signals: the first lets it finish what it has, the second cancels that, the third ends the process.
struct SignalledShutdown: Sendable {
    let logger: Logger

    /// Runs `group` to its end.
    ///
    /// - Throws: what a service of the group threw.
    func run(_ group: ServiceGroup) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
            tasks.addTask { try await group.run() }
            tasks.addTask { try await listen(signals, group) }
            do {
                try await tasks.next()
                tasks.cancelAll()
            } catch is SecondSignal {
                tasks.cancelAll()
                // Executions end as cancelled; what they throw for that is expected.
                while let result = await tasks.nextResult() { logger.debug("ended", metadata: ["result": "\(result)"]) }
            }
        }
    }

    private func listen(_ signals: UnixSignalsSequence, _ group: ServiceGroup) async throws {
        var count = 0
        for await signal in signals {
            count += 1
            guard count == 1 else {
                logger.notice("stopping now", metadata: ["signal": "\(signal)"])
                // Nobody can wait for this one; the launcher removes what is left when we are gone.
                alarm(10)
                throw SecondSignal()
            }
            logger.notice(
                "stopping when all executions have ended; a second signal ends them",
                metadata: ["signal": "\(signal)"]
            )
            await group.triggerGracefulShutdown()
        }
    }

    private struct SecondSignal: Error {}
}
