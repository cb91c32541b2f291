/// Who owns sandboxes and files: an API key, or everybody where the server asks for none.
package struct Tenant: Hashable, Sendable, CustomStringConvertible {
    /// The tenant of a server without authentication.
    package static let everyone = Tenant(name: "")

    package let name: String

    package init(name: String) { self.name = name }

    package var description: String { name.isEmpty ? "everyone" : name }
}
