import HTTPTypes
import Hummingbird

/// Which pages of other sites may use the API from a browser (CORS). Without configuration none.
struct CrossOriginPolicy: Sendable {
    private let origins: Set<String>
    let allowsEvery: Bool

    /// - Parameter origins: such as `https://app.example`; `*` for all.
    init(origins: [String]) {
        self.origins = Set(origins.map { $0.lowercased() })
        allowsEvery = self.origins.contains("*")
    }

    func allows(_ origin: String) -> Bool { allowsEvery || origins.contains(origin.lowercased()) }

    /// The answer to a browser that asks before a request; nil for any other request.
    ///
    /// Browsers ask without a key, and for every path alike, so the answer tells nothing about the server.
    func preflight(_ head: HTTPRequest) -> Response? {
        guard head.method == .options, head.headerFields[.accessControlRequestMethod] != nil,
            let origin = head.headerFields[.origin], allows(origin)
        else { return nil }
        var headers: HTTPFields = [
            .accessControlAllowMethods: "GET, HEAD, POST, PUT, PATCH, DELETE",
            .accessControlMaxAge: "600",
        ]
        if let names = head.headerFields[.accessControlRequestHeaders], Self.isListOfNames(names) {
            headers[.accessControlAllowHeaders] = names
        }
        return Response(status: .noContent, headers: headers)
    }

    /// Lets the page see an answer. Cookies are not used, so credentials of the browser are never allowed.
    ///
    /// Where no page is welcome, none can show or run the answer as a part of it either, unless it `isForEveryPage`.
    func mark(_ response: inout Response, for head: HTTPRequest, isForEveryPage: Bool) {
        if origins.isEmpty {
            if !isForEveryPage { response.headers[.crossOriginResourcePolicy] = "same-origin" }
            return
        }
        if !allowsEvery { response.headers.append(HTTPField(name: .vary, value: "Origin")) }
        guard let origin = head.headerFields[.origin], allows(origin) else { return }
        response.headers[.accessControlAllowOrigin] = allowsEvery ? "*" : origin
        response.headers[.accessControlExposeHeaders] =
            "Accept-Ranges, Content-Disposition, Content-Range, ETag, Retry-After, X-Request-ID"
    }

    private static func isListOfNames(_ text: String) -> Bool {
        text.utf8.count <= 1024
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                    || ", -_".utf8.contains($0)
            }
    }
}
