import HTTPTypes
import Hummingbird

/// A method, a path and what answers it.
struct Route: Sendable {
    typealias Handler = @Sendable (RoutedRequest) async throws -> Response

    let method: HTTPRequest.Method
    /// Such as `/v1/files/{id}`; a part in braces stands for any text without a slash, a last part such as `{path...}` for
    /// any text that is not empty. An encoded slash is a slash.
    let path: String
    let handler: Handler

    init(_ method: HTTPRequest.Method, _ path: String, handler: @escaping Handler) {
        self.method = method
        self.path = path
        self.handler = handler
    }
}

/// Finds the route of a request. Built once, then only read.
struct Router: Sendable {
    enum Match: Sendable {
        case route(Route, parameters: [String])
        /// The path exists, but not with this method; the methods it has.
        case otherMethods([String], path: String)
        /// The path exists without the slashes at its end.
        case withoutTrailingSlash
        case none
    }

    private let fixed: [String: [Route]]
    private let patterns: [(parts: [Substring], route: Route)]

    init(_ routes: [Route]) {
        fixed = Dictionary(grouping: routes.filter { !$0.path.contains("{") }, by: \.path)
        patterns = routes.filter { $0.path.contains("{") }.map { (Self.parts(of: $0.path), $0) }
    }

    /// What answers a method on a path, which is given without its query and percent-decoded.
    func match(_ method: HTTPRequest.Method, _ path: String) -> Match {
        let candidates = candidates(for: path)
        if let found = candidates.first(where: { $0.route.method == method }) {
            return .route(found.route, parameters: found.parameters)
        }
        if let first = candidates.first {
            return .otherMethods(candidates.map(\.route.method.rawValue).sorted(), path: first.route.path)
        }
        guard path.utf8.count > 1, path.utf8.last == UInt8(ascii: "/") else { return .none }
        return self.candidates(for: Self.withoutTrailingSlashes(path)).isEmpty ? .none : .withoutTrailingSlash
    }

    /// `/a//` → `/a`.
    static func withoutTrailingSlashes(_ path: String) -> String {
        var path = path
        while path.utf8.last == UInt8(ascii: "/") { path.unicodeScalars.removeLast() }
        return path
    }

    private func candidates(for path: String) -> [(route: Route, parameters: [String])] {
        if let routes = fixed[path] { return routes.map { ($0, []) } }
        let parts = Self.parts(of: path)
        return patterns.compactMap { pattern in
            Self.parameters(of: parts, in: pattern.parts).map { (pattern.route, $0) }
        }
    }

    private static func parts(of path: String) -> [Substring] {
        path.split(separator: "/", omittingEmptySubsequences: false)
    }

    private static func parameters(of parts: [Substring], in pattern: [Substring]) -> [String]? {
        let hasTail = pattern.last?.hasSuffix("...}") ?? false
        guard parts.count == pattern.count || (hasTail && parts.count > pattern.count) else { return nil }
        var parameters: [String] = []
        for (index, (part, expected)) in zip(parts, pattern).enumerated() {
            if hasTail, index == pattern.count - 1 {
                let tail = parts[index...].joined(separator: "/")
                if tail.isEmpty { return nil }
                parameters.append(tail)
            } else if expected.first == "{" {
                if part.isEmpty { return nil }
                parameters.append(String(part))
            } else if part != expected {
                return nil
            }
        }
        return parameters
    }
}
