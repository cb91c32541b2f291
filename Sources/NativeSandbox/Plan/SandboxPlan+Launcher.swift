import Execution

extension SandboxPlan {
    /// `[launcher]`: facts about this installation.
    mutating func addLauncher() {
        addIdentity()
        addCgroups()
        addZygotes()
    }

    private mutating func addIdentity() {
        add(.launcher, "mode", facts.isRoot ? "root" : "rootless")
        switch identity {
        case .own(let first, let count):
            add(.launcher, "slots", "\(first)", "\(count)")
            add(.launcher, "owner", "\(settings.serverUID)", "\(settings.serverGID)")
        case .subordinate(let ids):
            addOwnMap()
            add(.launcher, "map", "1", "\(ids.firstUser)", "\(ids.count)", "\(ids.firstGroup)")
            add(.launcher, "slots", "1", "\(min(settings.sandboxSlots, ids.count))")
            add(.launcher, "owner", "0", "0")
        case .shared:
            addOwnMap()
            add(.launcher, "slots", "0", "\(settings.sandboxSlots)", "shared")
            add(.launcher, "owner", "0", "0")
        case .sharedByRoot(let id):
            add(.launcher, "slots", "\(id)", "\(settings.sandboxSlots)", "shared")
            // A sandbox's user and group have one number, and nobody's rights come from the group.
            add(.launcher, "owner", "\(id)", "\(id)")
        }
    }

    /// Not root: the server's own ids are root's in the outer user namespace.
    private mutating func addOwnMap() {
        add(.launcher, "map", "0", "\(facts.userID)", "1", "\(facts.groupID)")
    }

    private mutating func addCgroups() {
        switch facts.cgroups {
        case .version1(let hierarchies):
            for hierarchy in hierarchies {
                let name = hierarchy.controllers[0]
                add(.launcher, "cgroup", "1", name, "\(hierarchy.parent)/\(CgroupLayout.prefix)\(token)")
                add(.launcher, "sweep", hierarchy.parent, CgroupLayout.prefix)
            }
        case .version2(let unified):
            let directory = "\(unified.parent)/\(CgroupLayout.prefix)\(token)"
            add(.launcher, "cgroup", "2", "unified", directory)
            if !unified.toEnable.isEmpty {
                add(.launcher, "cgroup-enable", unified.parent, Self.enabling(unified.toEnable))
            }
            add(.launcher, "cgroup-enable", directory, Self.enabling(unified.controllers))
            add(.launcher, "sweep", unified.parent, CgroupLayout.prefix)
        case .missing:
            break
        }
    }

    private static func enabling(_ controllers: [String]) -> String {
        controllers.map { "+\($0)" }.joined(separator: " ")
    }

    /// One for each kind, whose index is the kind's place in ``NativeSettings/kinds``.
    private mutating func addZygotes() {
        let python = Path.environment + "/bin/python3"
        for kind in settings.kinds {
            let imports = kind == .bare ? "" : settings.warmImports.joined(separator: ",")
            // -s, -E: neither the user's packages nor PYTHON variables count.
            add(
                .launcher,
                "zygote",
                kind.rawValue,
                python,
                "-s",
                "-E",
                Path.runtime + "/zygote.py",
                kind.rawValue,
                imports
            )
        }
        for variable in Self.zygoteEnvironment { add(.launcher, "zygote-environment", variable) }
    }

    private static let zygoteEnvironment = [
        "PATH=\(Path.environment)/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME=/tmp",
        "LANG=C.UTF-8",
        // The template's /tmp; a sandbox has its own there.
        "MPLCONFIGDIR=/tmp/matplotlib",
        "XDG_CACHE_HOME=/tmp/.cache",
        "MPLBACKEND=Agg",
        // A process is only forked safely while it has one thread; children set their own.
        "OPENBLAS_NUM_THREADS=1",
        "OMP_NUM_THREADS=1",
        "MKL_NUM_THREADS=1",
        // Bind once in the zygote, not in every child: it saves a fifth of the CPU time of a short program.
        "LD_BIND_NOW=1",
    ]
}
