import Execution
import HTTPTypes
import Hummingbird
import JSON
import Logging
import NIOCore

/// POST /execute.
struct CellRoutes: Sendable {
    let contexts: ContextService
    let pulse: StreamPulse
    let maxBodyBytes: Int

    var routes: [Route] { [Route(.post, "/execute") { try await execute($0) }] }

    private func execute(_ request: RoutedRequest) async throws -> Response {
        let body = try await body(of: request)
        let (connection, lease) = (request.connection, request.lease)
        let log = ExecutionLog(operation: .contextExecute, logger: request.logger)
        // Should the client go away before the stream begins, nobody runs it: it then gives its place back by itself.
        let admitted = try await log.followingAdmission {
            try await connection.cancellingWhenClosed { [contexts] in
                try await contexts.admit(body.cell, to: body.choice, tenant: request.tenant)
            }
        }
        let stream = ResponseBody { [pulse] writer in
            defer { withExtendedLifetime(lease) {} }
            let queue = CellQueue()
            pulse.add(queue)
            defer { pulse.remove(queue) }
            try await Self.send(admitted, through: queue, to: &writer, log: log, connection: connection)
            try await writer.finish(nil)
        }
        let headers: HTTPFields = [
            .contentType: "application/x-ndjson", .cacheControl: "no-cache", .accelBuffering: "no",
        ]
        return Response(status: .ok, headers: headers, body: stream)
    }

    /// Reads and checks the body, and gives back the memory of what need not be kept of it.
    private func body(of request: RoutedRequest) async throws -> CellBody {
        let body = try CellBody(
            try await request.body(upTo: maxBodyBytes),
            contentType: request.headers[.contentType]
        )
        request.lease.shrink(to: body.keptBytes)
        switch body.choice {
        case .id(let id): try ClientNames.check(id: id)
        case .defaultOf(let language): try ClientNames.check(language: language, known: contexts.languages)
        }
        return body
    }

    /// Runs a cell and sends its events as they come. Throws when the client is gone; the cell is interrupted then.
    private static func send(
        _ admitted: AdmittedCell,
        through queue: CellQueue,
        to writer: inout any ResponseBodyWriter,
        log: ExecutionLog,
        connection: Connection
    ) async throws {
        // Leaving this scope early, because a write failed, interrupts the cell and waits for its end.
        async let running = log.followingCell { try await run(admitted, queue, connection) }
        var encoder = CellEventEncoder()
        do {
            var lines: ByteBuffer
            var isOver = false
            repeat {
                let (events, isLast) = await queue.next()
                isOver = isLast
                lines = events.isEmpty && !isOver ? CellEventEncoder.keepalive : encoder.lines(events)
                // What comes last leaves together.
                if isOver {
                    do {
                        lines.writeImmutableBuffer(encoder.end(try await running))
                    } catch  where !(error is CancellationError) {
                        let message = ErrorResponse.message(for: error, logger: log.logger)
                        lines.writeImmutableBuffer(encoder.failure(message))
                    }
                }
                if lines.readableBytes > 0 { try await writer.write(lines) }
            } while !isOver
        } catch {
            // Whoever fills it must not wait for us any longer.
            queue.close()
            throw error
        }
    }

    private static func run(
        _ admitted: AdmittedCell,
        _ queue: CellQueue,
        _ connection: Connection
    ) async throws -> CellEnding {
        defer { queue.finish() }
        return try await connection.cancellingWhenClosed {
            try await withTaskCancellationHandler {
                try await admitted.run { queue.append($0) }
            } onCancel: {
                queue.close()
            }
        }
    }
}
