import ContainerSandbox
import Execution
import Glibc
import Logging
import NIOPosix
import NativeSandbox
import Settings

/// What makes the sandboxes of this server, as EXECUTOR_BACKEND names it, with what the rest of the server must know of it.
struct ServerBackend: Sendable {
    let sandboxes: any SandboxBackend
    /// Of contexts, Python first; nil while they are not known.
    let languages: @Sendable () -> [Language]?
    /// What is wrong with this host, for the log.
    let findings: [HostReport.Finding]
    /// Groups the server must stay in when it gives up root.
    let groups: [UInt32]

    /// Starts what needs root. `storage` is a directory that is ours alone; `threads` are for executions, `fileThreads` for file routes.
    ///
    /// - Throws: what the backend found missing, ``StartFailure``.
    static func choose(
        _ settings: Settings,
        identity: ServerIdentity,
        storage: String,
        environment: [String: String],
        threads: NIOThreadPool,
        fileThreads: NIOThreadPool,
        logger: Logger
    ) throws -> ServerBackend {
        switch settings.backend {
        case .docker: try docker(settings, storage: storage, environment: environment, threads: threads, logger: logger)
        case .native, .kubernetes:
            try native(settings, identity: identity, threads: threads, fileThreads: fileThreads, logger: logger)
        }
    }

    /// For `run`: nobody waits for other interpreters to become warm, and nothing is known of earlier runs.
    static func forOneExecution(
        _ settings: Settings,
        environment: [String: String],
        threads: NIOThreadPool,
        logger: Logger
    ) throws -> any SandboxBackend {
        if settings.backend == .docker {
            return try dockerBackend(
                settings,
                owner: StorageDirectory.randomOwner(),
                waitsForEngine: false,
                environment: environment,
                threads: threads,
                logger: logger
            )
        }
        let identity = ServerIdentity(uid: geteuid(), gid: getegid())
        var native = NativeSettings(settings, identity: identity)
        native.kinds = [.bare]
        return try NativeBackend(settings: native, threadPool: threads, logger: logger)
    }

    private static func native(
        _ settings: Settings,
        identity: ServerIdentity,
        threads: NIOThreadPool,
        fileThreads: NIOThreadPool,
        logger: Logger
    ) throws -> ServerBackend {
        let backend = try NativeBackend(
            settings: NativeSettings(settings, identity: identity),
            threadPool: threads,
            filePool: fileThreads,
            logger: logger
        )
        let installed = InstalledLanguages(environment: PythonEnvironment.path(settings))
        for broken in installed.broken {
            logger.warning("a kernel is left out", metadata: ["path": "\(broken.path)", "reason": "\(broken.reason)"])
        }
        let languages = installed.languages
        return ServerBackend(
            sandboxes: backend,
            languages: { languages },
            findings: backend.report.findings,
            groups: []
        )
    }

    private static func docker(
        _ settings: Settings,
        storage: String,
        environment: [String: String],
        threads: NIOThreadPool,
        logger: Logger
    ) throws -> ServerBackend {
        let backend = try dockerBackend(
            settings,
            owner: StorageDirectory.owner(of: storage),
            environment: environment,
            threads: threads,
            logger: logger
        )
        return ServerBackend(
            sandboxes: backend,
            languages: { backend.languages },
            findings: [],
            groups: Privileges.isRoot ? group(of: backend.endpoint) : []
        )
    }

    /// Does not reach the engine yet. `owner` names us to it.
    static func dockerBackend(
        _ settings: Settings,
        owner: String,
        waitsForEngine: Bool = true,
        environment: [String: String],
        threads: NIOThreadPool,
        logger: Logger
    ) throws -> DockerBackend {
        var docker = try DockerSettings(settings, owner: owner)
        docker.waitsForEngine = waitsForEngine
        return DockerBackend(
            settings: ContainerSettings(settings),
            docker: docker,
            endpoint: try DockerEndpoint(dockerHost: settings.dockerHost, environment: environment),
            group: .singleton,
            threadPool: threads,
            logger: logger
        )
    }

    /// Whose socket the engine's is: without that group the server could not reach it any more. An engine that comes later
    /// gives its socket to the group docker, where there is one.
    private static func group(of endpoint: DockerEndpoint) -> [UInt32] {
        var status = stat()
        guard case .unix(let path) = endpoint.address else { return [] }
        if stat(path, &status) == 0 { return [status.st_gid] }
        return getgrnam("docker").map { [$0.pointee.gr_gid] } ?? []
    }
}
