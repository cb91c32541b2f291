import JSON
import NIOCore

/// A body that must be a JSON object.
enum BodyObject {
    static let root: [ValidationIssue.Place] = [.name("body")]

    /// The body as JSON where its type says so or says nothing; else it is a text, and an empty one is nothing.
    ///
    /// - Throws: ``APIError/invalid(_:)``, ``APIError/unparsableBody``.
    static func read(_ body: ByteBuffer, contentType: String?) throws(APIError) -> JSONObject {
        let value = try value(of: body, contentType: contentType)
        if case .object(let object) = value { return object }
        throw .invalid([value == .null ? .missing(root, input: .null) : .notAnObject(root, input: value)])
    }

    private static func value(of body: ByteBuffer, contentType: String?) throws(APIError) -> JSONValue {
        if body.readableBytes == 0 { return .null }
        guard contentType.map(isJSON) ?? true else { return .string(String(buffer: body)) }
        do throws(JSONParseError) {
            return try JSONParser.parse(body)
        } catch {
            switch error {
            case .syntax(let message, let offset): throw .invalid([.notJSON(message, offset: offset)])
            case .unreadable: throw .unparsableBody
            }
        }
    }

    /// Whether a Content-Type is `application/json`, `application/SOMETHING+json`, or empty.
    static func isJSON(_ contentType: String) -> Bool {
        if contentType.isEmpty { return true }
        let type = contentType.prefix { $0 != ";" }.lowercased().filter { $0 != " " && $0 != "\t" }
        guard type.hasPrefix("application/") else { return false }
        let subtype = type.dropFirst("application/".count)
        return subtype == "json" || (subtype.hasSuffix("+json") && !subtype.contains("/"))
    }
}
