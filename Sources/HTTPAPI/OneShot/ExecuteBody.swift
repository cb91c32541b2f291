import Execution
import JSON
import NIOCore

/// The body of /v1/execute and /v1/execute/stream.
struct ExecuteBody: Sendable {
    var script: Script
    /// At least 1; `Int.max` stands for what is greater.
    var timeoutMilliseconds: Int
    var files: [(path: String, fileID: String)]

    /// Reads and checks a body.
    ///
    /// - Throws: ``APIError/invalid(_:)`` with everything that is wrong, ``APIError/unparsableBody``.
    init(_ body: ByteBuffer, contentType: String?) throws(APIError) {
        let value = try Self.value(of: body, contentType: contentType)
        guard case .object(let object) = value else {
            throw .invalid([value == .null ? .missing(Self.root, input: .null) : .notAnObject(Self.root, input: value)])
        }
        var fields = FieldReader(object, location: Self.root)
        let code = fields.requiredString("code")
        let standardInput = fields.optionalString("stdin")
        timeoutMilliseconds = fields.strictInteger("timeout_ms", atLeast: 1, default: 2000)
        let isLastLineInteractive = fields.boolean("last_line_interactive", default: true)
        files = []
        for (index, item) in fields.list("files").enumerated() {
            if let file = Self.file(item, at: index, in: &fields) { files.append(file) }
        }
        guard let code, fields.issues.isEmpty else { throw .invalid(fields.issues) }
        script = Script(
            code: code,
            standardInput: standardInput,
            isLastLineInteractive: isLastLineInteractive
        )
    }

    private static let root: [ValidationIssue.Place] = [.name("body")]

    private static func file(
        _ item: JSONValue,
        at index: Int,
        in fields: inout FieldReader
    ) -> (path: String, fileID: String)? {
        let location: [ValidationIssue.Place] = [.name("body"), .name("files"), .index(index)]
        guard case .object(let object) = item else {
            fields.add([.notAnObject(location, input: item)])
            return nil
        }
        var file = FieldReader(object, location: location)
        let path = file.requiredString("path")
        let fileID = file.requiredString("file_id")
        fields.add(file.issues)
        guard let path, let fileID else { return nil }
        return (path, fileID)
    }

    /// The body as JSON where its type says so or says nothing; else it is a text, and an empty one is nothing.
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
