import HTTPTypes

/// What a browser says by itself of how a request came about (Fetch Metadata). Other clients, and browsers that talk to
/// another machine without TLS, say nothing.
struct FetchMetadata: Sendable {
    private let sites: [String]
    private let mode: String?
    private let destination: String?

    init(_ headers: HTTPFields) {
        sites = headers[values: .secFetchSite]
        mode = headers[.secFetchMode]
        destination = headers[.secFetchDest]
    }

    /// Whether a page of another origin asks; a page from another port of the same host is one.
    var isForeign: Bool { !sites.allSatisfy { $0 == "same-origin" || $0 == "none" } }

    /// Whether the answer becomes a page of its own, into which the one before cannot look, as when somebody follows a
    /// link.
    var isNavigation: Bool { mode == "navigate" && destination == "document" }
}

extension HTTPField.Name {
    static let secFetchSite = HTTPField.Name(known: "Sec-Fetch-Site")
    static let secFetchMode = HTTPField.Name(known: "Sec-Fetch-Mode")
    static let secFetchDest = HTTPField.Name(known: "Sec-Fetch-Dest")
}
