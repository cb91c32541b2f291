import Execution
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// POST /v1/execute and POST /v1/execute/stream.
struct ExecuteRoutes: Sendable {
    let service: ExecutionService
    let maxBodyBytes: Int
    let maxTimeoutMilliseconds: Int

    var routes: [Route] {
        [
            Route(.post, "/v1/execute") { try await execute($0) },
            Route(.post, "/v1/execute/stream") { try await stream($0) },
        ]
    }

    private func execute(_ request: RoutedRequest) async throws -> Response {
        let execution = try await executionRequest(request)
        let log = ExecutionLog(operation: .execute, logger: request.logger)
        let output = OutputCollector()
        let result = try await log.following {
            try await request.connection.cancellingWhenClosed { [service] in
                let admitted = try await service.admit(execution, operation: .execute)
                return try await admitted.run { stream, bytes in output.append(bytes, to: stream) }
            }
        }
        let (stdout, stderr) = output.output
        return .json(ExecutionAnswer.json(result, stdout: stdout, stderr: stderr))
    }

    private func stream(_ request: RoutedRequest) async throws -> Response {
        let execution = try await executionRequest(request)
        let log = ExecutionLog(operation: .executeStream, logger: request.logger)
        let connection = request.connection
        // Should the client go away before the stream begins, nobody runs it: it then gives its sandbox back by itself.
        let admitted = try await log.followingAdmission {
            try await connection.cancellingWhenClosed { [service] in
                try await service.admit(execution, operation: .executeStream)
            }
        }
        let lease = request.lease
        let body = ResponseBody { writer in
            defer { withExtendedLifetime(lease) {} }
            try await Self.send(admitted, to: &writer, log: log, connection: connection)
            try await writer.finish(nil)
        }
        let headers: HTTPFields = [
            .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache", .accelBuffering: "no",
        ]
        return Response(status: .ok, headers: headers, body: body)
    }

    /// Reads and checks the body, and gives back the memory of what need not be kept of it.
    private func executionRequest(_ request: RoutedRequest) async throws -> ExecutionRequest {
        let body = try ExecuteBody(
            try await request.body(upTo: maxBodyBytes),
            contentType: request.headers[.contentType]
        )
        request.lease.shrink(to: body.keptBytes)
        guard body.timeoutMilliseconds <= maxTimeoutMilliseconds else {
            throw APIError.timeoutAboveMaximum(milliseconds: maxTimeoutMilliseconds)
        }
        for file in body.files { try ClientNames.check(fileID: file.fileID, path: file.path) }
        return ExecutionRequest(
            script: body.script,
            timeout: .milliseconds(body.timeoutMilliseconds),
            files: body.files,
            tenant: request.tenant
        )
    }

    /// Runs an execution and sends its events as they come. Throws when the client is gone; the program is dead then.
    private static func send(
        _ admitted: AdmittedExecution,
        to writer: inout any ResponseBodyWriter,
        log: ExecutionLog,
        connection: Connection
    ) async throws {
        let queue = OutputQueue()
        // Leaving this scope early, because a write failed, cancels the execution and waits for its end.
        async let running = log.following {
            defer { queue.finish() }
            return try await connection.cancellingWhenClosed {
                try await admitted.run { stream, bytes in queue.append(bytes, to: stream) }
            }
        }
        var encoder = EventEncoder()
        while let chunks = await queue.next() {
            let events = encoder.output(chunks)
            if events.readableBytes > 0 { try await writer.write(events) }
        }
        let last: ByteBuffer
        do {
            last = encoder.result(try await running)
        } catch  where !(error is CancellationError) {
            last = encoder.error(ErrorResponse.message(for: error, logger: log.logger))
        }
        try await writer.write(last)
    }
}
