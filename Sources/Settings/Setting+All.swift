extension Setting {
    /// Every setting, in the order of docs/CONFIGURATION.md.
    package static let groups = [
        SettingGroup(title: "Server", settings: server),
        SettingGroup(title: "Access", settings: access),
        SettingGroup(title: "Executions", settings: executions),
        SettingGroup(title: "Contexts", settings: contexts),
        SettingGroup(title: "Files", settings: files),
        SettingGroup(title: "Sandboxes", settings: sandboxes),
        SettingGroup(title: "Docker", settings: docker),
    ]

    /// All of them without their groups.
    package static let all = groups.flatMap(\.settings)

    /// Beginnings of names that belong to a backend that is still to come: accepted, and without effect.
    package static let foreignPrefixes = ["KUBERNETES_EXECUTOR_"]

    private static let server = [
        text("HOST", default: Settings().host, range: "an address or a host name", "Where the server listens.") {
            $1.host = $0
            return !$0.contains { $0.isWhitespace || $0 == "/" }
        },
        integer("PORT", \.port, 0...65_535, "TCP port; 0 lets the kernel choose one, the log says which."),
        integer(
            "NOTEBOOK_PORT",
            \.notebookPort,
            0...65_535,
            "A second port, on which clients of E2B's code interpreter look for it: 49999. 0 is none."
        ),
        list(
            "ALLOWED_HOSTS",
            \.allowedHosts,
            range: "host names separated by commas, or none",
            "Names by which clients may address the server in `Host`, besides addresses and localhost; `*` allows every name."
        ) { !$0.isEmpty && !$0.contains(where: { $0.isWhitespace || $0 == "/" }) },
        integer("MAX_REQUEST_MB", \.maxRequestMB, 1...1024, "Largest body of a request that is not a file upload."),
        integer("MAX_CONNECTIONS", \.maxConnections, 1...65_536, "Connections served at the same time; others wait."),
        choice("LOG_LEVEL", \.logLevel, "The least severe line that is logged."),
        choice("LOG_FORMAT", \.logFormat, "`plain` for people, `json` for programs: one object a line."),
        text(
            "RUN_AS_USER",
            \.runAsUser,
            default: "code-interpreter where it exists, else 99999:99999",
            range: "a user that is not root: name, name:group or uid:gid",
            "Whom the server becomes when it was started as root. Not used otherwise."
        ) { isUser($0) },
    ]

    private static let executions = [
        integer(
            "MAX_EXEC_TIMEOUT_MS",
            \.maxTimeoutMilliseconds,
            1...86_400_000,
            "Longest `timeout_ms` a client may ask for."
        ),
        integer(
            "CPU_TIME_LIMIT_SEC",
            \.cpuTimeLimitSeconds,
            1...86_400,
            "CPU time of one execution, all its processes together."
        ),
        integer(
            "MEMORY_LIMIT_MB",
            \.memoryLimitMB,
            32...1_048_576,
            "Memory of one execution, its files in memory included."
        ),
        integer(
            "MAX_OUTPUT_BYTES",
            \.maxOutputBytes,
            64...1_073_741_824,
            "Bytes kept of each output stream; the rest is cut off."
        ),
        integer(
            "MAX_CONCURRENT_EXECUTIONS",
            \.maxConcurrentExecutions,
            1...1024,
            "Executions at the same time; others queue."
        ),
        integer(
            "EXECUTION_QUEUE_TIMEOUT_SEC",
            \.queueTimeoutSeconds,
            0...3600,
            "How long a request may queue before it is answered with 429."
        ),
        integer("EXECUTION_RETRY_AFTER_SEC", \.queueRetryAfterSeconds, 0...3600, "`Retry-After` of that 429."),
        integer(
            "CAPACITY_RETRY_AFTER_SEC",
            \.capacityRetryAfterSeconds,
            0...3600,
            "`Retry-After` of the 503 when no sandbox can be made."
        ),
    ]

    private static let contexts = [
        integer(
            "MAX_CONTEXTS",
            \.maxContexts,
            1...4096,
            "Most contexts of one tenant; the default one does not count."
        ),
        integer(
            "CONTEXT_MAX_EXEC_TIMEOUT_MS",
            \.maxCellTimeMilliseconds,
            0...86_400_000,
            "Longest time of a cell whose request has no `timeout_ms`; 0 is no limit."
        ),
        integer(
            "INTERRUPT_GRACE_SEC",
            \.interruptGraceSeconds,
            1...600,
            "How long a cell may go on after an interrupt before its interpreter is killed and its variables are lost."
        ),
        integer(
            "CONTEXT_IDLE_TIMEOUT_SEC",
            \.contextIdleTimeoutSeconds,
            0...31_536_000,
            "Contexts that nobody used for so long end; 0 is never."
        ),
        integer(
            "CONTEXT_FREEZE_SEC",
            \.contextFreezeSeconds,
            0...31_536_000,
            "When nobody used a tenant's contexts for so long, all their processes stop until somebody does; 0 is never."
        ),
        integer(
            "CONTEXT_MEMORY_LIMIT_MB",
            \.contextMemoryLimitMB,
            64...1_048_576,
            "Memory of all contexts of a tenant together, their files in memory included."
        ),
        integer(
            "CONTEXT_MAX_PROCESSES",
            \.contextMaxProcesses,
            16...32_768,
            "Processes and threads of all contexts of a tenant together."
        ),
    ]

    private static let files = [
        text(
            "FILE_STORAGE_DIR",
            \.fileStorageDirectory,
            default:
                "/var/lib/code-interpreter as root, else $XDG_STATE_HOME/code-interpreter or ~/.local/state/code-interpreter",
            range: "a directory of our own, not /",
            "Where uploaded and produced files are kept. Made if missing."
        ) { !$0.allSatisfy { $0 == "/" } },
        integer("FILE_TTL_SEC", \.fileTimeToLiveSeconds, 0...315_360_000, "How long a file is kept; 0 is for ever."),
        integer("MAX_FILE_SIZE_MB", \.maxFileSizeMB, 1...102_400, "Largest uploaded or produced file."),
        integer("MAX_PRODUCED_FILES", \.maxProducedFiles, 0...10_000, "Most files that one execution gives back."),
    ]

    private static let sandboxes = [
        choice(
            "EXECUTOR_BACKEND",
            \.backend,
            "What makes sandboxes: this machine's kernel, or a Docker Engine. `kubernetes` is still to come."
        ),
        text(
            "PYTHON_ENVIRONMENT",
            \.pythonEnvironment,
            default: ".venv of the checkout the program was built in, else /opt/code-interpreter/venv",
            range: "the absolute path of a virtual environment",
            "The Python that programs run with."
        ) { $0.hasPrefix("/") },
        list(
            "WARM_IMPORTS",
            \.warmImports,
            range: "Python modules separated by commas, or none",
            "Imported ahead of time for programs that import more than the standard library."
        ) { isModuleName($0) },
        integer(
            "POOL_SIZE_BARE",
            \.givenPoolSizeBare,
            default: "8; 2 with docker",
            0...512,
            "Sandboxes kept ready with the standard library only."
        ),
        integer(
            "POOL_SIZE_FULL",
            \.givenPoolSizeFull,
            default: "8; 2 with docker",
            0...512,
            "Sandboxes kept ready with WARM_IMPORTS imported."
        ),
        integer(
            "POOL_SIZE_NOTEBOOK",
            \.givenPoolSizeNotebook,
            default: "2; 1 with docker",
            0...512,
            "Sandboxes kept ready for the contexts of another tenant."
        ),
        integer("WORKSPACE_SIZE_MB", \.workspaceSizeMB, 1...1_048_576, "Size of the workspace; it lies in memory."),
        integer("WORKSPACE_MAX_FILES", \.workspaceMaxFiles, 64...16_777_216, "Files and directories in the workspace."),
        integer("TMP_SIZE_MB", \.temporarySizeMB, 1...1_048_576, "Size of /tmp in a sandbox; it lies in memory."),
        integer("SHM_SIZE_MB", \.sharedMemorySizeMB, 1...1_048_576, "Size of /dev/shm in a sandbox."),
        integer("MAX_PROCESSES", \.maxProcesses, 4...32_768, "Processes and threads in a sandbox."),
        integer("MAX_OPEN_FILES", \.maxOpenFiles, 64...1_048_576, "Open files of one process in a sandbox."),
        integer(
            "SANDBOX_UID_BASE",
            \.sandboxUIDBase,
            1000...4_000_000_000,
            "First of the 4096 user ids that sandboxes have outside, as root. No real user may be among them."
        ),
        boolean(
            "ALLOW_WITHOUT_CGROUPS",
            \.allowWithoutCgroups,
            "As root: start although memory and CPU of a sandbox cannot be limited as a whole."
        ),
        boolean("ALLOW_WITHOUT_LANDLOCK", \.allowWithoutLandlock, "Start although the kernel has no Landlock."),
    ]

    private static let docker = [
        text(
            "DOCKER_HOST",
            \.dockerHost,
            default: "unix:///var/run/docker.sock, else that of a rootless daemon",
            range: "unix:///path, tcp://host:port or http://host:port",
            "Where the Docker Engine listens."
        ) { $0.contains("://") },
        text(
            "PYTHON_EXECUTOR_DOCKER_IMAGE",
            default: Settings().dockerImage,
            range: "the reference of an image",
            "The image of sandboxes; `make images` builds it."
        ) {
            $1.dockerImage = $0
            return !$0.contains { $0.isWhitespace }
        },
        boolean("DOCKER_PULL", \.mayPullDockerImage, "Whether the image is pulled when the engine does not have it."),
        text(
            "PYTHON_EXECUTOR_DOCKER_NETWORK",
            default: Settings().dockerNetwork,
            range: "the name of a network",
            "The network of sandboxes. `none` is no network; any other lets programs reach what is on it."
        ) {
            $1.dockerNetwork = $0
            return !$0.contains { $0.isWhitespace } && !$0.hasPrefix("container:")
        },
        text(
            "PYTHON_EXECUTOR_DOCKER_RUN_ARGS",
            \.dockerRunArguments,
            default: "no flags",
            range: "flags of docker run",
            "Further flags for the containers of sandboxes, quoted as in a shell. Flags that take a wall away are refused."
        ) { _ in true },
        text(
            "DOCKER_RUNTIME",
            \.dockerRuntime,
            default: "the engine's default",
            range: "the name of a runtime the engine has",
            "Such as `runsc` for gVisor."
        ) { !$0.contains { $0.isWhitespace || $0 == "/" } },
        integer(
            "DOCKER_SANDBOX_TTL_SEC",
            \.dockerTimeToLiveSeconds,
            60...31_536_000,
            "A container is removed when it has existed for so long, used or not, whoever made it."
        ),
    ]

    /// `name`, `name:group` or numbers; whether it exists is asked when the server becomes it.
    private static func isUser(_ text: String) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let user = parts.first, user != "root", Int(user) != 0 else {
            return false
        }
        return parts.allSatisfy { part in
            !part.isEmpty && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.$".contains($0)) }
        }
    }

    private static func isModuleName(_ text: Substring) -> Bool {
        text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
            guard let first = part.first else { return false }
            return (first.isLetter || first == "_") && part.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
        }
    }
}
