import Execution
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1

/// What Hummingbird makes for each request.
struct RequestContext: InitializableFromSource {
    let logger: Logger
    /// In the log lines of the request and in its answer.
    let requestID: String

    init(source: ApplicationRequestContextSource) {
        logger = source.logger
        requestID = source.logger[metadataKey: "hb.request.id"]?.description ?? RequestID().description
    }
}

/// Takes every request: checks where and whom it comes from, finds its route, turns errors into answers, counts and logs.
struct APIResponder: HTTPResponder {
    typealias Context = RequestContext

    let router: Router
    let hosts: HostPolicy
    let crossOrigins: CrossOriginPolicy
    let authenticator: Authenticator
    let metrics: RequestMetrics
    let bodies: BodyBudget

    func respond(to request: Request, context: RequestContext) async throws -> Response {
        let start = ContinuousClock.now
        let (found, outcome) = try await answer(request, logger: context.logger)
        var response = outcome
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[.requestID] = context.requestID
        let isForEveryPage = HostPolicy.pathsForEveryPage.contains(found)
        crossOrigins.mark(&response, for: request.head, isForEveryPage: isForEveryPage)
        metrics.count(route: found, method: request.method, status: response.status.code)
        // Nothing a client wrote: the route's own path, and a method that the parser knows.
        context.logger.debug(
            "request",
            metadata: [
                "method": "\(RequestMetrics.label(for: request.method))", "route": "\(found)",
                "status": "\(response.status.code)",
                "ms": "\((ContinuousClock.now - start).milliseconds)",
            ]
        )
        return request.method == .head ? response.createHeadResponse() : response
    }

    /// - Throws: only what Hummingbird must see: a body that breaks HTTP itself ends the connection.
    private func answer(_ request: Request, logger: Logger) async throws -> (route: String, Response) {
        var found = "unmatched"
        do {
            let target = RequestTarget(request.head)
            let path = PercentEncoding.decode(target.path)
            try hosts.check(request.head, path: path)
            if let answer = crossOrigins.preflight(request.head) { return (found, answer) }
            let tenant = try authenticator.tenant(of: request.head, path: path)
            switch router.match(request.method, path) {
            case .route(let route, let parameters):
                found = route.path
                return (found, try await answer(routed(request, parameters, tenant, logger), by: route))
            case .otherMethods(let methods, let path):
                found = path
                throw APIError.methodNotAllowed(methods)
            case .withoutTrailingSlash:
                return (found, Self.redirect(fromTrailingSlash: target))
            case .none:
                throw APIError.unknownRoute
            }
        } catch let error as HTTPParserError {
            throw error
        } catch {
            return (found, ErrorResponse.make(for: error, logger: logger))
        }
    }

    /// The body's memory is free again when the answer is made, or sent, if it is sent piece by piece.
    private func answer(_ request: RoutedRequest, by route: Route) async throws -> Response {
        defer { withExtendedLifetime(request.lease) {} }
        return try await route.handler(request)
    }

    private func routed(
        _ request: Request,
        _ parameters: [String],
        _ tenant: Tenant,
        _ logger: Logger
    ) -> RoutedRequest {
        RoutedRequest(
            request: request,
            parameters: parameters,
            logger: logger,
            connection: Connection.current ?? Connection(),
            tenant: tenant,
            lease: bodies.lease()
        )
    }

    /// The target is one of ours but for slashes at the end of its path, so it cannot lead to another site.
    private static func redirect(fromTrailingSlash target: RequestTarget) -> Response {
        let query = target.query.map { "?\($0)" } ?? ""
        let location = Router.withoutTrailingSlashes(String(target.path)) + query
        return Response(status: .temporaryRedirect, headers: [.location: location])
    }
}

extension HTTPField.Name {
    static let requestID = HTTPField.Name(known: "X-Request-ID")
    static let accelBuffering = HTTPField.Name(known: "X-Accel-Buffering")

    /// A name that is one of ours and well-formed.
    init(known name: String) {
        guard let name = HTTPField.Name(name) else { preconditionFailure("not a header name") }
        self = name
    }
}

extension Duration {
    /// In whole milliseconds, rounded down.
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    }
}
