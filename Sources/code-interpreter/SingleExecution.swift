import Execution
import Glibc
import Logging
import NIOCore
import NIOPosix
import Settings

/// One program in one sandbox: no pool, no server.
struct SingleExecution {
    private let settings: Settings
    private let backend: any SandboxBackend
    private let threads = NIOThreadPool(numberOfThreads: 4)
    private static let patience: Duration = .seconds(30)

    /// Starts what makes sandboxes. It runs as whoever we are: what is read and written belongs to the caller.
    init(_ settings: Settings, logger: Logger) throws {
        self.settings = settings
        signal(SIGPIPE, SIG_IGN)
        backend = try ServerBackend.forOneExecution(
            settings,
            environment: Environment.variables,
            threads: threads,
            logger: logger
        )
        threads.start()
    }

    /// Runs the program, passes its output on, and writes the files it made into `output`; the status to end with.
    func run(_ program: ProgramFiles, timeout: Duration, output: String?) async throws -> Int32 {
        let (ready, readiness) = AsyncStream<Void>.makeStream()
        return try await withThrowingTaskGroup(of: Int32?.self) { tasks in
            tasks.addTask {
                defer { readiness.finish() }
                try await backend.run { readiness.yield() }
                return nil
            }
            tasks.addTask {
                for await _ in ready { return try await execute(program, timeout, output) }
                return nil
            }
            defer { tasks.cancelAll() }
            // A backend that cannot start throws why; that it is not ready may be noticed earlier.
            while let status = try await tasks.next() {
                if let status { return status }
            }
            throw StartFailure("what makes sandboxes ended before the program did")
        }
    }

    private func execute(_ program: ProgramFiles, _ timeout: Duration, _ output: String?) async throws -> Int32 {
        let sandbox = try await makeSandbox()
        do {
            try await sandbox.stage(program.files)
            let outcome = try await sandbox.run(program.script, limits: limits(timeout)) { stream, bytes in
                let descriptor = stream == .stdout ? STDOUT_FILENO : STDERR_FILENO
                let isWritten = bytes.withUnsafeReadableBytes { FileDescriptorWriter.writeAll($0, to: descriptor) }
                // Whoever read our output is gone. So are we; the launcher then ends the program.
                if !isWritten { exit(ExitStatus.brokenPipe) }
            }
            explain(outcome)
            try await keep(
                try await sandbox.producedFiles(limits: ProducedFileLimits(settings)),
                of: sandbox,
                in: output
            )
            await sandbox.destroy()
            return outcome.exitCode.map { Int32($0) } ?? ExitStatus.timedOut
        } catch {
            await sandbox.destroy()
            throw error
        }
    }

    /// A backend that is broken keeps trying: here somebody waits.
    private func makeSandbox() async throws -> any Sandbox {
        try await withThrowingTaskGroup(of: (any Sandbox)?.self) { tasks in
            tasks.addTask { try await backend.makeSandbox(.bare) }
            tasks.addTask {
                try await Task.sleep(for: Self.patience)
                return nil
            }
            defer { tasks.cancelAll() }
            guard let made = try await tasks.next(), let sandbox = made else {
                throw StartFailure("no sandbox could be made within \(Self.patience); the lines above say why")
            }
            return sandbox
        }
    }

    private func limits(_ timeout: Duration) -> ExecutionLimits {
        let configuration = ExecutionService.Configuration(settings)
        return ExecutionLimits(
            wallTime: timeout,
            cpuTime: configuration.cpuTime,
            outputBytes: configuration.outputBytes,
            floodBytes: configuration.floodBytes
        )
    }

    /// Says why a program was stopped, where its own output cannot.
    private func explain(_ outcome: Outcome) {
        let reason: String? =
            switch outcome.ending {
            case .exited: nil
            case .signalled(let number): "the program was ended by signal \(number)"
            case .timedOut: "the program was stopped: its time was up"
            case .cpuLimit: "the program was stopped: it used its CPU time (CPU_TIME_LIMIT_SEC)"
            case .memoryLimit: "the program was stopped: it used its memory (MEMORY_LIMIT_MB)"
            case .outputLimit: "the program was stopped: it printed too much"
            }
        if let reason { StandardError.write("code-interpreter: \(reason)\n") }
    }

    private func keep(_ produced: ProducedFiles, of sandbox: any Sandbox, in directory: String?) async throws {
        if produced.omitted > 0 {
            StandardError.write("code-interpreter: \(produced.omitted) files were too many or too large\n")
        }
        guard let directory else {
            for file in produced.files {
                StandardError.write("code-interpreter: made \(file.path) (\(file.size) bytes); --output DIR keeps it\n")
            }
            return
        }
        for file in produced.files {
            let content = try await sandbox.read(file.path, limit: settings.maxFileSizeMB << 20)
            try await OutputDirectory(path: directory).write(content, to: file.path)
        }
    }
}

/// Where files that a program made are put.
struct OutputDirectory {
    let path: String

    /// Writes one file, over one of that name; directories on the way are made.
    ///
    /// - Throws: ``StartFailure``, or what `content` throws.
    func write<Content: AsyncSequence>(_ content: Content, to place: WorkspacePath) async throws
    where Content.Element == ByteBuffer {
        let target = path + "/" + place.string
        try makeParents(of: target)
        let descriptor = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw StartFailure("\(target): \(errorText(errno))") }
        defer { close(descriptor) }
        for try await bytes in content {
            let isWritten = bytes.withUnsafeReadableBytes { FileDescriptorWriter.writeAll($0, to: descriptor) }
            guard isWritten else { throw StartFailure("\(target): \(errorText(errno))") }
        }
    }

    private func makeParents(of target: String) throws {
        for index in target.indices.dropFirst() where target[index] == "/" {
            let folder = String(target[..<index])
            if mkdir(folder, 0o755) != 0 && errno != EEXIST { throw StartFailure("\(folder): \(errorText(errno))") }
        }
    }
}
