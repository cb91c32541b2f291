import Execution
import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// GET /health, which describes the server and always answers 200, and GET /ready, which tells load balancers whether to send requests.
struct HealthRoutes: Sendable {
    let service: ExecutionService
    let version: String
    let backendName: String
    let warnings: [String]
    /// When to ask a server again that is not ready.
    let retryAfter: Duration

    var routes: [Route] {
        [
            Route(.get, "/health") { _ in .json(health(await service.status())) },
            Route(.get, "/ready") { _ in ready(await service.status()) },
        ]
    }

    private func ready(_ status: BackendStatus) -> Response {
        var writer = JSONWriter()
        writer.raw("{")
        writeStanding(status, to: &writer)
        writer.raw("}")
        if status.isReady { return .json(writer.buffer) }
        return .json(writer.buffer, status: .serviceUnavailable, headers: ErrorResponse.retry(after: retryAfter))
    }

    private func health(_ status: BackendStatus) -> ByteBuffer {
        var writer = JSONWriter(capacity: 2048)
        writer.raw("{")
        writeStanding(status, to: &writer)
        writer.raw(",\"version\":")
        writer.string(version)
        writer.raw(",\"backend\":")
        writer.string(backendName)
        writer.raw(",\"walls\":")
        writer.list(status.walls) { writer, wall in
            writer.raw("{\"name\":")
            writer.string(wall.name)
            writer.raw(",\"standing\":")
            writer.bool(wall.isStanding)
            writer.raw(",\"detail\":")
            writer.string(wall.detail)
            writer.raw("}")
        }
        writer.raw(",\"reduced_modes\":")
        writer.list(status.reducedModes) { $0.string($1) }
        writer.raw(",\"warnings\":")
        writer.list(warnings) { $0.string($1) }
        writer.raw("}")
        return writer.buffer
    }

    private func writeStanding(_ status: BackendStatus, to writer: inout JSONWriter) {
        writer.raw("\"status\":")
        writer.string(status.isReady ? "ok" : "error")
        writer.raw(",\"message\":")
        if let message = status.message { writer.string(message) } else { writer.raw("null") }
    }
}
