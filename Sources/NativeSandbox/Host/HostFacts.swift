import CLinux
import Glibc

/// What this host and its kernel are like: everything a plan depends on besides the settings.
struct HostFacts: Sendable, Equatable {
    var kernel: KernelVersion
    /// Effective ids of this process.
    var userID: UInt32
    var groupID: UInt32
    /// What the launcher needs as root and this process does not have, as in a container.
    var missingCapabilities: [String] = []
    /// 0 where there is none.
    var landlockABI: Int
    /// The errno of making a user namespace and others in it; 0 when that works.
    var namespaceError: Int32
    /// /proc/sys values, nil where the file is missing.
    var maxUserNamespaces: Int?
    var unprivilegedUserNamespaces: Int?
    var apparmorRestrictsUserNamespaces: Int?
    var cgroups: CgroupLayout
    var subordinateIDs: SubordinateIDs?
    /// newuidmap(1) and newgidmap(1)
    var hasIDMapTools: Bool
    var environment: PythonEnvironment
    /// /bin, /lib and their like: links into /usr, or directories of their own.
    var systemDirectories: [SystemDirectory]
    /// Paths below /etc and /usr that exist and are shown.
    var sharedPaths: [String]
    /// Where /etc/localtime points, if it is a link below /usr/share/zoneinfo.
    var localtime: String?
    /// Nil when the file is missing.
    var launcher: String?
    var entryLibrary: String?

    var isRoot: Bool { userID == 0 }

    struct KernelVersion: Sendable, Equatable, Comparable, CustomStringConvertible {
        var major: Int
        var minor: Int
        var description: String { "\(major).\(minor)" }
        static func < (left: Self, right: Self) -> Bool { (left.major, left.minor) < (right.major, right.minor) }

        init(_ major: Int, _ minor: Int) {
            self.major = major
            self.minor = minor
        }

        /// From a release such as `6.18.44-generic`; 0.0 when it is none.
        init(release: String) {
            let numbers = release.split(maxSplits: 2) { $0 == "." || $0 == "-" }.map { Int($0) ?? 0 }
            self.init(numbers.first ?? 0, numbers.count > 1 ? numbers[1] : 0)
        }
    }

    struct SystemDirectory: Sendable, Equatable {
        var path: String
        /// Nil for a directory of its own.
        var linkTarget: String?
    }
}

extension HostFacts {
    /// Looks at this host. Forks once, to try whether user namespaces work.
    static func inspect(_ settings: NativeSettings, files: HostFiles = .host) -> HostFacts {
        let user = geteuid()
        let executable = files.link("/proc/self/exe").flatMap { path in
            path.lastIndex(of: "/").map { String(path[..<$0]) }
        }
        func program(_ chosen: String?, _ name: String) -> String? {
            let path = chosen ?? executable.map { $0 + "/" + name }
            return path.flatMap { files.kind($0) == nil ? nil : $0 }
        }
        return HostFacts(
            kernel: KernelVersion(release: files.read("/proc/sys/kernel/osrelease") ?? ""),
            userID: user,
            groupID: getegid(),
            missingCapabilities: Capabilities.missing(status: files.read("/proc/self/status") ?? ""),
            landlockABI: Int(ci_landlock_abi()),
            namespaceError: ci_probe_namespaces(),
            maxUserNamespaces: number("/proc/sys/user/max_user_namespaces", files),
            unprivilegedUserNamespaces: number("/proc/sys/kernel/unprivileged_userns_clone", files),
            apparmorRestrictsUserNamespaces: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", files),
            cgroups: CgroupLayout.inspect(files),
            subordinateIDs: SubordinateIDs.find(userID: user, userName: userName(user), files),
            hasIDMapTools: ["newuidmap", "newgidmap"].allSatisfy { files.kind("/usr/bin/" + $0) != nil },
            environment: PythonEnvironment.inspect(settings.pythonEnvironment, files),
            systemDirectories: systemDirectories(files),
            sharedPaths: sharedPaths.filter { files.kind($0) != nil },
            localtime: files.link("/etc/localtime").flatMap { zone($0) },
            launcher: program(settings.launcherPath, "sandbox-launcher"),
            entryLibrary: program(settings.entryLibraryPath, "libSandboxEntry.so")
        )
    }

    /// What a program may need to see of the host besides /usr; nothing in them is secret or belongs to a user.
    private static let sharedPaths = [
        "/etc/R", "/etc/alternatives", "/etc/crypto-policies", "/etc/fonts", "/etc/ld.so.cache", "/etc/mime.types",
        // Not all of /etc/ssl: keys lie beside the certificates.
        "/etc/pki/ca-trust/extracted", "/etc/pki/tls/certs", "/etc/pki/tls/openssl.cnf", "/etc/ssl/certs",
        "/etc/ssl/openssl.cnf",
    ]

    private static func number(_ path: String, _ files: HostFiles) -> Int? {
        files.read(path).flatMap { Int($0.trimmed) }
    }

    private static func systemDirectories(_ files: HostFiles) -> [SystemDirectory] {
        ["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"].compactMap { path in
            switch files.kind(path) {
            case .link: SystemDirectory(path: path, linkTarget: files.link(path))
            case .directory: SystemDirectory(path: path, linkTarget: nil)
            default: nil
            }
        }
    }

    private static func zone(_ target: String) -> String? {
        let absolute = target.hasPrefix("../usr/") ? String(target.dropFirst(2)) : target
        return absolute.hasPrefix("/usr/share/zoneinfo/") ? absolute : nil
    }

    private static func userName(_ user: UInt32) -> String? {
        // Safety: the record is this thread's until the next call, and is copied at once; facts are gathered by one
        // thread at start.
        getpwuid(user).map { String(cString: $0.pointee.pw_name) }
    }
}
