import Execution
import Glibc
import GuestProtocol
import NIOCore

/// The interpreter of one context in a sandbox of this machine.
///
/// A thread of its own reads all it says, also between cells, so that a program that goes on in the background never waits for the next one.
final class LinuxKernel: Kernel {
    private let mailbox: KernelMailbox
    private let process: UInt32
    private let launcher: LauncherClient

    /// Starts the thread. The process is killed when nobody refers to the kernel any longer.
    init(
        record: SandboxRecord,
        channel: Descriptor,
        statistics: SandboxStatistics,
        launcher: LauncherClient,
        grace: Duration
    ) throws(SystemError) {
        mailbox = try KernelMailbox()
        process = record.id
        self.launcher = launcher
        let (id, mailbox) = (record.id, mailbox)
        let link = KernelDriver.Link(
            record: record,
            mailbox: mailbox,
            statistics: statistics,
            grace: grace,
            signal: { launcher.signal(id, $0) }
        )
        record.attach(mailbox.wakeUp)
        let pipes = (try Descriptor.pipe(), try Descriptor.pipe())
        Thread.start {
            var driver = KernelDriver(link, channel: channel, stdout: pipes.0, stderr: pipes.1)
            driver.drive()
        }
    }

    deinit { mailbox.kill() }

    var death: KernelDeath? { mailbox.death }

    /// Makes it the interpreter of a context; once, before the first cell.
    ///
    /// - Throws: ``KernelRefusal``, ``SandboxError/lost(_:)``; it is dead then.
    func open(language: String, directory: String) async throws {
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

    func run(_ cell: Cell, events: @escaping @Sendable (CellEvent) -> Void) async -> CellEnding {
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

    func interrupt(_ stop: CellEnding.Stop) { mailbox.stop(stop) }

    func kill() { mailbox.kill() }
}
