/// A client of a server with `AUTH_MODE=token`, with the key it has.
package struct KeyHolder: Sendable {
    package let server: TestServer
    private let key: String

    package init(_ server: TestServer, key: String) {
        self.server = server
        self.key = key
    }

    /// Two clients of the suite's server, whose settings give each name the key `NAME-0123456789abcdef`.
    package static func two(_ first: String, _ second: String) throws -> (KeyHolder, KeyHolder) {
        let server = try TestServer.current
        let holder = { (name: String) in KeyHolder(server, key: "\(name)-0123456789abcdef") }
        return (holder(first), holder(second))
    }

    package func send(_ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil)
        async throws -> HTTPAnswer
    {
        try await server.send(method, path, headers: headers + [("Authorization", "Bearer \(key)")], body: body)
    }

    package func get(_ path: String) async throws -> HTTPAnswer { try await send("GET", path) }

    package func put(_ path: String, _ content: some Collection<UInt8>) async throws -> HTTPAnswer {
        try await send("PUT", path, body: Array(content))
    }

    package func delete(_ path: String) async throws -> HTTPAnswer { try await send("DELETE", path) }

    package func post(_ path: String, _ json: JSON) async throws -> HTTPAnswer {
        try await send(
            "POST",
            path,
            headers: [("Content-Type", "application/json")],
            body: Array(json.description.utf8)
        )
    }

    /// Runs a cell to its end.
    ///
    /// - Throws: ``BrokenStream`` or ``UnexpectedAnswer`` where the answer is not what the contract says.
    package func cell(_ code: String, in context: String? = nil) async throws -> CellAnswer {
        let answer = try await post("/execute", CellRequest(code, in: context).json)
        guard answer.status == 200 else { throw UnexpectedAnswer(answer: answer, log: server.logTail) }
        return try CellAnswer(lines: answer.text.split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) })
    }

    /// Makes a context.
    ///
    /// - Returns: its id.
    package func makeContext() async throws -> String {
        let answer = try await post("/contexts", [:])
        guard answer.status == 200, let id = try answer.json["id"]?.string else {
            throw UnexpectedAnswer(answer: answer, log: server.logTail)
        }
        return id
    }

    /// The names in a directory of the workspace, in the order of the answer.
    package func names(in directory: String = ".") async throws -> [String] {
        let answer = try await get("/files?path=\(directory)")
        guard answer.status == 200, let entries = try answer.json["entries"]?.array else {
            throw UnexpectedAnswer(answer: answer, log: server.logTail)
        }
        return entries.compactMap { $0["name"]?.string }
    }
}
