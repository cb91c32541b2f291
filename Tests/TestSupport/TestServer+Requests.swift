extension TestServer {
    /// The server of the running suite.
    ///
    /// - Throws: ``NoServer`` in a test whose suite has no ``ServerScope``.
    package static var current: TestServer {
        get throws {
            guard let shared else { throw NoServer() }
            return shared
        }
    }

    package struct NoServer: Error {}

    package func get(_ path: String, headers: [(String, String)] = []) async throws -> HTTPAnswer {
        try await HTTP.send("GET", url + path, headers: headers)
    }

    package func send(_ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil)
        async throws -> HTTPAnswer
    {
        try await HTTP.send(method, url + path, headers: headers, body: body)
    }

    /// Sends a text as application/json, whether it is JSON or not.
    package func post(_ path: String, _ text: String, type: String? = "application/json") async throws -> HTTPAnswer {
        let headers = type.map { [("Content-Type", $0)] } ?? []
        return try await HTTP.send("POST", url + path, headers: headers, body: Array(text.utf8))
    }

    package func post(_ path: String, _ json: JSON) async throws -> HTTPAnswer {
        try await post(path, json.description)
    }

    /// Runs a program and takes the answer apart.
    ///
    /// - Throws: ``UnexpectedAnswer`` where the status is not 200 or a field of the contract is missing.
    package func execute(_ request: ExecuteRequest) async throws -> ExecuteAnswer {
        let answer = try await turnstile.pass { try await post("/v1/execute", request.json) }
        guard answer.status == 200, let result = ExecuteAnswer(try answer.json) else {
            throw UnexpectedAnswer(answer: answer, log: logTail)
        }
        return result
    }

    /// Runs a program with generous limits.
    package func execute(_ code: String, interactive: Bool = false, timeout: Int = 30_000) async throws -> ExecuteAnswer
    {
        try await execute(ExecuteRequest(code, timeout: timeout, interactive: interactive))
    }

    /// Starts a program on the streaming route and returns its events as they come.
    ///
    /// - Throws: ``UnexpectedAnswer`` where no stream starts.
    package func stream(_ request: ExecuteRequest) async throws -> ServerSentEvents {
        let response = try await openStream(request)
        guard response.status == 200 else { throw UnexpectedAnswer(answer: try await response.answer(), log: logTail) }
        return ServerSentEvents(response)
    }

    package func openStream(_ request: ExecuteRequest) async throws -> HTTPStream {
        try await HTTP.open(
            "POST",
            url + "/v1/execute/stream",
            headers: [("Content-Type", "application/json")],
            body: Array(request.json.description.utf8)
        )
    }

    /// Uploads a file.
    ///
    /// - Returns: its id.
    package func upload(_ name: String, _ content: some Collection<UInt8>) async throws -> String {
        let form = Multipart.file(name, Array(content))
        let answer = try await send("POST", "/v1/files", headers: [form.header], body: form.body)
        guard answer.status == 201, let id = try answer.json["file_id"]?.string else {
            throw UnexpectedAnswer(answer: answer, log: logTail)
        }
        return id
    }

    /// Downloads a file.
    ///
    /// - Throws: ``UnexpectedAnswer`` where there is none.
    package func download(_ id: String) async throws -> [UInt8] {
        let answer = try await get("/v1/files/\(id)")
        guard answer.status == 200 else { throw UnexpectedAnswer(answer: answer, log: logTail) }
        return answer.body
    }

    /// Every file the server lists: names by id.
    package func listedFiles() async throws -> [String: String] {
        let files = try await get("/v1/files").json["files"]?.array ?? []
        return Dictionary(
            uniqueKeysWithValues: files.compactMap { file in
                file["file_id"]?.string.flatMap { id in file["filename"]?.string.map { (id, $0) } }
            }
        )
    }

    /// The value of one line of /metrics, such as `code_interpreter_executions_limit`, summed over all its labels that contain `label`.
    package func metric(_ name: String, label: String = "") async throws -> Double? {
        let lines = try await get("/metrics").text.split(separator: "\n")
        let values = lines.filter { ($0.hasPrefix(name + " ") || $0.hasPrefix(name + "{")) && $0.contains(label) }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }
        return values.isEmpty ? nil : values.reduce(0, +)
    }
}

/// An answer a test did not ask for.
package struct UnexpectedAnswer: Error, CustomStringConvertible {
    package var answer: HTTPAnswer
    package var log: String

    package var description: String { "HTTP \(answer.status): \(answer.text.prefix(2000))\n\(log)" }
}
