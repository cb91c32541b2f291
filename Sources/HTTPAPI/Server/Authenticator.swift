import Crypto
import Execution
import FoundationEssentials
import HTTPTypes
import Synchronization

/// Decides who a request comes from. One serves all ports of a server, so that there is one claim.
///
/// It keeps no key: only what HMAC with a key of this process makes of each.
package final class Authenticator: Sendable {
    package enum Mode: Sendable {
        /// Everybody is ``Tenant/everyone``.
        case open
        /// Whoever has one of these keys is the tenant of that name.
        case keys([(name: String, key: String)])
        /// Whoever asks first gets the one key there is.
        case claim
    }

    private struct Entry: Sendable {
        let code: HMAC<SHA256>.MAC
        let tenant: Tenant
    }

    private enum State {
        case open
        case unclaimed
        case keys([Entry])
    }

    private let hashingKey = SymmetricKey(size: .bits256)
    private let state: Mutex<State>
    /// Whether clients need a key, or will once the server is claimed.
    let isRequired: Bool
    let isClaimable: Bool

    package init(_ mode: Mode) {
        let start: State
        switch mode {
        case .open: start = .open
        case .claim: start = .unclaimed
        case .keys(let keys):
            start = .keys(
                keys.map { [hashingKey] in
                    Entry(code: Self.code(of: $0.key.utf8, hashingKey), tenant: Tenant(name: $0.name))
                }
            )
        }
        state = Mutex(start)
        if case .open = mode { isRequired = false } else { isRequired = true }
        if case .claim = mode { isClaimable = true } else { isClaimable = false }
    }

    /// Whom a request comes from. `path` is percent-decoded and without the query.
    ///
    /// - Throws: ``APIError/unauthorized``, ``APIError/unclaimed``.
    func tenant(of head: HTTPRequest, path: String) throws(APIError) -> Tenant {
        // Load balancers and monitors have no key; a claim is made without one.
        if path == "/health" || (isClaimable && path == ClaimRoute.path && head.method == .post) { return .everyone }
        switch state.withLock({ $0 }) {
        case .open: return .everyone
        case .unclaimed: throw .unclaimed
        case .keys(let entries):
            guard let tenant = tenant(Credentials(head.headerFields), entries) else { throw .unauthorized }
            return tenant
        }
    }

    /// The token that the first caller gets; nil for all others.
    func claim() -> String? {
        var random = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let token = Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
        // Files outlive the server in its store: who claims it next is somebody else. No key's name has a colon.
        let tenant = Tenant(name: "claim:\(UInt64.random(in: .min ... .max, using: &random))")
        let entry = Entry(code: Self.code(of: token.utf8, hashingKey), tenant: tenant)
        return state.withLock { state in
            guard case .unclaimed = state else { return nil }
            state = .keys([entry])
            return token
        }
    }

    /// The tenant of all credentials; nil when there are none, when one is wrong, and when they differ.
    private func tenant(_ credentials: Credentials?, _ entries: [Entry]) -> Tenant? {
        guard let credentials, !credentials.keys.isEmpty else { return nil }
        let tenants = Set(credentials.keys.map { tenant(havingKey: $0, entries) })
        return tenants.count == 1 ? tenants.first ?? nil : nil
    }

    /// Takes the same time whether a key is right, nearly right or wrong.
    private func tenant(havingKey key: String, _ entries: [Entry]) -> Tenant? {
        let code = Self.code(of: key.utf8, hashingKey)
        var found: Tenant?
        // Comparing codes takes constant time; the loop has no early end.
        for entry in entries where entry.code == code { found = entry.tenant }
        return found
    }

    private static func code(of key: String.UTF8View, _ hashingKey: SymmetricKey) -> HMAC<SHA256>.MAC {
        HMAC<SHA256>.authenticationCode(for: Array(key), using: hashingKey)
    }
}

/// What a request shows to say who it comes from.
private struct Credentials {
    private(set) var keys: [String] = []

    /// nil for what no client of ours sends: a header twice, or a scheme that is not Bearer.
    ///
    /// Basic is no credential: some clients name a user of the sandbox that way, beside their key.
    init?(_ headers: HTTPFields) {
        let authorizations = headers[values: .authorization]
        guard authorizations.count <= 1 else { return nil }
        if let value = authorizations.first {
            let parts = value.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
            switch (parts.first?.lowercased(), parts.count) {
            case ("bearer", 2): keys.append(String(parts[1].drop { $0 == " " }))
            case ("basic", 2): break
            default: return nil
            }
        }
        for name in [HTTPField.Name.apiKey, .accessToken] {
            let values = headers[values: name]
            guard values.count <= 1 else { return nil }
            keys += values
        }
    }
}

extension HTTPField.Name {
    static let apiKey = HTTPField.Name(known: "X-API-Key")
    static let accessToken = HTTPField.Name(known: "X-Access-Token")
}
