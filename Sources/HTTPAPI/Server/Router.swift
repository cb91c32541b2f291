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

/// Finds the route of a request, comparing bytes: to Swift a slash and an accent behind it are one character, and no
/// slash. Built once, then only read.
struct Router: Sendable {
    enum Match: Sendable {
        case route(Route, parameters: [String])
        /// The path exists, but not with this method; the methods it has.
        case otherMethods([String], path: String)
        /// The path exists without the slashes at its end.
        case withoutTrailingSlash
        case none
    }

    private typealias Bytes = [UInt8]

    private let fixed: [Bytes: [Route]]
    private let patterns: [(parts: [Bytes], route: Route)]

    init(_ routes: [Route]) {
        fixed = Dictionary(grouping: routes.filter { !$0.path.contains("{") }) { Array($0.path.utf8) }
        patterns = routes.filter { $0.path.contains("{") }.map { (Self.parts(of: Array($0.path.utf8)), $0) }
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
        let path = Array(path.utf8)
        if let routes = fixed[path] { return routes.map { ($0, []) } }
        let parts = Self.parts(of: path)
        return patterns.compactMap { pattern in
            Self.parameters(of: parts, in: pattern.parts).map { (pattern.route, $0) }
        }
    }

    private static let slash = UInt8(ascii: "/")
    private static let brace = UInt8(ascii: "{")
    private static let tailEnd = Array("...}".utf8)

    private static func parts(of path: Bytes) -> [Bytes] {
        path.split(separator: slash, omittingEmptySubsequences: false).map { Array($0) }
    }

    private static func parameters(of parts: [Bytes], in pattern: [Bytes]) -> [String]? {
        let hasTail = pattern.last?.suffix(tailEnd.count).elementsEqual(tailEnd) ?? false
        guard parts.count == pattern.count || (hasTail && parts.count > pattern.count) else { return nil }
        var parameters: [String] = []
        for (index, (part, expected)) in zip(parts, pattern).enumerated() {
            if hasTail, index == pattern.count - 1 {
                let tail = Array(parts[index...].joined(separator: [slash]))
                if tail.isEmpty { return nil }
                parameters.append(String(decoding: tail, as: UTF8.self))
            } else if expected.first == brace {
                if part.isEmpty { return nil }
                parameters.append(String(decoding: part, as: UTF8.self))
            } else if part != expected {
                return nil
            }
        }
        return parameters
    }
}
