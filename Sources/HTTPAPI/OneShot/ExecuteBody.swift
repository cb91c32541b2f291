import Execution
import JSON
import NIOCore

/// The body of /v1/execute and /v1/execute/stream.
struct ExecuteBody: Sendable {
    var script: Script
    /// At least 1; `Int.max` stands for what is greater.
    var timeoutMilliseconds: Int
    var files: [(path: String, fileID: String)]

    /// About how much memory it keeps of the body.
    var keptBytes: Int {
        let texts = script.code.utf8.count + (script.standardInput?.utf8.count ?? 0)
        return files.reduce(texts) { $0 + $1.path.utf8.count + $1.fileID.utf8.count + 64 }
    }

    /// Reads and checks a body.
    ///
    /// - Throws: ``APIError/invalid(_:)`` with everything that is wrong, ``APIError/unparsableBody``.
    init(_ body: ByteBuffer, contentType: String?) throws(APIError) {
        var fields = FieldReader(try BodyObject.read(body, contentType: contentType), location: BodyObject.root)
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

    private static func file(
        _ item: JSONValue,
        at index: Int,
        in fields: inout FieldReader
    ) -> (path: String, fileID: String)? {
        let location = BodyObject.root + [.name("files"), .index(index)]
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
}
