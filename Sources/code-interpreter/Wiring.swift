import ContainerSandbox
import Execution
import Glibc
import HTTPAPI
import NativeSandbox
import Settings

/// Bytes in what settings call a megabyte.
private let bytesPerMegabyte = 1 << 20

// What each part is told of the settings.
extension NativeSettings {
    /// `identity` is whom the server is when sandboxes are made.
    init(_ settings: Settings, identity: ServerIdentity) {
        self.init(pythonEnvironment: PythonEnvironment.path(settings), serverUID: identity.uid, serverGID: identity.gid)
        memoryLimitMB = settings.memoryLimitMB
        maxProcesses = settings.maxProcesses
        maxOpenFiles = settings.maxOpenFiles
        workspaceSizeMB = settings.workspaceSizeMB
        workspaceInodes = settings.workspaceMaxFiles
        temporarySizeMB = settings.temporarySizeMB
        sharedMemorySizeMB = settings.sharedMemorySizeMB
        cpuTimeLimitSeconds = settings.cpuTimeLimitSeconds
        warmImports = settings.warmImports
        contextMemoryLimitMB = settings.contextMemoryLimitMB
        contextMaxProcesses = settings.contextMaxProcesses
        interruptGrace = .seconds(settings.interruptGraceSeconds)
        sandboxUIDBase = settings.sandboxUIDBase
        sandboxSlots = Settings.sandboxSlots
        allowWithoutCgroups = settings.allowWithoutCgroups
        allowWithoutLandlock = settings.allowWithoutLandlock
    }
}

extension ContainerSettings {
    init(_ settings: Settings) {
        self.init()
        memoryLimitMB = settings.memoryLimitMB
        maxProcesses = settings.maxProcesses
        contextMemoryLimitMB = settings.contextMemoryLimitMB
        contextMaxProcesses = settings.contextMaxProcesses
        maxOpenFiles = settings.maxOpenFiles
        workspaceSizeMB = settings.workspaceSizeMB
        workspaceInodes = settings.workspaceMaxFiles
        temporarySizeMB = settings.temporarySizeMB
        sharedMemorySizeMB = settings.sharedMemorySizeMB
        cpuTime = .seconds(settings.cpuTimeLimitSeconds)
        interruptGrace = .seconds(settings.interruptGraceSeconds)
        warmImports = settings.warmImports
    }
}

extension DockerSettings {
    /// `owner` names this server to the engine.
    init(_ settings: Settings, owner: String) throws {
        self.init(image: settings.dockerImage, owner: owner)
        mayPull = settings.mayPullDockerImage
        network = settings.dockerNetwork
        runtime = settings.dockerRuntime
        timeToLive = .seconds(settings.dockerTimeToLiveSeconds)
        do {
            runArguments = try settings.dockerRunArguments.map { try DockerRunArguments(parsing: $0) }
        } catch {
            throw StartFailure("PYTHON_EXECUTOR_DOCKER_RUN_ARGS: \(error)")
        }
    }
}

extension ExecutionService.Configuration {
    init(_ settings: Settings) {
        self.init()
        maxConcurrentExecutions = settings.maxConcurrentExecutions
        queueTimeout = .seconds(settings.queueTimeoutSeconds)
        queueRetryAfter = .seconds(settings.queueRetryAfterSeconds)
        capacityRetryAfter = .seconds(settings.capacityRetryAfterSeconds)
        maxTimeout = .milliseconds(settings.maxTimeoutMilliseconds)
        cpuTime = .seconds(settings.cpuTimeLimitSeconds)
        outputBytes = settings.maxOutputBytes
        // A program may print a good deal more than is kept before it is stopped for it.
        floodBytes = max(floodBytes, 8 * settings.maxOutputBytes)
        workspaceBytes = settings.workspaceSizeMB * bytesPerMegabyte
        producedFiles = ProducedFileLimits(settings)
        if settings.backend == .docker {
            // A container takes a second of a processor to become warm: a burst is served one after the other.
            sandboxTimeout = .seconds(5)
            extraSandboxTimeout = .seconds(55)
            sandboxesInTheMaking = max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        }
        poolSizes = [
            .bare: settings.poolSizeBare, .full: settings.poolSizeFull, .notebook: settings.poolSizeNotebook,
        ]
    }
}

extension ContextService.Configuration {
    init(_ settings: Settings) {
        self.init()
        maxContexts = settings.maxContexts
        defaultTimeLimit = settings.maxCellTimeMilliseconds == 0 ? nil : .milliseconds(settings.maxCellTimeMilliseconds)
        idleTimeout = settings.contextIdleTimeoutSeconds == 0 ? nil : .seconds(settings.contextIdleTimeoutSeconds)
        freezeAfter = settings.contextFreezeSeconds == 0 ? nil : .seconds(settings.contextFreezeSeconds)
    }
}

extension ProducedFileLimits {
    init(_ settings: Settings) {
        self.init(
            count: settings.maxProducedFiles,
            bytesPerFile: settings.maxFileSizeMB * bytesPerMegabyte,
            totalBytes: max(settings.workspaceSizeMB, settings.maxFileSizeMB) * bytesPerMegabyte
        )
    }
}

extension FileStore.Configuration {
    init(_ settings: Settings, directory: String) {
        self.init(
            directory: directory,
            maxFileBytes: settings.maxFileSizeMB * bytesPerMegabyte,
            timeToLive: settings.fileTimeToLiveSeconds == 0 ? nil : .seconds(settings.fileTimeToLiveSeconds)
        )
    }
}

extension HTTPAPIConfiguration {
    init(_ settings: Settings) {
        self.init(host: settings.host, port: settings.port, version: programVersion)
        maxBodyBytes = settings.maxRequestMB * bytesPerMegabyte
        maxFileBytes = settings.maxFileSizeMB * bytesPerMegabyte
        maxConnections = settings.maxConnections
        allowedHosts = settings.allowedHosts
        maxTimeoutMilliseconds = settings.maxTimeoutMilliseconds
        capacityRetryAfter = .seconds(settings.capacityRetryAfterSeconds)
        backendName = settings.backend.rawValue
        authenticator = Authenticator(settings.authentication)
        crossOrigins = settings.crossOrigins
        warnings = settings.exposure.map { [$0] } ?? []
    }
}

extension Settings {
    fileprivate var authentication: Authenticator.Mode {
        switch authenticationMode {
        case .none: .open
        case .token: .keys(apiKeys.map { ($0.name, $0.secret) })
        case .claim: .claim
        }
    }

    /// Who can use the server without having been let in; nil when nobody can.
    var exposure: String? {
        if Loopback.contains(host) || authenticationMode != .none { return nil }
        return "listening beyond this machine without authentication: whoever reaches the port can run code"
    }
}
