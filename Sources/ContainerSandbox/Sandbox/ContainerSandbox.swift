import Crypto
import Execution
import GuestDriving
import GuestProtocol
import JSON
import NIOCore
import NIOPosix
import Synchronization

/// A sandbox that is a container or a pod: its guest starts processes in it and reaches its files.
final class ContainerSandbox: Sandbox {
    let id: SandboxID
    let kind: SandboxKind
    private let connection: GuestConnection
    private let container: any ContainerHandle
    private let pauser: ContainerPauser
    private let settings: ContainerSettings
    /// What its guest said of itself.
    let greeting: GuestGreeting
    private let threads: NIOThreadPool
    private let state: Mutex<State>

    /// Where programs lie, as they see it.
    static let workspace = "/workspace"

    private struct State: Sendable {
        /// Processes whose interpreters wait: the first one, and later one for the next context.
        var waiting: [WarmProcess]
        var isEntering = false
        var hasRun = false
        var mayHaveStarted = false
    }

    /// A process that said that it is ready.
    struct WarmProcess: Sendable {
        let process: GuestProcess
        let counters: GuestCounters
    }

    /// Waits until the guest is warm and its first process is ready.
    ///
    /// - Throws: ``SandboxError``, `CancellationError`. The container is then still the caller's to remove.
    init(
        _ id: SandboxID,
        kind: SandboxKind,
        connection: GuestConnection,
        container: any ContainerHandle,
        settings: ContainerSettings,
        threads: NIOThreadPool
    ) async throws {
        self.id = id
        self.kind = kind
        self.connection = connection
        self.container = container
        self.settings = settings
        self.threads = threads
        pauser = ContainerPauser(container)
        do {
            greeting = try await connection.greeting(within: settings.startTime)
            guard greeting.protocolVersion == GuestGreeting.currentProtocol else {
                throw SandboxError.setup(
                    "the image's guest speaks version \(greeting.protocolVersion), this server \(GuestGreeting.currentProtocol); build the image anew"
                )
            }
            let first = try await Self.start(kind, connection, greeting, settings)
            state = Mutex(State(waiting: [first]))
        } catch let lost as GuestLost {
            if Task.isCancelled { throw CancellationError() }
            throw SandboxError.setup("the container's guest did not start: \(lost.reason)")
        }
        connection.setPauser(pauser)
    }

    var isAlive: Bool {
        let (hasRun, first) = state.withLock { ($0.hasRun, $0.waiting.first) }
        guard !hasRun, connection.ending == nil else { return false }
        return kind == .notebook || first?.process.result == GuestState()
    }

    var mayHaveStarted: Bool { state.withLock { $0.mayHaveStarted } }

    var tree: any WorkspaceTree { ContainerTree(connection: connection) }

    /// Forks a process and waits until it says `ready`.
    ///
    /// - Throws: ``GuestLost``, also where only the process is lost; `CancellationError`.
    private static func start(
        _ kind: SandboxKind,
        _ connection: GuestConnection,
        _ greeting: GuestGreeting,
        _ settings: ContainerSettings
    ) async throws -> WarmProcess {
        let counters = GuestCounters(countsProcessorTime: greeting.countsProcessorTime)
        let isContext = kind == .notebook
        let order = GuestOrder.process(cpuTime: isContext ? nil : settings.cpuTime)
        let limit = isContext ? FrameReader.contextLimit : FrameReader.scriptLimit
        let process = try connection.open(order) {
            GuestProcess($0, of: connection, frameLimit: limit, counters: counters)
        }
        let first = await process.firstFrame(within: settings.startTime)
        guard first == .ready else {
            process.signal(9)
            process.abandon()
            try Task.checkCancellation()
            let word = first.map { "its process said \(EngineError.legible("\($0)"))" }
            throw GuestLost(reason: word ?? connection.ending ?? process.result.lost ?? "its process ended")
        }
        return WarmProcess(process: process, counters: counters)
    }

    // MARK: One execution

