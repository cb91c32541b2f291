/// Everything an operator can set, with its default; see docs/CONFIGURATION.md.
///
/// Megabytes are 1,048,576 bytes. ``SettingsReader`` fills it from flags and environment and guarantees the ranges of ``Setting/all``.
package struct Settings: Sendable, Equatable {
    // Server
    package var host = "127.0.0.1"
    /// 0 lets the kernel choose.
    package var port = 8000
    /// 0 is none.
    package var notebookPort = 0
    /// Names under which clients may address the server; empty leaves the choice to the API.
    package var allowedHosts: [String] = []
    package var maxRequestMB = 20
    package var maxConnections = 4096
    package var logLevel = LogLevel.info
    package var logFormat = LogFormat.plain
    /// `name`, `name:group` or `uid:gid`; nil lets the server choose, see docs/CONFIGURATION.md.
    package var runAsUser: String?

    // Access
    package var authenticationMode = AuthenticationMode.none
    /// Those of the environment and of the file; names and secrets are unique.
    package var apiKeys: [APIKey] = []
    package var apiKeysFile: String?
    /// Origins of web pages that may use the API, `*` for all.
    package var crossOrigins: [String] = []

    // Executions
    package var maxTimeoutMilliseconds = 60_000
    package var cpuTimeLimitSeconds = 5
    package var memoryLimitMB = 256
    package var maxOutputBytes = 1_000_000
    package var maxConcurrentExecutions = 16
    package var queueTimeoutSeconds = 30
    package var queueRetryAfterSeconds = 2
    package var capacityRetryAfterSeconds = 10

    // Contexts
    package var maxContexts = 64
    /// 0 is no limit.
    package var maxCellTimeMilliseconds = 0
    package var interruptGraceSeconds = 5
    /// 0 is never.
    package var contextIdleTimeoutSeconds = 3600
    /// 0 is never.
    package var contextFreezeSeconds = 300
    package var contextMemoryLimitMB = 2048
    package var contextMaxProcesses = 512

    // Files
    /// nil lets the server choose by who runs it.
    package var fileStorageDirectory: String?
    /// 0 keeps files for ever.
    package var fileTimeToLiveSeconds = 3600
    package var maxFileSizeMB = 100
    package var maxProducedFiles = 256

    // Sandboxes
    package var backend = Backend.native
    /// nil lets the server look for one.
    package var pythonEnvironment: String?
    package var warmImports = ["numpy", "pandas", "matplotlib.pyplot"]
    /// nil where nobody said so; see ``poolSizeBare``.
    var givenPoolSizeBare: Int?
    var givenPoolSizeFull: Int?
    var givenPoolSizeNotebook: Int?
    package var workspaceSizeMB = 256
    package var workspaceMaxFiles = 16_384
    package var temporarySizeMB = 64
    package var sharedMemorySizeMB = 64
    package var maxProcesses = 64
    package var maxOpenFiles = 1024
    package var sandboxUIDBase = 100_000
    package var allowWithoutCgroups = false
    package var allowWithoutLandlock = false

    // Docker
    package var dockerHost: String?
    package var dockerImage = "code-interpreter-guest:\(programVersion)"
    package var mayPullDockerImage = true
    package var dockerNetwork = "none"
    package var dockerRunArguments: String?
    package var dockerRuntime: String?
    package var dockerTimeToLiveSeconds = 86_400

    package init() {}

    /// Containers take a second to start and have an interpreter of their own in memory: fewer of them wait.
    package var poolSizeBare: Int { givenPoolSizeBare ?? (backend == .docker ? 2 : 8) }
    package var poolSizeFull: Int { givenPoolSizeFull ?? (backend == .docker ? 2 : 8) }
    package var poolSizeNotebook: Int { givenPoolSizeNotebook ?? (backend == .docker ? 1 : 2) }

    /// Who may use the API.
    package enum AuthenticationMode: String, Sendable, CaseIterable {
        case none
        case token
        case claim
    }

    /// What makes sandboxes.
    package enum Backend: String, Sendable, CaseIterable {
        case native
        case docker
        case kubernetes
    }

    /// The least severe line that is logged; ordered by severity.
    package enum LogLevel: String, Sendable, CaseIterable, Comparable {
        case trace
        case debug
        case info
        case notice
        case warning
        case error
        case critical

        package static func < (left: LogLevel, right: LogLevel) -> Bool {
            (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
        }
    }

    /// How a line of the log looks.
    package enum LogFormat: String, Sendable, CaseIterable {
        case plain
        case json
    }
}
