import CLinux
import Execution
import Glibc
import Logging
import NIOPosix
import Synchronization
import Testing

@testable import NativeSandbox

@Suite(
    "When parts of the native backend fail",
    .tags(.kernel),
    .enabled(if: RealHost.obstacle == nil, "\(RealHost.obstacle ?? "")")
)
struct RealFailureTests {
    private func settings() throws -> NativeSettings {
        var settings = RealHost.settings(try #require(RealHost.environment))
        settings.warmImports = []
        return settings
    }

    /// Tries until a sandbox can be made: after a loss it takes a moment.
    private func makeSandbox(_ backend: NativeBackend) async throws -> any Sandbox {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            do {
                return try await backend.makeSandbox(.bare)
            } catch SandboxError.unavailable where ContinuousClock.now < deadline {
                await Task.yield()
            }
        }
    }

    @Test("a killed launcher loses what ran in it, and is started again")
    func launcherKilled() async throws {
        try await RealBackend.with(try settings()) { backend in
            let running = try await backend.makeSandbox(.bare)
            let idle = try await backend.makeSandbox(.bare)
            let script = Script(code: "import time\nprint('x')\ntime.sleep(60)")
            await #expect {
                _ = try await running.run(script, limits: .test) { _, _ in backend.launcher.killForTest() }
            } throws: { error in
                if case SandboxError.lost = error { true } else { false }
            }
            await running.destroy()
            await idle.destroy()
            #expect(!running.isAlive)
            #expect(!idle.isAlive)
            let next = try await makeSandbox(backend)
            #expect(try await next.run("print('again')").stdout == "again\n")
            await next.destroy()
        }
    }

    @Test("a backend that ends leaves no control group, and whoever still waits gets an error")
    func ends() async throws {
        let box = Box()
        try await RealBackend.with(try settings()) { backend in
            box.backend = backend
            let sandbox = try await backend.makeSandbox(.bare)
            box.sandbox = sandbox
            #expect(sandbox.isAlive)
        }
        let backend = try #require(box.backend)
        let sandbox = try #require(box.sandbox)
        #expect(!sandbox.isAlive)
        await sandbox.destroy()
        for line in backend.launcher.plan.plan.lines(of: .launcher) where line.hasPrefix("cgroup\t") {
            let directory = String(line.split(separator: "\t")[3])
            #expect(HostFiles.host.kind(directory) == nil, "\(directory) is still there")
        }
        await #expect {
            _ = try await backend.makeSandbox(.bare)
        } throws: { error in
            if case SandboxError.unavailable = error { true } else { false }
        }
        #expect(await !backend.status().isReady)
    }

    @Test("a sandbox that cannot be built ends the backend with the line of the plan that failed")
    func failingStep() async throws {
        var settings = try settings()
        settings.workspaceInodes = -1
        let threads = NIOThreadPool(numberOfThreads: 1)
        threads.start()
        let backend = try NativeBackend(settings: settings, threadPool: threads, logger: Logger(label: "test"))
        let reason = "[workspace] option nr_inodes -1: Invalid argument"
        await #expect(throws: NativeBackendError.sandbox(reason)) { try await backend.run {} }
        let status = await backend.status()
        #expect(!status.isReady)
        try await threads.shutdownGracefully()
    }

    @Test(
        "as root on a kernel that cannot map the owners of a workspace, programs have the server's user",
        .enabled(if: geteuid() == 0, "needs root")
    )
    func oldKernel() async throws {
        var settings = try settings()
        settings.serverUID = 99_998
        try await RealBackend.with(settings, pretend: { $0.kernel = HostFacts.KernelVersion(6, 1) }) { backend in
            #expect(backend.report.reducedModes == ["one-user-for-all"])
            let sandbox = try await backend.makeSandbox(.bare)
            let report = try await sandbox.run(
                "import os\nopen('f', 'w').close()\nprint(os.getuid(), os.stat('.').st_uid, os.stat('f').st_gid)"
            )
            #expect(report.stdout == "1000 1000 1000\n", "\(report.stderr)")
            #expect(try await sandbox.producedFiles(limits: .test).files.count == 1)
            await sandbox.destroy()
        }
    }

    @Test("a launcher that cannot build its template says which step it was, and is given up")
    func failingLauncher() throws {
        let settings = try settings()
        var facts = HostFacts.inspect(settings)
        facts.sharedPaths = ["/no/such/path"]
        let client = try LauncherClient(
            plan: SandboxPlan(settings: settings, facts: facts, token: "failing", runtimeFiles: []),
            filters: try SeccompPrograms(),
            launcherPath: try #require(settings.launcherPath),
            logger: Logger(label: "test")
        )
        let end = client.serve(mayRestart: { true }, ready: {})
        #expect(end == .launcherGone("[root] bind /no/such/path /no/such/path read-only: No such file or directory"))
    }

    @Test("an interpreter that cannot start ends the backend with the reason")
    func failingInterpreter() async throws {
        let settings = try settings()
        let client = try LauncherClient(
            plan: SandboxPlan(
                settings: settings,
                facts: HostFacts.inspect(settings),
                token: "nopython",
                runtimeFiles: []
            ),
            filters: try SeccompPrograms(),
            launcherPath: try #require(settings.launcherPath),
            logger: Logger(label: "test")
        )
        let end = client.serve(mayRestart: { true }, ready: {})
        guard case .launcherGone(let reason) = end else { return #expect(Bool(false), "\(end)") }
        #expect(reason.contains("cannot start: it ends with exit code 2"))
    }

    @Test("a maker that is cancelled leaves nothing behind")
    func cancelledMaker() async throws {
        try await RealBackend.with(try settings()) { backend in
            for _ in 0..<20 {
                let task = Task { try await backend.makeSandbox(.bare) }
                task.cancel()
                if case .success(let sandbox) = await task.result { await sandbox.destroy() }
            }
            let sandbox = try await backend.makeSandbox(.bare)
            await sandbox.destroy()
            let deadline = ContinuousClock.now + .seconds(30)
            while backend.launcher.sandboxCount > 0, ContinuousClock.now < deadline { await Task.yield() }
            #expect(backend.launcher.sandboxCount == 0)
        }
    }

    /// Carries values out of a closure that runs once.
    ///
    /// Safety: written by that closure, read after it returned.
    private final class Box: @unchecked Sendable {
        var backend: NativeBackend?
        var sandbox: (any Sandbox)?
    }
}

extension LauncherClient {
    /// Kills the launcher's first process; the kernel takes the rest.
    func killForTest() {
        core.withLock { core in
            if let process = core.launcher?.process { _ = ci_pidfd_signal(process.raw, SIGKILL) }
        }
    }

    var sandboxCount: Int { core.withLock { $0.sandboxes.count } }
}
