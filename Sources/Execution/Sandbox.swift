package import NIOCore

/// An isolated machine-like place that belongs to one tenant.
///
/// One of kind `bare` or `full` is used for one execution: ready → running → ended → destroyed. One of kind `notebook` holds contexts, and stands until
/// it is destroyed. Whoever takes one from the pool owns it and must end with ``destroy()``, whatever happened in between; destroying is not
/// cancellable and may be repeated.
package protocol Sandbox: AnyObject, Sendable {
    /// Unique in this server's life.
    var id: SandboxID { get }

    /// Which zygote its interpreter was forked from.
    var kind: SandboxKind { get }

    /// Whether it can be used: the interpreter of one for an execution still waits for work, one for contexts still stands. A sandbox that died in the
    /// pool is destroyed and replaced.
    var isAlive: Bool { get }

    /// Whether ``run(_:limits:output:)`` may have handed the program over. While this is false, a sandbox that is lost took nothing with it, and the
    /// program is given to another one. True where a backend cannot tell.
    var mayHaveStarted: Bool { get }

    /// Writes `files` into the workspace, parents included, before anything runs. The last one wins where a path occurs twice. Cancelling the task ends it
    /// before the next file.
    ///
    /// - Throws: ``SandboxError``, `CancellationError`; the sandbox is then only good for ``destroy()``.
    func stage(_ files: [StagedFile]) async throws

    /// Runs `script` to its end, at most once in a sandbox's life.
    ///
    /// Output arrives through `output`, already limited to `limits.outputBytes` for each stream, in the order in which it was read;
    /// the closure is called from one thread at a time, may block it (that is the backpressure) and is never called after the return.
    /// However the program ends, that is a value. Cancelling the task kills the program at once and throws `CancellationError`.
    ///
    /// - Throws: ``SandboxError/lost(_:)`` when the sandbox itself went away, `CancellationError`.
    func run(
        _ script: Script,
        limits: ExecutionLimits,
        output: @escaping @Sendable (OutputStream, ByteBuffer) -> Void
    ) async throws -> Outcome

    /// Regular files of the workspace that are new or whose content changed since ``stage(_:)``, sorted by path.
    ///
    /// Symbolic links, directories, fifos, devices, `__main__.py` and names that are not UTF-8 are left out; `limits` bounds count, depth and size,
    /// and what it leaves out is counted in ``ProducedFiles/omitted``. Safe while hostile processes still live in the sandbox.
    func producedFiles(limits: ProducedFileLimits) async throws -> ProducedFiles

    /// Reads one regular file of the workspace, never following a link, at most `limit` bytes.
    ///
    /// The stream reads on demand: a slow consumer slows the reading and holds one chunk of at most 256 KiB.
    func read(_ path: WorkspacePath, limit: Int) async throws -> AsyncThrowingStream<ByteBuffer, any Error>

    /// Its workspace, for reading and changing it while it is used. What is open outlives the sandbox.
    var tree: any WorkspaceTree { get }

    /// Kills every process inside and removes everything the sandbox had. Returns when nothing is left.
    func destroy() async

    /// Starts the interpreter of another context. Only for sandboxes of kind `notebook`, which may have several.
    ///
    /// - Throws: ``KernelRefusal``; ``SandboxError``, ``SandboxError/lost(_:)`` when the sandbox stands no longer; `CancellationError`. Nothing of it is left then.
    func openKernel(language: String, directory: String) async throws -> any Kernel

    /// Stops every process where it stands, or lets them run again; what is asked of the sandbox afterwards finds it done. Does nothing where the host
    /// cannot.
    func setFrozen(_ isFrozen: Bool)
}

extension Sandbox {
    package var mayHaveStarted: Bool { true }
}

/// Makes sandboxes.
package protocol SandboxBackend: Sendable {
    /// `native`, `docker` or `kubernetes`.
    var name: String { get }

    /// Makes a sandbox whose interpreter is warm, isolated and waiting. Several may be in the making at once.
    ///
    /// - Throws: ``SandboxError/unavailable(_:retryAfter:)`` while the backend cannot make any,
    ///   ``SandboxError/setup(_:)`` when a wall could not be built. Cancelling leaves nothing behind.
    func makeSandbox(_ kind: SandboxKind) async throws -> any Sandbox

    /// A fresh look at whether sandboxes can be made, for /ready and /health.
    func status() async -> BackendStatus

    /// Starts what the backend needs, then serves until the task is cancelled or the backend cannot go on. On return nothing of it is left.
    ///
    /// `ready` is called once, as soon as sandboxes can be made.
    func run(ready: @escaping @Sendable () -> Void) async throws
}

/// Identifies a sandbox in this server's life.
package struct SandboxID: Hashable, Sendable, CustomStringConvertible {
    package var rawValue: UInt32
    package init(_ rawValue: UInt32) { self.rawValue = rawValue }
    package var description: String { "s\(rawValue)" }
}

/// Which warm interpreter a sandbox has.
package enum SandboxKind: String, Sendable, CaseIterable, Hashable {
    /// Python with its standard library only: cheapest to make.
    case bare
    /// Python with WARM_IMPORTS imported.
    case full
    /// As `full`, and an IPython shell: for contexts.
    case notebook

    /// Those that serve one execution each.
    package static let executions: [SandboxKind] = [.bare, .full]
}

/// Whether a backend can make sandboxes now, and what confines them.
package struct BackendStatus: Sendable, Equatable {
    package var isReady: Bool
    /// Why not, for people. nil when ready.
    package var message: String?
    /// Every wall by name, in the order in which it is built.
    package var walls: [Wall]
    /// The name of the reduced mode a setting allowed, such as `without-cgroups`; empty when every wall stands.
    package var reducedModes: [String]

    package init(isReady: Bool, message: String? = nil, walls: [Wall] = [], reducedModes: [String] = []) {
        self.isReady = isReady
        self.message = message
        self.walls = walls
        self.reducedModes = reducedModes
    }

    /// One layer of confinement.
    package struct Wall: Sendable, Equatable {
        package var name: String
        package var isStanding: Bool
        /// What it is made of, or why it is missing.
        package var detail: String
        package init(name: String, isStanding: Bool, detail: String) {
            self.name = name
            self.isStanding = isStanding
            self.detail = detail
        }
    }
}

/// Why a backend could not do what was asked. How a program ended is an ``Outcome``, not an error.
package enum SandboxError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The sandbox went away under us: its launcher or container died.
    case lost(String)
    /// No sandbox can be made now; `retryAfter` is a hint for clients, nil where the backend does not know better than the settings.
    case unavailable(String, retryAfter: Duration?)
    /// A step of building the sandbox failed.
    case setup(String)
    /// The workspace is out of bytes or inodes.
    case workspaceFull(WorkspacePath)
    /// A path that is not what the call needs: missing, a directory, a link.
    case notARegularFile(WorkspacePath)

    package var description: String {
        switch self {
        case .lost(let reason): "The sandbox was lost: \(reason)"
        case .unavailable(let reason, _): "No sandbox is available: \(reason)"
        case .setup(let reason): "The sandbox could not be built: \(reason)"
        case .workspaceFull(let path): "The workspace is full at '\(path)'"
        case .notARegularFile(let path): "Not a regular file: '\(path)'"
        }
    }
}
