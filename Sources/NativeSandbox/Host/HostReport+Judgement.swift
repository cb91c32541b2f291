import Execution

extension HostReport {
    mutating func judgeInstallation(_ facts: HostFacts) {
        if let problem = facts.environment.problem {
            add(
                .error,
                "python",
                "The Python environment \(facts.environment.path) cannot be used: \(problem).",
                cure: "make setup"
            )
        }
        for (file, name) in [(facts.launcher, "sandbox-launcher"), (facts.entryLibrary, "libSandboxEntry.so")]
        where file == nil {
            add(.error, "installation", "\(name) is not beside the executable.", cure: "swift build")
        }
    }

    mutating func judgeKernel(_ facts: HostFacts, _ settings: NativeSettings) {
        if facts.kernel < Self.oldestKernel {
            let what = "Linux \(facts.kernel) is too old: \(Self.oldestKernel) or later is needed."
            add(.error, "kernel", what, cure: "Install a newer kernel.")
        } else if Identity.choose(facts, settings) == .sharedByRoot(id: 0) {
            add(
                .error,
                "kernel",
                "Linux \(facts.kernel) cannot map the owners of a file system in memory, which takes "
                    + "\(Identity.idmappedWorkspaceKernel): programs would have root's id.",
                cure: "Install a newer kernel, or do this as an ordinary user."
            )
        }
    }

    /// The first with Landlock; everything else that is indispensable is older.
    private static let oldestKernel = HostFacts.KernelVersion(5, 13)

    mutating func judgeCapabilities(_ facts: HostFacts) {
        guard facts.isRoot, !facts.missingCapabilities.isEmpty else { return }
        let flags = facts.missingCapabilities.map { "--cap-add \($0)" }.joined(separator: " ")
        add(
            .error,
            "capabilities",
            "This root may not do all that making sandboxes takes: "
                + "\(facts.missingCapabilities.joined(separator: ", ")) missing.",
            cure: "In a container: docker run \(flags). Or start the server as an ordinary user."
        )
    }

    mutating func judgeNamespaces(_ facts: HostFacts) {
        guard facts.namespaceError != 0 else {
            addWall(
                "namespaces",
                true,
                "user, mount, pid, network, ipc, uts and cgroup namespaces of its own for each sandbox"
            )
            return
        }
        let reason = SystemError("unshare", code: facts.namespaceError).description
        addWall("namespaces", false, reason)
        let (what, cure) = namespaceCause(facts)
        add(.error, "namespaces", "User namespaces do not work (\(reason)): \(what).", cure: cure)
    }

    private func namespaceCause(_ facts: HostFacts) -> (what: String, cure: String) {
        if facts.maxUserNamespaces == 0 {
            return ("user.max_user_namespaces is 0", "sudo sysctl user.max_user_namespaces=15000")
        }
        if !facts.isRoot, facts.unprivilegedUserNamespaces == 0 {
            return ("ordinary users may not make them", "sudo sysctl kernel.unprivileged_userns_clone=1")
        }
        if !facts.isRoot, facts.apparmorRestrictsUserNamespaces == 1 {
            return (
                "AppArmor restricts them to programs with a profile",
                "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
            )
        }
        return (
            "something forbids them; inside a container that is its seccomp profile",
            "In a container: a seccomp and AppArmor profile that allows them, see docs/OPERATIONS.md, In containers."
        )
    }

    mutating func judgeIdentity(_ facts: HostFacts, _ settings: NativeSettings) {
        switch Identity.choose(facts, settings) {
        case .own(let first, let count):
            addWall("user ids", true, "each sandbox has a user of its own, \(first) to \(first + count - 1)")
        case .subordinate(let ids):
            addWall("user ids", true, "each sandbox has a subordinate user of its own, from \(ids.firstUser) on")
        case .shared, .sharedByRoot:
            let detail = "all sandboxes have the server's user; namespaces, Landlock and seccomp separate them"
            addWall("user ids", false, detail)
            reducedModes.append("one-user-for-all")
            add(
                .warning,
                "user ids",
                "There are no ids of their own for sandboxes: \(missingIDs(facts)).",
                cure: idCure(facts)
            )
        }
    }

    private func missingIDs(_ facts: HostFacts) -> String {
        if facts.isRoot { return "the kernel is older than \(Identity.idmappedWorkspaceKernel)" }
        if !facts.hasIDMapTools { return "newuidmap and newgidmap are not installed" }
        if facts.subordinateIDs == nil { return "the user has no range in /etc/subuid and /etc/subgid" }
        if facts.kernel < Identity.idmappedWorkspaceKernel {
            return "the kernel is older than \(Identity.idmappedWorkspaceKernel)"
        }
        return "the user's range in /etc/subuid or /etc/subgid is too small"
    }

    private func idCure(_ facts: HostFacts) -> String {
        if facts.isRoot { return "Install a newer kernel." }
        if !facts.hasIDMapTools { return "sudo apt-get install uidmap" }
        if facts.kernel < Identity.idmappedWorkspaceKernel { return "Install a newer kernel." }
        return "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER"
    }

    mutating func judgeCgroups(_ facts: HostFacts, _ settings: NativeSettings) {
        switch facts.cgroups {
        case .version1(let hierarchies):
            let controllers = hierarchies.flatMap(\.controllers).joined(separator: ", ")
            addWall("cgroups", true, "version 1: \(controllers)")
        case .version2(let unified):
            addWall("cgroups", true, "version 2: \(unified.controllers.joined(separator: ", "))")
        case .missing(let reason):
            addWall("cgroups", false, reason)
            reducedModes.append("without-cgroups")
            let isAllowed = settings.allowWithoutCgroups || !facts.isRoot
            add(
                isAllowed ? .warning : .error,
                "cgroups",
                "Memory, processes and CPU time are limited only for each process, not for a sandbox: \(reason).",
                cure: facts.isRoot
                    ? "Make the cgroup hierarchy writable, or accept the risk with the setting for it."
                    : "systemd-run --user --scope -p Delegate=yes code-interpreter serve"
            )
        }
    }

    mutating func judgeLandlock(_ facts: HostFacts, _ settings: NativeSettings) {
        guard facts.landlockABI > 0 else {
            addWall("landlock", false, "the kernel has none")
            reducedModes.append("without-landlock")
            add(
                settings.allowWithoutLandlock ? .warning : .error,
                "landlock",
                "The kernel was built or started without Landlock.",
                cure:
                    "Add landlock to the kernel's lsm= parameter, or accept the risk with the setting for it."
            )
            return
        }
        addWall("landlock", true, "version \(facts.landlockABI)")
        if facts.landlockABI < 6 {
            reducedModes.append("contexts-reach-each-other")
            add(
                .note,
                "landlock",
                "Landlock \(facts.landlockABI) does not cover signals and abstract sockets: namespaces keep them inside "
                    + "a sandbox, but the contexts of one sandbox reach each other.",
                cure: "Linux 6.12 or later has version 6."
            )
        }
    }
}
