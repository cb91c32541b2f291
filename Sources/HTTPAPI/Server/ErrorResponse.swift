import Execution
import HTTPTypes
import Hummingbird
import JSON
import Logging
import NIOCore

/// What the API refuses by itself, before the domain is asked.
enum APIError: Error {
    case invalid([ValidationIssue])
    /// The body cannot be read at all.
    case unparsableBody
    case bodyTooLarge(maxBytes: Int)
    /// The bodies of all requests together take too much memory.
    case tooManyBodies
    case missingBoundary
    /// What is wrong with a multipart body, for people.
    case badMultipart(String)
    case timeoutAboveMaximum(milliseconds: Int)
    /// A cell names both.
    case contextAndLanguage
    /// What is wrong with a variable of a cell's environment.
    case badVariable(String)
    case unknownFile(id: String)
    case unknownRoute
    /// Names of the methods the route has.
    case methodNotAllowed([String])
    /// The Host header names a server we are not.
    case foreignHost
    /// The Origin header names another site, or the browser says that a page of one asks.
    case foreignOrigin
    case ambiguousHost
    /// No key, or a wrong one.
    case unauthorized
    /// Nobody has claimed the server yet.
    case unclaimed
}

/// Turns errors into answers. Status codes of errors exist only here.
enum ErrorResponse {
    /// The answer to `error`. What it says is made for clients: nothing of the server's inside gets into it.
    static func make(for error: any Error, logger: Logger) -> Response {
        switch error {
        case let error as APIError: make(for: error)
        case let error as ContextRefusal: make(for: error, logger: logger)
        case let error as ExecutionRefusal: make(for: error, logger: logger)
        case let error as FileStoreError: make(for: error, logger: logger)
        case let error as SandboxError: make(for: error, logger: logger)
        case let error as WorkspaceFileFailure: make(for: error, logger: logger)
        case is CancellationError: detail(.serviceUnavailable, "The request was cancelled.")
        default: unexpected(error, logger: logger)
        }
    }

    /// What a client may be told about an execution that failed after its answer had begun.
    static func message(for error: any Error, logger: Logger) -> String {
        if case SandboxError.lost = error {
            logger.error("an execution was lost", metadata: ["error": "\(error)"])
            return "The sandbox was lost while the code was running."
        }
        if let refusal = error as? ContextRefusal { return text(for: refusal) }
        if case FileStoreError.fileTooLarge = error { return "A produced file is too large to be stored." }
        logger.error("an execution failed", metadata: ["error": "\(error)"])
        return "Internal Server Error"
    }

    private static func make(for error: APIError) -> Response {
        switch error {
        case .invalid(let issues): return invalid(issues)
        case .unparsableBody: return detail(.badRequest, "There was an error parsing the body")
        case .bodyTooLarge(let maxBytes):
            return detail(.contentTooLarge, "Request body exceeds maximum of \(megabytes(maxBytes)) MB")
        case .tooManyBodies:
            return detail(
                .serviceUnavailable,
                "Too many large requests at once. Retry after the Retry-After delay.",
                retry(after: .seconds(2))
            )
        case .missingBoundary: return detail(.badRequest, "Missing boundary in multipart.")
        case .badMultipart(let message): return detail(.badRequest, message)
        case .timeoutAboveMaximum(let milliseconds): return timeoutAboveMaximum(milliseconds)
        case .contextAndLanguage: return plain(.badRequest, "Only one of context_id or language can be provided")
        case .badVariable(let reason): return plain(.badRequest, "Invalid env_vars: \(reason)")
        case .unknownFile(let id): return detail(.notFound, "File with ID '\(id)' not found")
        case .unknownRoute: return detail(.notFound, "Not Found")
        case .methodNotAllowed(let methods):
            return detail(.methodNotAllowed, "Method Not Allowed", [.allow: methods.joined(separator: ", ")])
        case .foreignHost:
            return detail(
                .misdirectedRequest,
                "This server does not answer to that host name. Add it to ALLOWED_HOSTS if it should."
            )
        case .foreignOrigin: return detail(.forbidden, "Requests from other origins are refused.")
        case .ambiguousHost: return detail(.badRequest, "More than one Host header.")
        case .unauthorized: return detail(.unauthorized, "Unauthorized", [.wwwAuthenticate: "Bearer"])
        case .unclaimed: return detail(.forbidden, "Server has not been claimed yet")
        }
    }

