import HTTPTypes
import Synchronization

/// Counts of HTTP requests by route, method and status. What a client can choose freely is no label: unknown paths and methods share one.
final class RequestMetrics: Sendable {
    struct Key: Hashable, Sendable {
        var route: String
        var method: String
        var status: Int
    }

    private let counts = Mutex<[Key: Int]>([:])

    func count(route: String, method: HTTPRequest.Method, status: Int) {
        let key = Key(route: route, method: Self.label(for: method), status: status)
        counts.withLock { $0[key, default: 0] += 1 }
    }

    /// All counts, in a fixed order.
    var snapshot: [(key: Key, count: Int)] {
        counts.withLock { $0.map { ($0.key, $0.value) } }
            .sorted { ($0.key.route, $0.key.method, $0.key.status) < ($1.key.route, $1.key.method, $1.key.status) }
    }

    /// The name of a well-known method, `OTHER` for the rest.
    static func label(for method: HTTPRequest.Method) -> String {
        switch method {
        case .get, .head, .post, .put, .delete, .patch, .options: method.rawValue
        default: "OTHER"
        }
    }
}
