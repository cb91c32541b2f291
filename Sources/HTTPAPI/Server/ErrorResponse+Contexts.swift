import Execution
import HTTPTypes
import Hummingbird
import Logging

// The notebook family's errors are plain text.
extension ErrorResponse {
    static func make(for refusal: ContextRefusal, logger: Logger) -> Response {
        let text = text(for: refusal)
        switch refusal {
        case .unknownContext, .deleted: return plain(.notFound, text)
        case .unknownLanguage, .badDirectory: return plain(.badRequest, text)
        case .tooManyContexts: return plain(.tooManyRequests, text, retry(after: .seconds(10)))
        case .queueFull: return plain(.tooManyRequests, text, retry(after: .seconds(1)))
        case .cannotStart: return plain(.internalServerError, text)
        case .noCapacity(let reason, let delay):
            logger.warning("the backend has no capacity", metadata: ["reason": "\(reason)"])
            return plain(.serviceUnavailable, text, retry(after: delay))
        case .stopping: return plain(.serviceUnavailable, text, retry(after: .seconds(1)))
        }
    }

    /// What a client may be told.
    static func text(for refusal: ContextRefusal) -> String {
        switch refusal {
        case .unknownContext(let id): "Context \(id) not found"
        case .deleted(let id): "Context \(id) was deleted"
        case .unknownLanguage(let name, let known):
            "Failed to create context: no language '\(name)'; there are \(known.joined(separator: ", "))"
        case .badDirectory(let message), .cannotStart(let message): "Failed to create context: \(message)"
        case .tooManyContexts(let limit): "There are \(limit) contexts already; delete one first"
        case .queueFull(let limit): "\(limit) executions wait for this context already"
        case .noCapacity: "The execution backend has no capacity. Retry after the Retry-After delay."
        case .stopping: "The server is shutting down."
        }
    }
}
