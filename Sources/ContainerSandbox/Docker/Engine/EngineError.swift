/// Why the container engine did not do what was asked.
///
/// The texts are for people. They are the engine's own where it gave one, bounded and free of control characters.
package enum EngineError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The daemon is not there, does not answer in time, or the call was cancelled before it did.
    case unreachable(String)
    /// The daemon said no, or failed.
    case refused(status: Int, message: String)
    /// The daemon does not know the image or container.
    case notFound(String)
    /// What came is no answer of an engine, or is larger than any.
    case garbled(String)
    /// This engine, or this way to reach one, cannot be used.
    case unsupported(String)

    package var description: String {
        switch self {
        case .unreachable(let text): "The container engine cannot be reached: \(text)"
        case .refused(let status, let message): "The container engine refused (\(status)): \(message)"
        case .notFound(let text): "The container engine does not have it: \(text)"
        case .garbled(let text): "The container engine's answer makes no sense: \(text)"
        case .unsupported(let text): text
        }
    }

    /// Text of others as one line of bounded length that no terminal takes for a command.
    static func legible(_ text: String) -> String {
        let scalars = text.unicodeScalars.prefix(maximumMessage).map { scalar in
            scalar.properties.generalCategory == .control ? " " : scalar
        }
        return String(String.UnicodeScalarView(scalars)).trimmed
    }

    private static let maximumMessage = 1000
}

extension String {
    /// Without spaces at its ends.
    var trimmed: String {
        guard let first = firstIndex(where: { $0 != " " }), let last = lastIndex(where: { $0 != " " }) else {
            return ""
        }
        return String(self[first...last])
    }
}