    private static func make(for refusal: ExecutionRefusal, logger: Logger) -> Response {
        switch refusal {
        case .timeoutAboveMaximum(let milliseconds): return timeoutAboveMaximum(milliseconds)
        case .unknownFile(let id, let path):
            return detail(.notFound, "File with ID '\(id)' not found for path '\(path)'.")
        case .invalidPath(let reason, _): return detail(.unprocessableContent, text(for: reason))
        case .reservedPath(let path):
            return detail(.unprocessableContent, "File path '\(path)' is reserved for the execution entrypoint.")
        case .saturated(let delay):
            return detail(
                .tooManyRequests,
                "Execution capacity on this replica is saturated. Retry after the Retry-After delay.",
                retry(after: delay)
            )
        case .noCapacity(let reason, let delay):
            logger.warning("the backend has no capacity", metadata: ["reason": "\(reason)"])
            let text = "The execution backend has no capacity. Retry after the Retry-After delay."
            return detail(.serviceUnavailable, text, retry(after: delay))
        case .filesTooLarge(let path):
            return detail(.contentTooLarge, "The files do not fit into the workspace, at path '\(path)'.")
        case .stopping:
            return detail(.serviceUnavailable, "The server is shutting down.", retry(after: .seconds(1)))
        }
    }

    private static func text(for reason: WorkspacePath.Invalid) -> String {
        switch reason {
        case .empty: "File path must not be empty."
        case .absolute: "File paths must be relative."
        case .leavesWorkspace: "File paths must not contain '..'."
        case .tooLong: "File path is too long."
        case .containsNUL: "File paths must not contain NUL."
        }
    }

    private static func make(for error: FileStoreError, logger: Logger) -> Response {
        switch error {
        case .fileTooLarge(let maxBytes):
            return detail(.contentTooLarge, "File size exceeds maximum of \(megabytes(maxBytes)) MB")
        case .storage(let reason):
            logger.error("the file store failed", metadata: ["reason": "\(reason)"])
            return detail(.init(code: 507, reasonPhrase: "Insufficient Storage"), "The server cannot store files now.")
        }
    }

    private static func make(for error: SandboxError, logger: Logger) -> Response {
        switch error {
        case .unavailable(let reason, let delay):
            // The services fill in what a backend leaves open.
            let refusal = ExecutionRefusal.noCapacity(reason: reason, retryAfter: delay ?? .seconds(1))
            return make(for: refusal, logger: logger)
        case .workspaceFull(let path):
            return make(for: ExecutionRefusal.filesTooLarge(path: path.string), logger: logger)
        case .notARegularFile(let path):
            return detail(.unprocessableContent, "File path '\(path)' leads through another file.")
        case .lost, .setup: return unexpected(error, logger: logger)
        }
    }

    private static func unexpected(_ error: any Error, logger: Logger) -> Response {
        logger.error("a request failed", metadata: ["error": "\(error)"])
        return detail(.internalServerError, "Internal Server Error")
    }

    private static func timeoutAboveMaximum(_ milliseconds: Int) -> Response {
        detail(.unprocessableContent, "timeout_ms exceeds maximum of \(milliseconds) ms")
    }

    static func plain(_ status: HTTPResponse.Status, _ text: String, _ headers: HTTPFields = [:]) -> Response {
        var headers = headers
        headers[.contentType] = "text/plain; charset=utf-8"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// As settings count them: of 1,048,576 bytes.
    static func megabytes(_ bytes: Int) -> Int { bytes >> 20 }

    /// At least one second, because 0 would invite to hammer.
    static func retry(after delay: Duration) -> HTTPFields {
        let (seconds, attoseconds) = delay.components
        return [.retryAfter: String(max(1, seconds + (attoseconds > 0 ? 1 : 0)))]
    }

    private static func invalid(_ issues: [ValidationIssue]) -> Response {
        var writer = JSONWriter()
        writer.raw("{\"detail\":")
        writer.list(issues) { $1.write(to: &$0) }
        writer.raw("}")
        return .json(writer.buffer, status: .unprocessableContent)
    }

    private static func detail(_ status: HTTPResponse.Status, _ text: String, _ headers: HTTPFields = [:]) -> Response {
        var writer = JSONWriter()
        writer.raw("{\"detail\":")
        writer.string(text)
        writer.raw("}")
        return .json(writer.buffer, status: status, headers: headers)
    }
}

extension Response {
    /// An answer whose body is JSON.
    static func json(_ body: ByteBuffer, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: body))
    }
}
