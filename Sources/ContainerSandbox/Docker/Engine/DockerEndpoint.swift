import Glibc

/// Where the daemon of the container engine listens.
package struct DockerEndpoint: Sendable, Equatable, CustomStringConvertible {
    package enum Address: Sendable, Equatable {
        case unix(path: String)
        case tcp(host: String, port: Int)
    }

    package let address: Address

    /// Takes an address as it is.
    package init(address: Address) { self.address = address }

    /// Reads what Docker's own tools read.
    ///
    /// - Parameters:
    ///   - dockerHost: as `DOCKER_HOST`: `unix:///path`, `tcp://host:port` or `http://host:port`. Nil or empty: `/var/run/docker.sock`, or
    ///     where that is missing the socket of a rootless daemon in `$XDG_RUNTIME_DIR`.
    ///   - environment: looked at for `DOCKER_TLS_VERIFY` and `XDG_RUNTIME_DIR`.
    /// - Throws: ``EngineError/unsupported(_:)`` with a cure, for addresses this client cannot speak to.
    package init(dockerHost: String?, environment: [String: String]) throws(EngineError) {
        guard let text = dockerHost, !text.isEmpty else {
            address = .unix(path: Self.usualSocket(environment))
            return
        }
        guard let separator = text.firstRange(of: "://") else {
            throw .unsupported(
                "\(Self.named(text)) has no scheme: write unix:///path/to/docker.sock or tcp://host:port"
            )
        }
        let rest = String(text[separator.upperBound...])
        switch text[..<separator.lowerBound].lowercased() {
        case "unix":
            address = .unix(path: try Self.socketPath(rest, of: text))
        case "tcp", "http":
            // As Docker's tools have it, any value but an empty one counts.
            if let verify = environment["DOCKER_TLS_VERIFY"], !verify.isEmpty {
                throw .unsupported(
                    "DOCKER_TLS_VERIFY is set, and this server does not speak TLS to a daemon. \(Self.cure)"
                )
            }
            address = try Self.tcp(rest, of: text)
        case "https":
            throw .unsupported("\(Self.named(text)): this server does not speak TLS to a daemon. \(Self.cure)")
        case "ssh":
            throw .unsupported("\(Self.named(text)): this server does not speak SSH to a daemon. \(Self.cure)")
        default:
            throw .unsupported("\(Self.named(text)): known are unix:///path/to/docker.sock and tcp://host:port")
        }
    }

    package var description: String {
        switch address {
        case .unix(let path): "unix://\(path)"
        case .tcp(let host, let port): host.contains(":") ? "tcp://[\(host)]:\(port)" : "tcp://\(host):\(port)"
        }
    }

    private static let cure = """
        Forward its socket to this machine (ssh -N -L /run/user/1000/remote.sock:/var/run/docker.sock user@host) and set \
        DOCKER_HOST=unix:///run/user/1000/remote.sock
        """

    /// The port of daemons that listen without TLS.
    private static let usualPort = 2375
    /// What fits into `sockaddr_un` with the zero at its end.
    private static let longestPath = 107

    private static func named(_ text: String) -> String { "DOCKER_HOST=\(EngineError.legible(text))" }

    private static func usualSocket(_ environment: [String: String]) -> String {
        let usual = "/var/run/docker.sock"
        guard access(usual, F_OK) != 0, let folder = environment["XDG_RUNTIME_DIR"], !folder.isEmpty else {
            return usual
        }
        let rootless = "\(folder)/docker.sock"
        return access(rootless, F_OK) == 0 ? rootless : usual
    }

    private static func socketPath(_ path: String, of text: String) throws(EngineError) -> String {
        guard path.hasPrefix("/") else {
            throw .unsupported("\(named(text)): the path of the socket must be absolute: unix:///var/run/docker.sock")
        }
        guard path.utf8.count <= longestPath else {
            throw .unsupported("\(named(text)): the path of a socket has at most \(longestPath) bytes")
        }
        return path
    }

    private static func tcp(_ rest: String, of text: String) throws(EngineError) -> Address {
        let authority = rest.hasSuffix("/") ? String(rest.dropLast()) : rest
        guard !authority.isEmpty, !authority.contains(where: { "/@?# ".contains($0) }) else {
            throw .unsupported("\(named(text)): expected tcp://host:port and nothing more")
        }
        var host = authority
        var port: Int? = usualPort
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            host = String(authority[authority.index(after: authority.startIndex)..<end])
            let tail = authority[authority.index(after: end)...]
            if !tail.isEmpty { port = tail.first == ":" ? number(tail.dropFirst()) : nil }
        } else if let colon = authority.lastIndex(of: ":") {
            host = String(authority[..<colon])
            port = number(authority[authority.index(after: colon)...])
            if host.contains(":") { port = nil }
        }
        guard let port, !host.isEmpty else {
            throw .unsupported("\(named(text)): expected tcp://host:port, with a port from 1 to 65535")
        }
        return .tcp(host: host, port: port)
    }

    private static func number(_ text: Substring) -> Int? {
        guard text.allSatisfy({ $0.isASCII && $0.isNumber }), let port = Int(text), (1...65535).contains(port) else {
            return nil
        }
        return port
    }
}
