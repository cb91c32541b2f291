import Execution

extension DockerPlan {
    /// What separates programs from the rest, for people.
    func walls(engine: EngineVersion?, greeting: GuestGreeting?) -> [BackendStatus.Wall] {
        let isOffline = docker.network == "none"
        return [
            wall(
                "container",
                true,
                "Docker \(engine?.engine ?? "of unknown version"), runtime \(docker.runtime ?? "of the engine's choice")"
            ),
            wall("network", isOffline, isOffline ? "none" : "the network \(docker.network), as a setting has it"),
            wall(
                "file system",
                true,
                "read-only root; workspace, /tmp and /dev/shm in memory, with limits"
                    + (hasMounts ? "; and what a setting mounts" : "")
            ),
            wall("capabilities", true, "all dropped; the guest keeps \(Self.capabilities.joined(separator: ", "))"),
            wall("privileges", true, "no new ones"),
            wall(
                "system calls",
                true,
                (hasOwnProfile ? "a seccomp profile of our own" : "the seccomp profile a setting names")
                    + ", where the runtime applies one"
            ),
            wall("limits", true, "memory without swap, processes, open files"),
            wall(
                "contexts",
                greeting?.isApart ?? true,
                "each in a Landlock domain of its own, where the kernel has version 6 of it: no signals to, no tracing of others"
            ),
            wall(
                "user",
                greeting?.isSeparate ?? true,
                "programs run as user \(greeting?.user ?? 1000), their guest as another"
            ),
        ]
    }

    /// Settings that take a wall away, or may.
    var reducedModes: [String] {
        var modes: [String] = []
        if docker.network != "none" { modes.append("with-network") }
        if hasMounts { modes.append("with-mounts") }
        if !hasOwnProfile { modes.append("with-other-seccomp-profile") }
        return modes
    }

    /// Directories of the host, or volumes, that a setting puts into every container.
    private var hasMounts: Bool {
        let wishes = wishes
        return !wishes.binds.isEmpty || wishes.mounts.contains { $0.kind != .tmpfs }
    }

    private var hasOwnProfile: Bool { (wishes.seccompProfile ?? seccompProfile) == seccompProfile }

    /// What the setting for `docker run` flags says, and nothing else.
    private var wishes: ContainerSpecification {
        var container = ContainerSpecification(image: docker.image)
        docker.runArguments?.apply(to: &container)
        return container
    }

    private func wall(_ name: String, _ isStanding: Bool, _ detail: String) -> BackendStatus.Wall {
        BackendStatus.Wall(name: name, isStanding: isStanding, detail: detail)
    }
}
