/// The body of /execute. Fields that are nil are not sent.
package struct CellRequest: Sendable {
    package var code: String
    package var context: String?
    package var language: String?
    package var environment: JSON?
    /// Milliseconds.
    package var timeout: Int?

    package init(
        _ code: String,
        in context: String? = nil,
        language: String? = nil,
        environment: JSON? = nil,
        timeout: Int? = nil
    ) {
        self.code = code
        self.context = context
        self.language = language
        self.environment = environment
        self.timeout = timeout
    }

    package var json: JSON {
        var members: [String: JSON] = ["code": .string(code)]
        if let context { members["context_id"] = .string(context) }
        if let language { members["language"] = .string(language) }
        if let environment { members["env_vars"] = environment }
        if let timeout { members["timeout_ms"] = .number("\(timeout)") }
        return .object(members)
    }
}

/// What /execute answered, read to its end and taken apart.
package struct CellAnswer: Sendable, CustomStringConvertible {
    /// Every line, in order.
    package var lines: [JSON]
    package var executionCount: Int
    package var stdout = ""
    package var stderr = ""
    /// Lines of type `result`.
    package var results: [JSON] = []
    /// The last line of type `error`, nil where there is none.
    package var error: JSON?
    /// The line of type `ending`, which is there only when something unusual happened.
    package var ending: JSON?

    private static let types: Set<String> = [
        "number_of_executions", "stdout", "stderr", "result", "error", "keepalive", "ending", "end_of_execution",
    ]

    /// Takes a stream apart.
    ///
    /// - Throws: ``BrokenStream`` where it does not begin and end as the contract says, or has a line the contract does not know.
    package init(lines: [JSON]) throws {
        self.lines = lines
        guard lines.first?["type"] == "number_of_executions", let count = lines.first?["execution_count"]?.int else {
            throw BrokenStream(rest: "the first line is \(lines.first ?? .null)")
        }
        guard lines.last == ["type": "end_of_execution"] else {
            throw BrokenStream(rest: "the last line is \(lines.last ?? .null)")
        }
        executionCount = count
        for line in lines { try take(line) }
        let types = lines.map { $0["type"]?.string ?? "" }
        for type in ["number_of_executions", "end_of_execution"] where types.count(where: { $0 == type }) != 1 {
            throw BrokenStream(rest: "\(type) more than once: \(lines)")
        }
        if ending != nil, types.dropLast().last != "ending" {
            throw BrokenStream(rest: "`ending` does not stand before the end: \(lines)")
        }
    }

    private mutating func take(_ line: JSON) throws {
        let type = line["type"]?.string ?? ""
        guard Self.types.contains(type), let members = line.object, !members.values.contains(.null) else {
            throw BrokenStream(rest: "line \(line)")
        }
        switch type {
        case "stdout", "stderr":
            guard let text = line["text"]?.string, line["timestamp"]?.string != nil else {
                throw BrokenStream(rest: "line \(line)")
            }
            if type == "stdout" { stdout += text } else { stderr += text }
        case "result":
            guard line["is_main_result"]?.bool != nil else { throw BrokenStream(rest: "line \(line)") }
            results.append(line)
        case "error":
            let fields = ["name", "value", "traceback"].compactMap { line[$0]?.string }
            guard fields.count == 3 else { throw BrokenStream(rest: "line \(line)") }
            error = line
        case "ending":
            guard line["reason"]?.string != nil, ending == nil else { throw BrokenStream(rest: "line \(line)") }
            ending = line
        default: break
        }
    }

    /// The types of all lines, keepalives left out; output that came in several pieces counts once.
    package var types: [String] {
        lines.compactMap { $0["type"]?.string }.filter { $0 != "keepalive" }.reduce(into: []) { types, type in
            if type != types.last || !["stdout", "stderr"].contains(type) { types.append(type) }
        }
    }

    /// The result that is the value of the last expression.
    package var main: JSON? { results.last { $0["is_main_result"] == true } }

    /// ``main`` as text.
    package var text: String? { main?["text"]?.string }

    /// Class of the exception, `ContextLost` where the interpreter died.
    package var errorName: String? { error?["name"]?.string }

    /// Why it ended in an unusual way.
    package var reason: String? { ending?["reason"]?.string }

    /// `kept` or `lost`.
    package var context: String? { ending?["context"]?.string }

    package var description: String { lines.map(\.description).joined(separator: "\n").prefix(3000).description }
}

