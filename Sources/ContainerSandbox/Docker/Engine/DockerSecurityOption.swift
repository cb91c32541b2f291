import Glibc

/// `--security-opt` of `docker run`.
enum DockerSecurityOption {
    typealias Change = DockerRunArguments.Change
    typealias Problem = DockerRunArguments.Problem

    static func change(_ text: String) throws(Problem) -> Change {
        // Docker itself still takes a colon.
        let (name, value) = DockerValues.pair(text, "=") ?? DockerValues.pair(text, ":") ?? (text, "")
        switch name {
        case "no-new-privileges":
            guard DockerValues.isTrue(value.isEmpty ? "true" : value) == true else {
                throw Problem("refused: programs in a container never get new privileges")
            }
            return { $0.noNewPrivileges = true }
        case "seccomp":
            if value == "unconfined" { throw Problem("refused: without a filter for system calls a wall is gone") }
            let profile = try read(value)
            return { $0.seccompProfile = profile }
        case "apparmor":
            if value.isEmpty { throw Problem("expected apparmor=profile") }
            if value == "unconfined" { throw Problem("refused: apparmor=unconfined takes a wall away") }
        case "label":
            if value.isEmpty { throw Problem("expected label=type:name") }
            if value == "disable" { throw Problem("refused: label=disable takes a wall away") }
        case "systempaths":
            throw Problem("refused: systempaths shows the container the host's kernel settings")
        default:
            throw Problem("\(EngineError.legible(name)) is none of apparmor, label, seccomp and no-new-privileges")
        }
        return { $0.securityOptions.append("\(name)=\(value)") }
    }

    private static let maximumProfile = 1 << 20

    /// The text of a profile; that it is one, the daemon finds out.
    private static func read(_ path: String) throws(Problem) -> String {
        let shown = EngineError.legible(path)
        guard path.hasPrefix("/") else { throw Problem("expected seccomp=/path/of/a/profile.json, not \(shown)") }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        if descriptor < 0 {
            let reason = String(cString: strerror(errno))
            throw Problem("\(shown): \(reason)")
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= maximumProfile {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 {
                let reason = String(cString: strerror(errno))
                throw Problem("\(shown): \(reason)")
            }
            if count == 0 { return try checked(bytes, shown) }
            bytes += chunk[..<count]
        }
        throw Problem("\(shown): larger than \(maximumProfile) bytes")
    }

    private static func checked(_ bytes: [UInt8], _ shown: String) throws(Problem) -> String {
        guard let text = String(validating: bytes, as: UTF8.self),
            text.utf8.first(where: { $0 > 0x20 }) == UInt8(ascii: "{")
        else { throw Problem("\(shown) is no seccomp profile: it is no JSON object") }
        return text
    }
}
