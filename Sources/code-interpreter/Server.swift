import Execution
import Glibc
import HTTPAPI
import Logging
import NIOPosix
import NativeSandbox
import ServiceLifecycle
import Settings

/// The server: its parts, in the order in which they start and stop.
struct Server: Sendable {
    private let settings: Settings
    private let logger: Logger
    private let storage: String
    private let backend: ServerBackend
    private let threads: NIOThreadPool
    private let fileThreads: NIOThreadPool
    private let began = ContinuousClock.now

    /// Does what needs root, if we have it, and then gives root up: the storage directory and the launcher.
    ///
    /// - Throws: ``StartFailure``, or what the backend found missing.
    init(_ settings: Settings, environment: [String: String], logger: Logger) throws {
        self.settings = settings
        self.logger = logger
        raiseOpenFileLimit()
        // A client that goes away is an error of its connection, not the end of the server.
        signal(SIGPIPE, SIG_IGN)
        let identity = try ServerIdentity.resolve(settings)
        storage = StorageDirectory.path(settings, environment: environment, isRoot: Privileges.isRoot)
        try StorageDirectory.prepare(storage, owner: identity)
        threads = NIOThreadPool(numberOfThreads: settings.maxConcurrentExecutions + 4)
        // Of its own: whatever file routes are asked for, executions find their threads.
        fileThreads = NIOThreadPool(numberOfThreads: 4)
        backend = try ServerBackend.choose(
            settings,
            identity: identity,
            storage: storage,
            environment: environment,
            threads: threads,
            fileThreads: fileThreads,
            logger: logger
        )
        if Privileges.isRoot {
            try Privileges.drop(toUser: identity.uid, group: identity.gid, keeping: backend.groups)
            logger.info("gave up root", metadata: ["uid": "\(identity.uid)", "gid": "\(identity.gid)"])
        }
        threads.start()
        fileThreads.start()
    }

    /// Serves until a signal or until a part cannot go on; whether it ended as it was asked to.
    func run() async -> Bool {
        await logConfinement()
        do {
            let group = ServiceGroup(configuration: try await services())
            try await SignalledShutdown(logger: logger).run(group)
            logger.notice("stopped")
            return true
        } catch {
            logger.critical("\(explanation(of: error))")
            return false
        }
    }

    /// Started in this order and stopped in the opposite one, each when the next has ended: requests are drained while sandboxes can still be made.
    private func services() async throws -> ServiceGroupConfiguration {
        let metrics = ExecutionMetrics()
        let files = try await FileStore(
            configuration: FileStore.Configuration(settings, directory: storage),
            logger: logger
        )
        let executions = ExecutionService(
            configuration: ExecutionService.Configuration(settings),
            backend: backend.sandboxes,
            files: files,
            metrics: metrics,
            logger: logger
        )
        let contexts = ContextService(
            configuration: ContextService.Configuration(settings),
            executions: executions,
            languages: backend.languages(),
            logger: logger
        )
        let http = HTTPServer(
            configuration: HTTPAPIConfiguration(settings),
            service: executions,
            contexts: contexts,
            files: files,
            metrics: metrics,
            logger: logger,
            onListening: { port in logListening(port) }
        )
        let parts: [any Service] = [
            UntilShutdown(name: "backend") { try await backend.sandboxes.run { logWarm() } },
            UntilShutdown(name: "files") { try await files.run() },
            UntilShutdown(name: "executions") { try await executions.run() },
            UntilShutdown(name: "contexts") { try await contexts.run() },
            UntilShutdown(name: "http") { try await serve(http) },
        ]
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        return ServiceGroupConfiguration(services: parts.map { .init(service: $0) }, logger: quiet)
    }

    /// Both ports at once: they begin to drain together.
    private func serve(_ http: HTTPServer) async throws {
        try await withThrowingTaskGroup(of: Void.self) { servers in
            servers.addTask { try await serve(http, port: settings.port) }
            if settings.notebookPort != 0 {
                let notebook = http.forNotebookClients(port: settings.notebookPort) { port in logListening(port) }
                servers.addTask { try await serve(notebook, port: settings.notebookPort) }
            }
            defer { servers.cancelAll() }
            for try await _ in servers {}
        }
    }

    private func serve(_ http: HTTPServer, port: Int) async throws {
        do {
            try await http.run()
        } catch let error where !(error is CancellationError) {
            throw StartFailure("cannot serve on \(settings.host):\(port): \(error)")
        }
    }
}

// What the log says about the start.
extension Server {
    private func logConfinement() async {
        let report = await backend.sandboxes.status()
        for wall in report.walls {
            let level: Logger.Level = wall.isStanding ? .info : .warning
            logger.log(level: level, "\(wall.isStanding ? "wall" : "missing wall") \(wall.name): \(wall.detail)")
        }
        for finding in backend.findings {
            logger.warning("\(finding.subject): \(finding.what)", metadata: finding.cure.map { ["cure": "\($0)"] })
        }
        if !report.reducedModes.isEmpty {
            logger.warning(
                "running in a reduced mode",
                metadata: ["modes": "\(report.reducedModes.joined(separator: ","))"]
            )
        }
        if let exposure = settings.exposure { logger.warning("\(exposure)") }
    }

    private func logListening(_ port: Int) {
        let host = settings.host.contains(":") ? "[\(settings.host)]" : settings.host
        logger.notice("listening", metadata: ["url": "http://\(host):\(port)", "after": "\(elapsed())"])
    }

    private func logWarm() {
        logger.notice("warm", metadata: ["after": "\(elapsed())"])
        let languages = backend.languages() ?? []
        logger.info("languages of contexts: \(languages.map(\.name).joined(separator: ", "))")
    }

    private func elapsed() -> String {
        let components = began.duration(to: .now).components
        return "\(components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000)ms"
    }
}

/// Addresses that only this machine reaches.
enum Loopback {
    static func contains(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." })
    }
}
