extension TestServer {
    package func put(_ path: String, _ content: some Collection<UInt8>, headers: [(String, String)] = [])
        async throws -> HTTPAnswer
    {
        try await send("PUT", "/files/\(path)", headers: headers, body: Array(content))
    }

    /// The entries of a directory of the workspace, in the order of the answer.
    ///
    /// - Throws: ``UnexpectedAnswer``.
    package func workspaceEntries(_ directory: String) async throws -> [JSON] {
        let answer = try await get("/files?path=\(directory)")
        guard answer.status == 200, let entries = try answer.json["entries"]?.array else {
            throw UnexpectedAnswer(answer: answer, log: logTail)
        }
        return entries
    }

    /// Runs `body` with the name of a folder of the workspace that is there and empty, and removes it afterwards.
    package func withWorkspaceFolder<Value: Sendable>(_ body: @Sendable (String) async throws -> Value) async throws
        -> Value
    {
        let folder = "folder-\(UInt32.random(in: 0...UInt32.max))"
        let made = try await put("\(folder)/made", [])
        let emptied = try await send("DELETE", "/files/\(folder)/made")
        guard made.status == 201, emptied.status == 204 else { throw UnexpectedAnswer(answer: made, log: logTail) }
        let value: Value
        do {
            value = try await body(folder)
        } catch {
            _ = try await send("DELETE", "/files/\(folder)")
            throw error
        }
        _ = try await send("DELETE", "/files/\(folder)")
        return value
    }
}
