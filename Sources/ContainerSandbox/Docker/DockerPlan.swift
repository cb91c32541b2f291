import Execution

/// Decides what a container is made from: settings in, a specification out. Nothing is looked up or changed here.
struct DockerPlan: Sendable {
    var sandboxes: ContainerSettings
    var docker: DockerSettings
    /// The text of a seccomp profile.
    var seccompProfile: String

    /// Names of the labels that say whose a container is.
    enum Label {
        static let owner = "code-interpreter.owner"
        static let run = "code-interpreter.run"
        /// In seconds since 1970.
        static let expiry = "code-interpreter.expires"
        static let kind = "code-interpreter.kind"
    }

    /// The guest of the image: user and group 1000.
    static let home = "/home/user"
    /// What the guest needs to start processes as somebody else, and to end them.
    static let capabilities = ["SETUID", "SETGID", "KILL"]
    /// What tells about the host, or has let programs out of containers: what engines mask by themselves, and more. Below /sys only the control group and what
    /// file systems say is left.
    static let maskedPaths =
        [
            "acpi", "asound", "cmdline", "interrupts", "kallsyms", "kcore", "keys", "latency_stats", "sched_debug",
            "scsi",
            "timer_list", "timer_stats",
        ].map { "/proc/" + $0 }
        + ["block", "bus", "class", "dev", "devices", "firmware", "hypervisor", "kernel", "module", "power"].map {
            "/sys/" + $0
        }
    /// A runtime such as gVisor has threads of its own in the container's group: 46 were counted when nothing ran in it.
    private static let runtimeThreads = 192
    /// The guest itself.
    private static let guestProcesses = 1
    /// Its memory, whose interpreter counts as part of its container: native sandboxes share it.
    private static let guestMB = 192

    /// The container of a sandbox of `kind`, made by the run `run` of this server, to be gone at `expiry` (seconds since 1970).
    func specification(_ kind: SandboxKind, run: String, expiry: Int) -> ContainerSpecification {
        let isContext = kind == .notebook
        var container = ContainerSpecification(image: docker.image)
        container.command = [kind.rawValue, kind == .bare ? "" : sandboxes.warmImports.joined(separator: ",")]
        container.user = "0:0"
        container.hostname = "sandbox"
        container.networkMode = docker.network
        container.runtime = docker.runtime
        container.labels = [
            Label.owner: docker.owner, Label.run: run, Label.kind: kind.rawValue, Label.expiry: String(expiry),
        ]
        container.addedCapabilities = Self.capabilities
        container.maskedPaths = Self.maskedPaths
        container.seccompProfile = seccompProfile
        container.memoryBytes =
            (isContext ? sandboxes.contextMemoryLimitMB : sandboxes.memoryLimitMB + Self.guestMB) << 20
        container.pidsLimit =
            (isContext ? sandboxes.contextMaxProcesses : sandboxes.maxProcesses) + Self.guestProcesses
            + (docker.runtime == nil || docker.runtime == "runc" ? 0 : Self.runtimeThreads)
        container.sharedMemoryBytes = sandboxes.sharedMemorySizeMB << 20
        container.ulimits = [
            .init(name: "nofile", soft: sandboxes.maxOpenFiles, hard: sandboxes.maxOpenFiles),
            .init(name: "core", soft: 0, hard: 0),
        ]
        container.temporaryFileSystems = [
            Self.home:
                "rw,exec,nosuid,nodev,size=\(sandboxes.workspaceSizeMB)m,nr_inodes=\(sandboxes.workspaceInodes),mode=0700,uid=1000,gid=1000",
            "/tmp":
                "rw,exec,nosuid,nodev,size=\(sandboxes.temporarySizeMB)m,nr_inodes=\(sandboxes.workspaceInodes),mode=1777",
        ]
        // What operators wish comes last, but takes no wall away: such flags are refused.
        docker.runArguments?.apply(to: &container)
        return container
    }
}
