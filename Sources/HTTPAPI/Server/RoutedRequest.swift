import Execution
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// A request on its way to the handler of its route.
struct RoutedRequest: Sendable {
    let request: Request
    /// What stood in place of the route's braces, percent-decoded.
    let parameters: [String]
    let logger: Logger
    let connection: Connection
    let tenant: Tenant
    /// Holds the memory of the body until the request is answered. Who keeps less of it gives back the rest.
    let lease: BodyBudget.Lease

    var headers: HTTPFields { request.headers }

    var target: RequestTarget { RequestTarget(request.head) }

    /// The whole body.
    ///
    /// - Throws: ``APIError/bodyTooLarge(maxBytes:)``, ``APIError/tooManyBodies`` when other requests hold too much.
    func body(upTo maxBytes: Int) async throws -> ByteBuffer {
        if let length = request.headers[.contentLength].flatMap(Int.init), length > maxBytes {
            throw APIError.bodyTooLarge(maxBytes: maxBytes)
        }
        var whole = ByteBuffer()
        for try await piece in request.body {
            if whole.readableBytes + piece.readableBytes > maxBytes { throw APIError.bodyTooLarge(maxBytes: maxBytes) }
            guard lease.grow(by: piece.readableBytes) else { throw APIError.tooManyBodies }
            if whole.readableBytes == 0 { whole = piece } else { whole.writeImmutableBuffer(piece) }
        }
        return whole
    }
}
