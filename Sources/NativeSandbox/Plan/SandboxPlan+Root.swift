extension SandboxPlan {
    /// `[root]`: the read-only template every sandbox starts from. Nothing of a user's or of the host's state is in it.
    mutating func addRoot() {
        add(.root, "template", "size=16m,nr_inodes=2048,mode=0755")
        add(.root, "bind", "/usr", "/usr", "read-only")
        for directory in facts.systemDirectories {
            if let target = directory.linkTarget {
                add(.root, "symlink", directory.path, target)
            } else {
                add(.root, "bind", directory.path, directory.path, "read-only")
            }
        }
        addConfiguration()
        addInstallation()
        addDevices()
        for directory in [Path.workspace, Path.home] { add(.root, "directory", directory, "0755") }
        // For the zygotes alone; in a sandbox the next three are covered by its own.
        add(.root, "directory", "/tmp", "1777")
        add(.root, "tmpfs", "/tmp", "size=64m,nr_inodes=4096,mode=1777")
        add(.root, "directory", "/proc", "0555")
        add(.root, "proc", "/proc", "hidepid=invisible")
        add(.root, "enter")
        add(.root, "seal")
    }

    private mutating func addConfiguration() {
        let id = Self.insideID
        add(.root, "directory", "/etc", "0755")
        add(
            .root,
            "file",
            "/etc/passwd",
            "0644",
            """
            root:x:0:0:root:/:/usr/sbin/nologin
            \(Self.insideName):x:\(id):\(id)::\(Path.home):/bin/bash
            nobody:x:65534:65534:nobody:/:/usr/sbin/nologin

            """
        )
        add(.root, "file", "/etc/group", "0644", "root:x:0:\n\(Self.insideName):x:\(id):\nnogroup:x:65534:\n")
        add(.root, "file", "/etc/hosts", "0644", "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n")
        add(.root, "file", "/etc/nsswitch.conf", "0644", "passwd: files\ngroup: files\nhosts: files dns\n")
        // No name server: a look-up fails at once instead of waiting for one.
        add(.root, "file", "/etc/resolv.conf", "0644", "")
        add(.root, "file", Path.mask, "0000", "")
        if let zone = facts.localtime { add(.root, "symlink", "/etc/localtime", zone) }
        for path in facts.sharedPaths { add(.root, "bind", path, path, "read-only") }
    }

    private mutating func addInstallation() {
        add(.root, "directory", Path.installation, "0755")
        add(.root, "bind", facts.environment.path, Path.environment, "read-only")
        for prefix in facts.environment.prefixes { add(.root, "bind", prefix, prefix, "read-only") }
        if let library = facts.entryLibrary { add(.root, "bind", library, Path.entryLibrary, "read-only") }
        add(.root, "directory", Path.runtime, "0755")
        for file in runtimeFiles { add(.root, "file", "\(Path.runtime)/\(file.name)", "0444", file.content) }
    }

    private mutating func addDevices() {
        add(.root, "directory", "/dev", "0755")
        for name in Self.devices { add(.root, "bind", "/dev/\(name)", "/dev/\(name)", "device") }
        add(.root, "directory", "/dev/pts", "0755")
        add(.root, "directory", "/dev/shm", "1777")
        add(.root, "symlink", "/dev/ptmx", "pts/ptmx")
        add(.root, "symlink", "/dev/fd", "/proc/self/fd")
        for (descriptor, name) in ["stdin", "stdout", "stderr"].enumerated() {
            add(.root, "symlink", "/dev/\(name)", "/proc/self/fd/\(descriptor)")
        }
    }

    static let devices = ["full", "null", "random", "urandom", "zero"]
}
