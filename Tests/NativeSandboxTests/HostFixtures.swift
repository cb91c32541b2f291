@testable import NativeSandbox

/// A host made of texts.
struct FakeHost {
    var texts: [String: String] = [:]
    var directories: Set<String> = []
    var links: [String: String] = [:]
    var readOnly: Set<String> = []
    var secret: Set<String> = []

    var files: HostFiles {
        let host = self
        return HostFiles(
            read: { host.texts[$0] },
            kind: { path in
                if host.links[path] != nil { return .link }
                if host.directories.contains(path) { return .directory }
                return host.texts[path] == nil ? nil : .file
            },
            link: { host.links[$0] },
            resolved: { path in
                let target = host.links[path] ?? path
                return host.texts[target] != nil || host.directories.contains(target) ? target : nil
            },
            isWritable: { path in
                !host.readOnly.contains(path) && (host.texts[path] != nil || host.directories.contains(path))
            },
            isOpenToAll: { !host.secret.contains($0) }
        )
    }
}

extension NativeSettings {
    static var example: NativeSettings {
        NativeSettings(pythonEnvironment: "/srv/app/.venv", serverUID: 990, serverGID: 991)
    }
}

extension HostFacts {
    /// Root on a new kernel with cgroups of version 2.
    static var example: HostFacts {
        HostFacts(
            kernel: KernelVersion(6, 18),
            userID: 0,
            groupID: 0,
            landlockABI: 7,
            namespaceError: 0,
            maxUserNamespaces: 15_000,
            unprivilegedUserNamespaces: nil,
            apparmorRestrictsUserNamespaces: nil,
            cgroups: .version2(
                CgroupLayout.Unified(
                    parent: "/sys/fs/cgroup",
                    controllers: ["memory", "pids", "cpu"],
                    needsLeaf: false,
                    toEnable: []
                )
            ),
            subordinateIDs: nil,
            hasIDMapTools: true,
            environment: PythonEnvironment(path: "/srv/app/.venv", prefixes: [], problem: nil),
            systemDirectories: [
                SystemDirectory(path: "/bin", linkTarget: "usr/bin"),
                SystemDirectory(path: "/lib", linkTarget: "usr/lib"),
            ],
            sharedPaths: ["/etc/alternatives", "/etc/ssl"],
            localtime: "/usr/share/zoneinfo/Etc/UTC",
            launcher: "/srv/app/bin/sandbox-launcher",
            entryLibrary: "/srv/app/bin/libSandboxEntry.so"
        )
    }

    /// The same as an ordinary user without anything.
    static var ordinary: HostFacts {
        var facts = example
        facts.userID = 1001
        facts.groupID = 1002
        facts.cgroups = .missing("nothing is delegated")
        return facts
    }
}

extension SandboxPlan {
    static func example(_ facts: HostFacts = .example, _ change: (inout NativeSettings) -> Void = { _ in })
        -> SandboxPlan
    {
        var settings = NativeSettings.example
        change(&settings)
        return SandboxPlan(
            settings: settings,
            facts: facts,
            token: "0123abcd",
            runtimeFiles: [RuntimeFile(name: "zygote.py", content: "print(\"a\\n\")\n\tpass\n")]
        )
    }
}
