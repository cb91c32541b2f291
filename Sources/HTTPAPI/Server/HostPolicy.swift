import HTTPTypes

/// Decides by the Host and Origin headers whether a request may be answered.
///
/// A web page anywhere can make its visitor's browser send requests to a server on the visitor's own machine. The Host header unmasks pages that had their
/// own name resolve to it; the Origin header unmasks the rest. Clients that are not browsers send no Origin.
struct HostPolicy: Sendable {
    private let allowedHosts: Set<String>?
    private let extraOrigins: Set<String>
    private let crossOrigins: CrossOriginPolicy

    /// - Parameters:
    ///   - bindHost: the address the server listens on.
    ///   - allowedHosts: names that are right besides those of the loopback interface; `*` for every name.
    ///   - crossOrigins: which pages of other sites are welcome.
    init(bindHost: String, allowedHosts: [String], crossOrigins: CrossOriginPolicy = CrossOriginPolicy(origins: [])) {
        self.crossOrigins = crossOrigins
        let extra = Set(allowedHosts.map { $0.lowercased() })
        extraOrigins = extra
        let isOpen = extra.contains("*") || (extra.isEmpty && !Self.isLoopback(bindHost))
        self.allowedHosts = isOpen ? nil : extra.union(["localhost", "127.0.0.1", "[::1]"])
    }

    func check(_ head: HTTPRequest) throws(APIError) {
        // The first Host header is the authority; a second one is left among the fields.
        if head.headerFields.contains(where: { $0.name.canonicalName == "host" }) { throw .ambiguousHost }
        let authority = head.authority?.lowercased()
        if let authority, let allowedHosts, !allowedHosts.contains(authority),
            !allowedHosts.contains(String(Self.host(of: authority)))
        {
            throw .foreignHost
        }
        let origins = head.headerFields[values: .origin]
        if !origins.isEmpty,
            !origins.allSatisfy({ isOwn($0.lowercased(), authority: authority) || crossOrigins.allows($0) })
        {
            throw .foreignOrigin
        }
    }

    /// Whether a page of that origin was served by us: the same host and port.
    private func isOwn(_ origin: String, authority: String?) -> Bool {
        guard let separator = origin.firstRange(of: "://") else { return false }
        let site = origin[separator.upperBound...]
        let defaultPort = origin.hasPrefix("https:") ? ":443" : ":80"
        if let authority, site == authority || site + defaultPort == authority || site == authority + defaultPort {
            return true
        }
        return extraOrigins.contains(String(site)) || extraOrigins.contains(String(Self.host(of: String(site))))
    }

    /// `name:port` → `name`, `[address]:port` → `[address]`.
    private static func host(of authority: String) -> Substring {
        if authority.first == "[", let end = authority.firstIndex(of: "]") {
            let rest = authority[authority.index(after: end)...]
            return rest.isEmpty || rest.first == ":" ? authority[...end] : authority[...]
        }
        guard let colon = authority.firstIndex(of: ":") else { return authority[...] }
        let port = authority[authority.index(after: colon)...]
        return port.utf8.allSatisfy { (0x30...0x39).contains($0) } ? authority[..<colon] : authority[...]
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host == "[::1]" || host.hasPrefix("127.")
    }
}
