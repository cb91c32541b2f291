import HTTPTypes

/// Decides by the Host, Origin and Sec-Fetch headers whether a request may be answered.
///
/// A web page anywhere can make its visitor's browser send requests to a server on the visitor's own machine. The Host
/// header unmasks pages that had their own name resolve to it; the Origin header unmasks the rest, but for GET requests
/// that ask for a part of the page, which have none: there the browser's own word counts. Clients that are not browsers
/// send neither Origin nor Sec-Fetch-Site.
struct HostPolicy: Sendable {
    /// What pages of all sites may ask for: nobody learns or changes anything there.
    static let pathsForEveryPage: Set<String> = ["/health", "/ready"]
    /// Where links of all sites may lead.
    private static let linkedPaths: Set<String> = ["/docs", "/redoc"]

    private let allowedHosts: Set<String>?
    private let extraOrigins: Set<String>
    private let crossOrigins: CrossOriginPolicy

    /// - Parameters:
    ///   - bindHost: the address the server listens on.
    ///   - allowedHosts: names that are right besides `localhost` and addresses; `*` for every name.
    ///   - crossOrigins: which pages of other sites are welcome.
    init(bindHost: String, allowedHosts: [String], crossOrigins: CrossOriginPolicy = CrossOriginPolicy(origins: [])) {
        self.crossOrigins = crossOrigins
        let extra = Set(allowedHosts.map { $0.lowercased() })
        extraOrigins = extra
        let isOpen = extra.contains("*") || (extra.isEmpty && !Self.isLoopback(bindHost))
        self.allowedHosts = isOpen ? nil : extra.union(["localhost"])
    }

    /// `path` is that of the target, decoded.
    ///
    /// - Throws: ``APIError/ambiguousHost``, ``APIError/foreignHost``, ``APIError/foreignOrigin``.
    func check(_ head: HTTPRequest, path: String) throws(APIError) {
        // The first Host header is the authority; a second one is left among the fields.
        if head.headerFields.contains(where: { $0.name.canonicalName == "host" }) { throw .ambiguousHost }
        let authority = head.authority?.lowercased()
        if let authority, !isOurs(authority) { throw .foreignHost }
        let origins = head.headerFields[values: .origin]
        guard origins.allSatisfy({ isOwn($0.lowercased(), authority: authority) || crossOrigins.allows($0) }) else {
            throw .foreignOrigin
        }
        // An origin that was let through is what a browser says most exactly.
        if origins.isEmpty, !crossOrigins.allowsEvery, isForeign(head, path: path) { throw .foreignOrigin }
    }

    /// Whether somebody addresses us by that name. A page can have a name of its own lead here, but not an address.
    private func isOurs(_ authority: String) -> Bool {
        guard let allowedHosts else { return true }
        let host = String(Self.host(of: authority))
        return AddressLiteral.matches(host) || allowedHosts.contains(authority) || allowedHosts.contains(host)
    }

    private func isForeign(_ head: HTTPRequest, path: String) -> Bool {
        let metadata = FetchMetadata(head.headerFields)
        guard metadata.isForeign, !Self.pathsForEveryPage.contains(path) else { return false }
        return !(metadata.isNavigation && head.method == .get && Self.linkedPaths.contains(path))
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
            return rest.isEmpty || isPort(rest) ? authority[...end] : authority[...]
        }
        guard let colon = authority.firstIndex(of: ":") else { return authority[...] }
        return isPort(authority[colon...]) ? authority[..<colon] : authority[...]
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.utf8.first == UInt8(ascii: ":") && text.utf8.dropFirst().allSatisfy { (0x30...0x39).contains($0) }
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host == "[::1]" || host.hasPrefix("127.")
    }
}
