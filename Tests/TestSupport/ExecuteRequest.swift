/// The body of /v1/execute. Fields that are nil are not sent.
package struct ExecuteRequest: Sendable {
    package var code: String
    package var stdin: String?
    /// Milliseconds.
    package var timeout: Int?
    package var isInteractive: Bool?
    package var files: [(path: String, id: String)]

    package init(
        _ code: String,
        stdin: String? = nil,
        timeout: Int? = 30_000,
        interactive: Bool? = false,
        files: [(path: String, id: String)] = []
    ) {
        self.code = code
        self.stdin = stdin
        self.timeout = timeout
        self.isInteractive = interactive
        self.files = files
    }

    package var json: JSON {
        var members: [String: JSON] = ["code": .string(code)]
        if let stdin { members["stdin"] = .string(stdin) }
        if let timeout { members["timeout_ms"] = .number("\(timeout)") }
        if let isInteractive { members["last_line_interactive"] = .bool(isInteractive) }
        if !files.isEmpty {
            members["files"] = .array(files.map { .object(["path": .string($0.path), "file_id": .string($0.id)]) })
        }
        return .object(members)
    }
}

/// The answer of /v1/execute, or the last event of a stream together with its output.
package struct ExecuteAnswer: Sendable {
    package var stdout: String
    package var stderr: String
    package var exitCode: Int?
    package var isTimedOut: Bool
    package var durationMilliseconds: Int
    package var files: [File]
    /// The field `outcome`, `.null` where there is none.
    package var outcome: JSON
    /// The whole object.
    package var json: JSON

    package struct File: Equatable, Sendable {
        package var path: String
        package var id: String
    }

    /// nil where a field of the contract is missing or of another type.
    package init?(_ json: JSON, stdout: String? = nil, stderr: String? = nil) {
        guard let stdout = stdout ?? json["stdout"]?.string, let stderr = stderr ?? json["stderr"]?.string,
            let exitCode = json["exit_code"], exitCode == .null || exitCode.int != nil,
            let isTimedOut = json["timed_out"]?.bool, let duration = json["duration_ms"]?.int,
            let files = json["files"]?.array
        else { return nil }
        self.stdout = stdout
        self.stderr = stderr
        self.exitCode = exitCode.int
        self.isTimedOut = isTimedOut
        self.durationMilliseconds = duration
        self.files = []
        self.outcome = json["outcome"] ?? .null
        self.json = json
        for file in files {
            guard let path = file["path"]?.string, let id = file["file_id"]?.string, file["kind"] == "file" else {
                return nil
            }
            self.files.append(File(path: path, id: id))
        }
    }

    /// Paths of produced files, sorted.
    package var paths: [String] { files.map(\.path).sorted() }

    /// Why it ended, as the field `outcome` says.
    package var reason: String? { outcome["reason"]?.string }

    /// The id of the produced file of that path.
    package func file(_ path: String) -> String? { files.first { $0.path == path }?.id }
}

extension ServerSentEvents {
    /// Reads to the end and puts the output together.
    ///
    /// - Throws: ``BrokenStream`` where the last event is not the only `result`.
    package func collect() async throws -> ExecuteAnswer {
        var output = ["stdout": "", "stderr": ""]
        var result: JSON?
        for try await event in self {
            let json = try event.json
            guard result == nil else { throw BrokenStream(rest: "\(event) after the result") }
            switch event.event {
            case "output": output[json["stream"]?.string ?? "", default: ""] += json["data"]?.string ?? ""
            case "result": result = json
            default: throw BrokenStream(rest: "\(event)")
            }
        }
        guard let result, let answer = ExecuteAnswer(result, stdout: output["stdout"], stderr: output["stderr"]) else {
            throw BrokenStream(rest: "no result: \(output)")
        }
        return answer
    }
}
