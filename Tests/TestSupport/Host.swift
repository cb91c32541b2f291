import Glibc
package import Testing

/// What the machine under test can do, asked once.
package enum Host {
    /// Something a test may need.
    package enum Facility: String, Sendable, CaseIterable {
        /// The tests run as root.
        case root
        /// Processes may make user namespaces.
        case userNamespaces
        /// There is a cgroup hierarchy this process may make groups in.
        case cgroups
        /// An ordinary user can be impersonated: root, `setpriv`, and the build folder readable by everybody.
        case otherUsers
        /// `unshare` from util-linux.
        case unshareCommand
        /// Fonts with Chinese, Japanese and Korean letters.
        case cjkFonts
        /// The Jupyter kernel of bash, in the Python environment.
        case bashKernel
        /// Deno as a Jupyter kernel, in the Python environment.
        case javascriptKernel
        /// A Docker daemon: one that runs already, or `dockerd` and root to start one; see ``DockerDaemon``.
        case docker
    }

    /// Whether a continuous integration machine runs this: there nothing may be skipped that guards security.
    package static let isCI = environment("CI").map { !["", "0", "false"].contains($0.lowercased()) } ?? false

    package static func has(_ facility: Facility) -> Bool {
        switch facility {
        case .root: geteuid() == 0
        case .userNamespaces: (Int(firstLine("/proc/sys/user/max_user_namespaces") ?? "0") ?? 0) > 0
        case .cgroups: access("/sys/fs/cgroup/cgroup.procs", W_OK) == 0 || access("/sys/fs/cgroup/memory", W_OK) == 0
        case .otherUsers: geteuid() == 0 && access("/usr/bin/setpriv", X_OK) == 0 && Installation.isReadableByEverybody
        case .unshareCommand: access("/usr/bin/unshare", X_OK) == 0
        case .cjkFonts: !directory("/usr/share/fonts/opentype/noto").filter { $0.contains("CJK") }.isEmpty
        case .bashKernel: hasKernel("bash")
        case .javascriptKernel: hasKernel("javascript")
        case .docker: DockerDaemon.runningHost != nil || (geteuid() == 0 && DockerDaemon.program != nil)
        }
    }

    private static func hasKernel(_ name: String) -> Bool {
        let environment = Installation.pythonEnvironment ?? "/opt/code-interpreter/venv"
        return access("\(environment)/share/jupyter/kernels/\(name)/kernel.json", R_OK) == 0
    }

    /// A variable of the environment, nil where it is not set.
    package static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// The names in a directory without `.` and `..`; empty where it cannot be read.
    package static func directory(_ path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            // Safety: d_name is 256 bytes and ends with a zero.
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// A whole file as text, nil where it cannot be read. Works for /proc, whose files claim to be empty.
    package static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 { return nil }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk[..<count]
        }
    }

    /// Where a symbolic link points, nil where there is none.
    package static func link(_ path: String) -> String? {
        var target = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &target, target.count)
        return count < 0 ? nil : String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func firstLine(_ path: String) -> String? {
        text(path)?.split(separator: "\n").first.map(String.init)
    }
}

extension Trait where Self == Requirement {
    /// Skips a test where the machine lacks a facility; on a continuous integration machine it fails instead.
    package static func needs(_ facilities: Host.Facility...) -> Requirement { Requirement(facilities: facilities) }
}

/// What a test needs of the machine; see ``Testing/Trait/needs(_:)``.
package struct Requirement: TestTrait, SuiteTrait {
    var facilities: [Host.Facility]

    package func prepare(for test: Test) async throws {
        let missing = facilities.filter { !Host.has($0) }
        if missing.isEmpty { return }
        let reason = "needs " + missing.map(\.rawValue).joined(separator: ", ")
        if Host.isCI { throw MissingFacility(description: "\(reason), and CI may not skip it") }
        try await ConditionTrait.enabled(if: false, Comment(rawValue: reason)).prepare(for: test)
    }

    private struct MissingFacility: Error, CustomStringConvertible {
        var description: String
    }
}
