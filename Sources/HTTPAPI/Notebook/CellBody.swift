import Execution
import JSON
import NIOCore

/// The body of POST /execute.
struct CellBody: Sendable {
    /// Most variables, and most bytes of their names and values together.
    static let maximumVariables = 1000
    static let maximumVariableBytes = 1 << 20

    var cell: Cell
    var choice: ContextChoice

    /// About how much memory it keeps of the body.
    var keptBytes: Int {
        cell.environment.reduce(cell.code.utf8.count) { $0 + $1.name.utf8.count + $1.value.utf8.count + 64 }
    }

    /// Reads and checks a body. Names that are empty count as absent.
    ///
    /// - Throws: ``APIError/invalid(_:)`` with everything that is wrong, ``APIError/unparsableBody``, ``APIError/contextAndLanguage``,
    ///   ``APIError/badVariable(_:)``.
    init(_ body: ByteBuffer, contentType: String?) throws(APIError) {
        var fields = FieldReader(try BodyObject.read(body, contentType: contentType), location: BodyObject.root)
        let code = fields.requiredString("code")
        let contextID = fields.optionalName("context_id")
        let language = fields.optionalName("language")
        guard let variables = fields.strings("env_vars", atMost: Self.maximumVariables) else {
            throw .badVariable("more than \(Self.maximumVariables)")
        }
        let milliseconds = fields.optionalInteger("timeout_ms", atLeast: 1)
        guard let code, fields.issues.isEmpty else { throw .invalid(fields.issues) }
        if contextID != nil, language != nil { throw .contextAndLanguage }
        try Self.check(variables)
        choice = contextID.map { .id($0) } ?? .defaultOf(language: language ?? "")
        cell = Cell(
            code: code,
            environment: variables.map { Cell.Variable(name: $0.name, value: $0.value) },
            // What is beyond a century is no limit.
            timeLimit: milliseconds.flatMap { $0 < 1 << 41 ? .milliseconds($0) : nil }
        )
    }

    /// What no environment can hold.
    private static func check(_ variables: [(name: String, value: String)]) throws(APIError) {
        var bytes = 0
        for (name, value) in variables {
            bytes += name.utf8.count + value.utf8.count
            if name.isEmpty || name.utf8.contains(UInt8(ascii: "=")) || name.utf8.contains(0) {
                throw .badVariable("a name is empty or has '=' or NUL in it")
            }
            if value.utf8.contains(0) { throw .badVariable("a value has NUL in it") }
        }
        guard bytes <= maximumVariableBytes else { throw .badVariable("more than \(maximumVariableBytes) bytes") }
    }
}