    func run(
        _ script: Script,
        limits: ExecutionLimits,
        output: @escaping @Sendable (OutputStream, ByteBuffer) -> Void
    ) async throws -> Outcome {
        let first = state.withLock { state -> WarmProcess? in
            precondition(!state.hasRun, "a sandbox runs one program in its life")
            state.hasRun = true
            return state.waiting.popLast()
        }
        guard let first else { preconditionFailure("a sandbox for one execution has one process") }
        let control = RunControl { first.process.wake() }
        return try await withTaskCancellationHandler {
            try await stage(script)
            let end = try await withCheckedThrowingContinuation {
                (continuation: CheckedContinuation<ExecutionDriver<ContainerPort>.End, any Error>) in
                threads.submit { state in
                    guard state == .active else {
                        return continuation.resume(throwing: SandboxError.lost("the server is stopping"))
                    }
                    continuation.resume(with: Result { try self.drive(first, script, limits, control, output) })
                }
            }
            // Nothing may change files while they are looked at.
            if end.hasSurvivors { try? await killAll() }
            return end.outcome
        } onCancel: {
            control.cancel()
        }
    }

    /// The program itself, which lies in the workspace as a file.
    private func stage(_ script: Script) async throws {
        do { try await stage(ByteBuffer(string: script.code), to: .entrypoint, sha256: "") } catch {
            throw Self.explained(error, .entrypoint)
        }
    }

    /// Blocks.
    private func drive(
        _ first: WarmProcess,
        _ script: Script,
        _ limits: ExecutionLimits,
        _ control: RunControl,
        _ output: @escaping (OutputStream, ByteBuffer) -> Void
    ) throws -> ExecutionDriver<ContainerPort>.End {
        state.withLock { $0.mayHaveStarted = true }
        let input = ByteBuffer(string: script.standardInput ?? "")
        var driver = ExecutionDriver(
            ContainerPort(first.process, counters: first.counters, input: input),
            script,
            filename: "\(Self.workspace)/\(WorkspacePath.entrypoint)",
            limits: limits,
            control: control,
            kill: { self.beginKilling(first.process) },
            pass: output
        )
        do {
            return try driver.run()
        } catch {
            switch error {
            case .cancelled: throw CancellationError()
            case .lost(let reason): throw SandboxError.lost(reason)
            }
        }
    }

    /// Kills everything inside without waiting; the guest is asked first, for what was made is still wanted, and the container goes where it does not heed.
    private func beginKilling(_ process: GuestProcess) {
        Task {
            do { try await killAll() } catch { await container.remove() }
            process.markGone()
        }
    }

    /// Returns when no process is left but the guest.
    private func killAll() async throws {
        let killing = Task { try await connection.answer(to: GuestOrder.killAll()) }
        let timer = Task {
            try await Task.sleep(for: settings.killTime)
            killing.cancel()
        }
        defer { timer.cancel() }
        _ = try await killing.value
    }

    // MARK: The end

    func destroy() async {
        // In this order: a container that ends by itself, as it does without a connection, while it is removed may never be gone.
        await container.remove()
        connection.end("it was destroyed")
    }

    func setFrozen(_ isFrozen: Bool) { pauser.setWanted(isFrozen) }
}

// MARK: - Files
extension ContainerSandbox {
    func stage(_ files: [StagedFile]) async throws {
        for file in files {
            do { try await stage(file) } catch { throw Self.explained(error, file.path) }
        }
    }

    private func stage(_ file: StagedFile) async throws {
        switch file.content {
        case .bytes(let bytes):
            var hash = SHA256()
            bytes.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
            try await stage(bytes, to: file.path, sha256: HexadecimalName.encode(hash.finalize()))
        case .blob(let path, let size, let sha256):
            let blob = try await BlobReader(path: path, threadPool: threads)
            let request = try connection.ask(GuestOrder.stage(file.path, sha256: sha256))
            var sent = 0
            do {
                while let piece = try await blob.next() {
                    sent += piece.readableBytes
                    guard try await request.send(piece) else { break }
                }
            } catch {
                request.cancel()
                throw error
            }
            request.finishSending()
            _ = try await request.answer()
            guard sent == size else { throw SandboxError.setup("a stored file has \(sent) bytes instead of \(size)") }
        }
    }

    /// Puts bytes into a file; what has a hash is no product of the program while its content is that.
    private func stage(_ bytes: ByteBuffer, to path: WorkspacePath, sha256: String) async throws {
        let request = try connection.ask(GuestOrder.stage(path, sha256: sha256))
        if try await request.send(bytes) { request.finishSending() }
        _ = try await request.answer()
    }

