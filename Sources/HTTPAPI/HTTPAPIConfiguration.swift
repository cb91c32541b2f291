/// What the HTTP side of the server needs to know. Sizes in bytes.
package struct HTTPAPIConfiguration: Sendable {
    /// The address to listen on: a name or an IP address.
    package var host: String
    /// 0 lets the system choose; see ``HTTPServer``.
    package var port: Int
    /// Semantic version of the server; clients expect at least 0.4.4.
    package var version: String
    /// Most bytes of a JSON body.
    package var maxBodyBytes = 20 << 20
    /// Most bytes of an uploaded file.
    package var maxFileBytes = 100 << 20
    /// Connections open at once; more wait until one ends.
    package var maxConnections = 4096
    /// Names under which the server may be addressed, besides addresses and `localhost`; `*` allows every name.
    ///
    /// Checked when the server listens on the loopback interface, and wherever the list is not empty.
    package var allowedHosts: [String] = []
    /// Who may use the API. The same object in the configurations of two ports makes them one server to claim.
    package var authenticator = Authenticator(.open)
    /// Origins of pages on other sites that may use the API from a browser; `*` for all.
    package var crossOrigins: [String] = []
    /// What /health warns of.
    package var warnings: [String] = []
    /// The longest time-out a request may ask for.
    package var maxTimeoutMilliseconds = 60_000
    /// When to come back to a server that is not ready.
    package var capacityRetryAfter: Duration = .seconds(10)
    /// Shown by /health.
    package var backendName = "native"

    package init(host: String, port: Int, version: String) {
        self.host = host
        self.port = port
        self.version = version
    }
}
