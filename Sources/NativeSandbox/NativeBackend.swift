package import Execution
import Glibc
import GuestDriving
package import Logging
package import NIOPosix
import RuntimeFiles
import SeccompPolicy
import Synchronization

/// Makes sandboxes on this machine with the kernel's own means.
package final class NativeBackend: SandboxBackend {
    package let name = "native"
    /// What the host could enforce when this was made.
    package let report: HostReport

    let launcher: LauncherClient
    private let threads: NIOThreadPool
    private let fileThreads: NIOThreadPool
    private let facts: HostFacts
    /// Why the latest sandbox could not be built; nil where it could.
    private let latestFailure = Mutex<String?>(nil)

    /// Looks at the host, makes the plan, and starts the launcher: as root this must come before
    /// ``Privileges/drop(toUser:group:)``.
    ///
    /// One thread of `threadPool` is busy for as long as an execution runs; what file routes do is done on `filePool`, the same one where there is none,
    /// a moment at a time. From here on SIGPIPE is ignored in this process. The launcher ends when ``run(ready:)`` returns, or with the process.
    /// - Throws: ``NativeBackendError``, with everything that is wrong at once.
    package convenience init(
        settings: NativeSettings,
        threadPool: NIOThreadPool,
        filePool: NIOThreadPool? = nil,
        logger: Logger
    ) throws {
        try self.init(
            settings: settings,
            facts: HostFacts.inspect(settings),
            threadPool: threadPool,
            filePool: filePool,
            logger: logger
        )
    }

    init(
        settings: NativeSettings,
        facts: HostFacts,
        threadPool: NIOThreadPool,
        filePool: NIOThreadPool? = nil,
        logger: Logger
    ) throws {
        self.facts = facts
        report = HostReport(facts, settings)
        threads = threadPool
        fileThreads = filePool ?? threadPool
        guard report.errors.isEmpty, let launcherPath = facts.launcher else {
            throw NativeBackendError.hostLacks(report.errors)
        }
        // A program that closes its standard input must not end the server.
        signal(SIGPIPE, SIG_IGN)
        do {
            if case .version2(let unified) = facts.cgroups, unified.needsLeaf {
                try CgroupLeaf.retreat(from: unified.parent)
            }
            launcher = try LauncherClient(
                plan: SandboxPlan(
                    settings: settings,
                    facts: facts,
                    token: Self.token(),
                    runtimeFiles: Self.runtimeFiles()
                ),
                filters: try SeccompPrograms(facts.cgroups.isMissing ? .withoutCgroups : .standard),
                launcherPath: launcherPath,
                logger: logger
            )
        } catch {
            throw NativeBackendError.launcher(error.description)
        }
    }

    package func makeSandbox(_ kind: SandboxKind) async throws -> any Sandbox {
        do {
            let delivery = try await launcher.create(kind)
            latestFailure.withLock { $0 = nil }
            let made = LinuxSandbox(
                delivery,
                kind: kind,
                launcher: launcher,
                threads: threads,
                fileThreads: fileThreads
            )
            guard let made else { preconditionFailure("the launcher hands a workspace over with every sandbox") }
            return made
        } catch LauncherRefusal.unavailable(let reason) {
            throw SandboxError.unavailable(reason, retryAfter: nil)
        } catch LauncherRefusal.sandboxGone {
            preconditionFailure("only what enters a sandbox finds it gone")
        } catch LauncherRefusal.setup(let reason) {
            latestFailure.withLock { $0 = reason }
            throw SandboxError.setup(reason)
        }
    }

    package func status() async -> BackendStatus {
        let (isReady, message) = launcher.readiness
        let failure = latestFailure.withLock { $0 }
        return BackendStatus(
            isReady: isReady && failure == nil,
            message: message ?? failure.map { "the latest sandbox could not be built: \($0)" },
            walls: report.walls,
            reducedModes: report.reducedModes
        )
    }

    package func run(ready: @escaping @Sendable () -> Void) async throws {
        let (launcherReady, readiness) = AsyncStream<Void>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { readiness.finish() }
                try await self.serve { readiness.yield() }
            }
            for await _ in launcherReady {
                try await buildOne()
                ready()
            }
            try await tasks.waitForAll()
        }
    }

    /// Makes a sandbox as every other one is made: a wall that cannot be built must stop the server, not each request.
    private func buildOne() async throws {
        do {
            await (try makeSandbox(.bare)).destroy()
        } catch SandboxError.setup(let reason) {
            throw NativeBackendError.sandbox(reason)
        } catch SandboxError.unavailable {
            // The launcher went away meanwhile, which is seen elsewhere.
        }
    }

    private func serve(ready: @escaping @Sendable () -> Void) async throws {
        let needsRoot = facts.isRoot
        let end = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation {
                (continuation: CheckedContinuation<LauncherClient.End, any Error>) in
                do {
                    try Thread.start { [launcher] in
                        let end = launcher.serve(mayRestart: { !needsRoot || Privileges.isRoot }, ready: ready)
                        continuation.resume(returning: end)
                    }
                } catch {
                    continuation.resume(throwing: NativeBackendError.launcher("\(error)"))
                }
            }
        } onCancel: {
            launcher.stop()
        }
        if case .launcherGone(let reason) = end { throw NativeBackendError.launcher(reason) }
    }

    private static func token() -> String {
        (0..<8).map { _ in String(Int.random(in: 0..<16), radix: 16) }.joined()
    }

    private static func runtimeFiles() -> [SandboxPlan.RuntimeFile] {
        var files: [SandboxPlan.RuntimeFile] = []
        while let file = ci_runtime_file(files.count) {
            let content = UnsafeBufferPointer(start: file.pointee.content, count: file.pointee.length)
            let name = String(cString: file.pointee.name)
            files.append(SandboxPlan.RuntimeFile(name: name, content: String(decoding: content, as: UTF8.self)))
        }
        return files
    }
}

/// Why no sandbox can be made on this host.
package enum NativeBackendError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is missing, each with its cure.
    case hostLacks([HostReport.Finding])
    /// The launcher cannot be started, or was lost for good.
    case launcher(String)
    /// No sandbox can be built as planned.
    case sandbox(String)

    package var description: String {
        switch self {
        case .hostLacks(let findings):
            findings.map { finding in
                finding.what + (finding.cure.map { " Cure: \($0)" } ?? "")
            }.joined(separator: "\n")
        case .launcher(let reason):
            "The sandbox launcher failed: \(reason)"
        case .sandbox(let reason):
            "No sandbox can be built on this host: \(reason)"
        }
    }
}