extension TestServer {
    /// Starts a cell and returns its lines as they come.
    ///
    /// - Throws: ``UnexpectedAnswer`` where no stream starts.
    package func lines(_ request: CellRequest) async throws -> NotebookLines {
        let response = try await openCell(request)
        guard response.status == 200 else { throw UnexpectedAnswer(answer: try await response.answer(), log: logTail) }
        return NotebookLines(response)
    }

    package func openCell(_ request: CellRequest) async throws -> HTTPStream {
        try await HTTP.open(
            "POST",
            url + "/execute",
            headers: [("Content-Type", "application/json")],
            body: Array(request.json.description.utf8)
        )
    }

    /// Runs a cell to its end.
    ///
    /// - Throws: ``BrokenStream`` or ``UnexpectedAnswer`` where the answer is not what the contract says.
    package func cell(_ request: CellRequest) async throws -> CellAnswer {
        try await withDeadline(.seconds(90), "the end of a cell") { try await self.lines(request).cell() }
    }

    /// Makes a context.
    ///
    /// - Throws: ``UnexpectedAnswer``.
    package func makeContext(_ body: JSON = [:]) async throws -> NotebookContext {
        let answer = try await post("/contexts", body)
        guard answer.status == 200, let id = try answer.json["id"]?.string else {
            throw UnexpectedAnswer(answer: answer, log: logTail)
        }
        return NotebookContext(server: self, id: id)
    }

    /// Runs `body` with a context of its own; a few at a time.
    package func withContext<Value: Sendable>(
        _ settings: JSON = [:],
        _ body: @Sendable (NotebookContext) async throws -> Value
    ) async throws -> Value {
        try await turnstile.pass {
            let context = try await makeContext(settings)
            do {
                let value = try await body(context)
                try await context.delete()
                return value
            } catch {
                try await context.delete()
                throw error
            }
        }
    }

    /// The contexts the server lists.
    package func listedContexts() async throws -> [JSON] {
        let answer = try await get("/contexts")
        guard answer.status == 200, let contexts = try answer.json.array else {
            throw UnexpectedAnswer(answer: answer, log: logTail)
        }
        return contexts
    }

    /// Deletes every context but the default one.
    package func deleteContexts() async throws {
        for context in try await listedContexts() {
            guard let id = context["id"]?.string, id != "default" else { continue }
            _ = try await send("DELETE", "/contexts/\(id)")
        }
    }
}

/// A context of a server under test.
package struct NotebookContext: Sendable {
    package let server: TestServer
    package let id: String

    package init(server: TestServer, id: String) {
        self.server = server
        self.id = id
    }

    /// Runs a cell to its end.
    package func run(_ code: String, environment: JSON? = nil, timeout: Int? = nil) async throws -> CellAnswer {
        try await server.cell(CellRequest(code, in: id, environment: environment, timeout: timeout))
    }

    /// Starts a cell.
    package func lines(_ code: String, timeout: Int? = nil) async throws -> NotebookLines {
        try await server.lines(CellRequest(code, in: id, timeout: timeout))
    }

    /// Starts a cell over a connection of its own that can be dropped at any moment, and waits until it has printed `text`.
    package func start(_ code: String, until text: String, isReading: Bool = true) async throws -> RawConnection {
        let body = CellRequest(code, in: id).json.description
        let connection = try await RawConnection(port: server.port, isReading: isReading)
        try await connection.send(
            "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        )
        if isReading, !(await connection.receive { $0.contains(text) }).contains(text) {
            throw BrokenStream(rest: connection.text)
        }
        return connection
    }

    package func interrupt() async throws -> HTTPAnswer { try await server.send("POST", "/contexts/\(id)/interrupt") }

    package func restart() async throws -> HTTPAnswer { try await server.send("POST", "/contexts/\(id)/restart") }

    /// Ends it; that it is gone already is no error.
    package func delete() async throws { _ = try await server.send("DELETE", "/contexts/\(id)") }
}
