import Execution
import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import NativeSandbox

extension Tag {
    /// Needs what only a real kernel and its rights give.
    @Tag static var kernel: Tag
}

/// What tests against the real launcher need of this machine.
enum RealHost {
    /// The folder of the built products.
    static let products = variable("CODE_INTERPRETER_TEST_BUILD") ?? project + "/.build/debug"

    /// A virtual environment: the named one, the project's, or none.
    static let environment: String? = {
        let candidates = [variable("CODE_INTERPRETER_TEST_PYTHON"), project + "/.venv"].compactMap { $0 }
        return candidates.first { access($0 + "/pyvenv.cfg", R_OK) == 0 }
    }()

    static let hasScientificStack =
        environment.map { SmallFile.read($0 + "/pyvenv.cfg") != nil && hasNumPy($0) } ?? false

    /// Why no sandbox can be made here; nil when they can.
    static let obstacle: String? = {
        guard let environment else { return "needs a Python environment: make setup, or CODE_INTERPRETER_TEST_PYTHON" }
        let errors = HostReport.inspect(settings(environment)).errors
        return errors.isEmpty ? nil : errors.map(\.what).joined(separator: " ")
    }()

    static func settings(_ environment: String) -> NativeSettings {
        // Nothing is dropped in tests: the files of a workspace belong to whoever runs them.
        var settings = NativeSettings(pythonEnvironment: environment, serverUID: geteuid(), serverGID: getegid())
        settings.launcherPath = products + "/sandbox-launcher"
        settings.entryLibraryPath = products + "/libSandboxEntry.so"
        settings.warmImports = hasScientificStack ? settings.warmImports : ["json", "decimal"]
        return settings
    }

    private static func hasNumPy(_ environment: String) -> Bool {
        var match = glob_t()
        defer { globfree(&match) }
        return glob(environment + "/lib/python3*/site-packages/numpy/__init__.py", 0, nil, &match) == 0
    }

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    private static let project: String = {
        var path = Substring(#filePath)
        for _ in 0..<3 { path = path[..<(path.lastIndex(of: "/") ?? path.startIndex)] }
        return String(path)
    }()
}

/// One backend for a suite: started before its tests, ended after them.
struct RealBackend: SuiteTrait, TestScoping {
    @TaskLocal static var current: NativeBackend?

    func provideScope(for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void)
        async throws
    {
        guard let environment = RealHost.environment, RealHost.obstacle == nil else { return try await function() }
        try await Self.with(RealHost.settings(environment)) { backend in
            try await Self.$current.withValue(backend) { try await function() }
        }
    }

    /// Runs a backend for as long as `body` does.
    ///
    /// `pretend` changes what is known of the host.
    static func with(
        _ settings: NativeSettings,
        pretend: (inout HostFacts) -> Void = { _ in },
        _ body: @Sendable (NativeBackend) async throws -> Void
    ) async throws {
        let threads = NIOThreadPool(numberOfThreads: 16)
        threads.start()
        var facts = HostFacts.inspect(settings)
        pretend(&facts)
        let backend = try NativeBackend(
            settings: settings,
            facts: facts,
            threadPool: threads,
            logger: Logger(label: "test")
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            let (ready, readiness) = AsyncStream<Void>.makeStream()
            group.addTask {
                // One that cannot start must end the test, not hold it up.
                defer { readiness.finish() }
                try await backend.run { readiness.finish() }
            }
            for await _ in ready {}
            try await body(backend)
            group.cancelAll()
            try await group.waitForAll()
        }
        try await threads.shutdownGracefully()
    }
}

extension Trait where Self == RealBackend {
    static var realBackend: RealBackend { RealBackend() }
}

/// What a program did in a sandbox.
struct Report {
    var outcome: Outcome
    var stdout = ""
    var stderr = ""
}

extension ExecutionLimits {
    static let test = ExecutionLimits(
        wallTime: .seconds(20),
        cpuTime: .seconds(5),
        outputBytes: 1_000_000,
        floodBytes: 64_000_000
    )
}

/// Makes a sandbox for `body` and destroys it afterwards, whatever happened.
func withSandbox(_ kind: SandboxKind = .bare, _ body: (any Sandbox) async throws -> Void) async throws {
    let backend = try #require(RealBackend.current)
    let sandbox = try await backend.makeSandbox(kind)
    do {
        try await body(sandbox)
    } catch {
        await sandbox.destroy()
        throw error
    }
    await sandbox.destroy()
}

extension Sandbox {
    func run(
        _ code: String,
        input: String? = nil,
        limits: ExecutionLimits = .test,
        interactive: Bool = false
    ) async throws -> Report {
        let output = Mutex<[OutputStream: ByteBuffer]>([:])
        let script = Script(code: code, standardInput: input, isLastLineInteractive: interactive)
        let outcome = try await run(script, limits: limits) { stream, bytes in
            output.withLock { _ = $0[stream, default: ByteBuffer()].writeImmutableBuffer(bytes) }
        }
        let streams = output.withLock { $0 }
        return Report(
            outcome: outcome,
            stdout: streams[.stdout].map { String(buffer: $0) } ?? "",
            stderr: streams[.stderr].map { String(buffer: $0) } ?? ""
        )
    }
}

/// Runs `code` in a fresh sandbox.
func execute(
    _ code: String,
    kind: SandboxKind = .bare,
    input: String? = nil,
    limits: ExecutionLimits = .test
) async throws -> Report {
    var report: Report?
    try await withSandbox(kind) { report = try await $0.run(code, input: input, limits: limits) }
    return try #require(report)
}