    func producedFiles(limits: ProducedFileLimits) async throws -> ProducedFiles {
        do {
            let request = try connection.ask(GuestOrder.produced(limits))
            var lines = LineReader()
            var files: [ProducedFiles.File] = []
            var total = 0
            while let piece = try await request.next() {
                guard let whole = lines.take(piece) else { throw connection.refuseAnswer() }
                for line in whole {
                    guard let file = Self.producedFile(line), files.count < limits.count,
                        file.size <= limits.bytesPerFile, file.size <= limits.totalBytes - total
                    else { throw connection.refuseAnswer() }
                    total += file.size
                    files.append(file)
                }
            }
            guard let omitted = try await request.answer()["omitted"]?.integer, 0...Self.mostOmitted ~= omitted else {
                throw connection.refuseAnswer()
            }
            return ProducedFiles(files: files, omitted: omitted)
        } catch is GuestLost where state.withLock({ $0.hasRun }) {
            // How the program ended is known; its files went with a container that ran out of memory, or had to be removed.
            return ProducedFiles(files: [], omitted: 0)
        } catch {
            throw Self.explained(error, .entrypoint)
        }
    }

    private static func producedFile(_ line: ByteBuffer) -> ProducedFiles.File? {
        guard let fields = JSONValue.object(in: line), let size = fields["size"]?.integer, size >= 0,
            let name = fields["path"]?.string.flatMap(HexadecimalName.decode),
            let text = String(validating: name, as: UTF8.self), let path = try? WorkspacePath(text)
        else { return nil }
        return ProducedFiles.File(path: path, size: size)
    }

    func read(_ path: WorkspacePath, limit: Int) async throws -> AsyncThrowingStream<ByteBuffer, any Error> {
        do {
            let file = try await OpenedFile(GuestOrder.open(path), connection)
            return file.read(from: 0, length: limit) { Self.explained($0, path) }
        } catch {
            throw Self.explained(error, path)
        }
    }

    /// More files than any file system holds, so that no sum of such numbers overflows.
    private static let mostOmitted = 1 << 53

    private static func explained(_ error: any Error, _ path: WorkspacePath) -> any Error {
        switch error {
        case let lost as GuestLost: SandboxError.lost(lost.reason)
        case let refusal as GuestRefusal:
            switch refusal.word {
            case "full": SandboxError.workspaceFull(path)
            case "notFound", "notADirectory", "isADirectory", "notARegularFile", "outsideWorkspace":
                SandboxError.notARegularFile(path)
            case "cancelled": CancellationError()
            default: SandboxError.setup("\(path): \(refusal.word): \(refusal.message)")
            }
        default: error
        }
    }
}

// MARK: - Contexts
extension ContainerSandbox {
    func openKernel(language: String, directory: String) async throws -> any Kernel {
        precondition(kind == .notebook, "a sandbox for one execution holds no contexts")
        let warm = try await kernelProcess()
        let port = ContainerPort(warm.process, counters: warm.counters, input: nil)
        let kernel: DrivenKernel
        do {
            kernel = try DrivenKernel(port, grace: settings.interruptGrace) { warm.process.wake() }
        } catch {
            warm.process.signal(9)
            throw error
        }
        try await kernel.open(language: language, directory: directory)
        return kernel
    }

    /// One that waits already, or a new one; the next is then begun, so that it waits for the next context.
    private func kernelProcess() async throws -> WarmProcess {
        let waiting = state.withLock { $0.waiting.popLast() }
        defer { startAhead() }
        if let waiting, waiting.process.result == GuestState() { return waiting }
        do {
            return try await Self.start(kind, connection, greeting, settings)
        } catch let lost as GuestLost {
            // A container that stands has other contexts, which a process that did not start is nothing to.
            throw connection.ending == nil ? SandboxError.setup(lost.reason) : SandboxError.lost(lost.reason)
        }
    }

    private func startAhead() {
        let isWanted = state.withLock { state in
            guard !state.isEntering, state.waiting.isEmpty else { return false }
            state.isEntering = true
            return true
        }
        guard isWanted else { return }
        Task { [weak self, kind, connection, greeting, settings] in
            // A little later: who just got one has the processors to itself. None, where it cannot be.
            try? await Task.sleep(for: .milliseconds(2))
            let process = try? await Self.start(kind, connection, greeting, settings)
            self?.state.withLock { state in
                state.isEntering = false
                if let process { state.waiting.append(process) }
            }
        }
    }
}
