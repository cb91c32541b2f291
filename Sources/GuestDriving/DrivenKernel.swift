package import Execution
import Glibc

/// The interpreter of one context, behind whatever port a backend has for it.
///
/// A thread of its own reads all it says, also between cells, so that a program that goes on in the background never waits for the next one.
package final class DrivenKernel: Kernel {
    private let mailbox: KernelMailbox

    /// Starts the thread. The process is killed when nobody refers to the kernel any longer.
    ///
    /// `wake` ends the wait of `port`; `grace` is how long what was interrupted may go on.
    /// - Throws: ``SandboxError/unavailable(_:retryAfter:)`` where there is no thread for it; the process is then still
    ///   the caller's to kill.
    package init(
        _ port: some GuestPort,
        grace: Duration,
        wake: @escaping @Sendable () -> Void
    ) throws(SandboxError) {
        let mailbox = KernelMailbox(wake: wake)
        self.mailbox = mailbox
        try Thread.start {
            var driver = KernelDriver(port, mailbox: mailbox, grace: grace)
            driver.drive()
        }
    }

    deinit { mailbox.kill() }

    package var death: KernelDeath? { mailbox.death }

    /// Makes it the interpreter of a context; once, before the first cell.
    ///
    /// - Throws: ``KernelRefusal``, ``SandboxError/lost(_:)``; it is dead then.
    package func open(language: String, directory: String) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { answer in
                if !mailbox.give(.open(language: language, directory: directory, answer: answer)) {
                    answer.resume(throwing: SandboxError.lost("its interpreter ended"))
                }
            }
        } onCancel: {
            mailbox.kill()
        }
    }

    package func run(_ cell: Cell, events: @escaping @Sendable (CellEvent) -> Void) async -> CellEnding {
        await withTaskCancellationHandler {
            await withCheckedContinuation { answer in
                if !mailbox.give(.run(cell, events: events, answer: answer)) {
                    answer.resume(returning: CellEnding(death: mailbox.death))
                }
                // A cancellation from before found nothing that ran.
                if Task.isCancelled { mailbox.stop(.abandoned) }
            }
        } onCancel: {
            mailbox.stop(.abandoned)
        }
    }

    package func interrupt(_ stop: CellEnding.Stop) { mailbox.stop(stop) }

    package func kill() { mailbox.kill() }
}
