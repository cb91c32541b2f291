import Hummingbird
import JSON
import Logging

/// POST /claim: gives the token of the server to whoever asks first. Afterwards it looks as if there were no such route.
struct ClaimRoute: Sendable {
    static let path = "/claim"

    let authenticator: Authenticator

    var routes: [Route] {
        guard authenticator.isClaimable else { return [] }
        return [
            Route(.post, Self.path) { request in
                guard let token = authenticator.claim() else { throw APIError.unknownRoute }
                request.logger.notice("the server was claimed")
                var writer = JSONWriter()
                writer.raw("{\"token\":")
                writer.string(token)
                writer.raw("}")
                return .json(writer.buffer, headers: [.cacheControl: "no-store"])
            }
        ]
    }
}
