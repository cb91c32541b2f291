import Execution
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

// Errors of /files are plain text.
extension ErrorResponse {
    static func make(for failure: WorkspaceFileFailure, logger: Logger) -> Response {
        let path = String(decoding: failure.path, as: UTF8.self)
        switch failure.reason {
        case .outsideWorkspace: return text(.badRequest, "Path outside workspace: \(path)")
        case .invalidPath: return text(.badRequest, "Invalid path: \(path)")
        case .nameTooLong: return text(.badRequest, "Name too long: \(path)")
        case .notFound: return text(.notFound, "Not found: \(path)")
        case .notADirectory: return text(.badRequest, "Not a directory: \(path)")
        case .isADirectory: return text(.badRequest, "Is a directory: \(path)")
        case .notARegularFile: return text(.badRequest, "Not a regular file: \(path)")
        case .isRoot: return text(.badRequest, "The workspace itself cannot be deleted: \(path)")
        case .permissionDenied: return text(.forbidden, "Permission denied: \(path)")
        case .conditionFailed: return text(.preconditionFailed, "Precondition failed: \(path)")
        case .tooLarge(let maxBytes):
            return text(.contentTooLarge, "File exceeds maximum of \(megabytes(maxBytes)) MB: \(path)")
        case .full:
            return text(
                .init(code: 507, reasonPhrase: "Insufficient Storage"),
                "No space left in the workspace: \(path)"
            )
        case .busy:
            return text(.serviceUnavailable, "The workspace changes too fast: \(path)", [.retryAfter: "1"])
        case .failed(let reason):
            logger.error("a workspace failed", metadata: ["reason": "\(reason)"])
            return text(.internalServerError, "Internal Server Error")
        }
    }

    private static func text(_ status: HTTPResponse.Status, _ text: String, _ headers: HTTPFields = [:]) -> Response {
        var headers = headers
        headers[.contentType] = "text/plain; charset=utf-8"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
