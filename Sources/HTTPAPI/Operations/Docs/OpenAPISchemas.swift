/// The parts of ``OpenAPIDocument`` that its paths refer to.
enum OpenAPISchemas {
    static func responses(configuration: HTTPAPIConfiguration) -> String {
        let fileMegabytes = ErrorResponse.megabytes(configuration.maxFileBytes)
        return [
            error("Unparsable", "The body cannot be read", "There was an error parsing the body"),
            error("UnknownFile", "There is no such file", "File with ID 'x' not found"),
            error("TooLarge", "The body or file is too large", "File size exceeds maximum of \(fileMegabytes) MB"),
            error(
                "Saturated",
                "Every place was taken for too long",
                "Execution capacity on this replica is saturated. Retry after the Retry-After delay.",
                hasRetryAfter: true
            ),
            error(
                "NoCapacity",
                "The backend has no room, or the server is shutting down",
                "The execution backend has no capacity. Retry after the Retry-After delay.",
                hasRetryAfter: true
            ),
            error("Failure", "Our fault", "Internal Server Error"),
            error("StorageFull", "The server has no room for files", "The server cannot store files now."),
            unauthorized(isClaimable: configuration.authenticator.isClaimable),
            invalid,
            notebookResponses,
        ].joined(separator: ",\n")
    }

    static func schemas(configuration: HTTPAPIConfiguration) -> String {
        [
            executeRequest(maxTimeoutMilliseconds: configuration.maxTimeoutMilliseconds), executeResponse, files,
            notebookSchemas, operations, errors,
        ].joined(separator: ",\n")
    }

    private static func unauthorized(isClaimable: Bool) -> String {
        """
        "Unauthorized": {"description": "No key, or a wrong one\(isClaimable ? "; 403 before the server is claimed" : "")",
          "headers": {"WWW-Authenticate": {"schema": {"type": "string", "const": "Bearer"}}}, "content": {"application/json": {
          "schema": {"$ref": "#/components/schemas/Error"}, "example": {"detail": "Unauthorized"}}}}
        """
    }

    private static func error(
        _ name: String,
        _ description: String,
        _ detail: String,
        hasRetryAfter: Bool = false
    ) -> String {
        let headers = #""headers": {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}, "#
        return """
            "\(name)": {"description": "\(description)", \(hasRetryAfter ? headers : "")"content": {"application/json": {
              "schema": {"$ref": "#/components/schemas/Error"}, "example": {"detail": "\(detail)"}}}}
            """
    }

    private static let invalid = #"""
        "Invalid": {"description": "A field is wrong, or the request as a whole", "content": {"application/json": {
          "schema": {"anyOf": [{"$ref": "#/components/schemas/ValidationErrors"}, {"$ref": "#/components/schemas/Error"}]},
          "examples": {
            "missing": {"summary": "A field is missing", "value": {"detail": [{"type": "missing", "loc": ["body", "code"], "msg": "Field required", "input": {}}]}},
            "json": {"summary": "No JSON", "value": {"detail": [{"type": "json_invalid", "loc": ["body", 9], "msg": "JSON decode error", "input": {}, "ctx": {"error": "Expecting value"}}]}},
            "timeout": {"summary": "Too much time", "value": {"detail": "timeout_ms exceeds maximum of 60000 ms"}}
          }}}}
        """#

    private static func executeRequest(maxTimeoutMilliseconds: Int) -> String {
        """
        "ExecuteRequest": {"type": "object", "required": ["code"], "properties": {
          "code": {"type": "string", "description": "Python source, run as `__main__`."},
          "stdin": {"type": ["string", "null"], "default": null, "description": "Standard input; without it `input()` raises EOFError."},
          "timeout_ms": {"type": "integer", "minimum": 1, "maximum": \(maxTimeoutMilliseconds), "default": 2000, "description": "Wall time."},
          "last_line_interactive": {"type": "boolean", "default": true, "description": "Print the repr of the last statement if it is an expression."},
          "files": {"type": "array", "items": {"$ref": "#/components/schemas/InputFile"}, "default": [], "description": "Files to put into the workspace."}
        }},
        "InputFile": {"type": "object", "required": ["path", "file_id"], "properties": {
          "path": {"type": "string", "description": "Relative to the workspace."},
          "file_id": {"type": "string", "description": "From an upload or an earlier execution."}
        }}
        """
    }

    private static let executeResponse = #"""
        "ExecuteResponse": {"type": "object", "required": ["stdout", "stderr", "exit_code", "timed_out", "duration_ms", "files", "outcome"], "properties": {
          "stdout": {"type": "string"}, "stderr": {"type": "string"},
          "exit_code": {"type": ["integer", "null"], "description": "null after a time-out, 128 + n after signal n."},
          "timed_out": {"type": "boolean"}, "duration_ms": {"type": "integer"},
          "files": {"type": "array", "items": {"$ref": "#/components/schemas/OutputFile"}, "description": "New and changed files of the workspace."},
          "outcome": {"$ref": "#/components/schemas/Outcome"}
        }},
        "OutputFile": {"type": "object", "required": ["path", "kind", "file_id"], "properties": {
          "path": {"type": "string"}, "kind": {"type": "string", "const": "file"}, "file_id": {"type": "string", "format": "uuid"}
        }},
        "Outcome": {"type": "object", "required": ["reason", "memory_limit_hit", "stdout_truncated", "stderr_truncated", "omitted_files"], "properties": {
          "reason": {"type": "string", "enum": ["exit", "signal", "timeout", "cpu", "memory", "output_limit"]},
          "signal": {"type": "integer", "description": "Only when the reason is `signal`."},
          "peak_memory_bytes": {"type": "integer", "description": "Absent where the host cannot tell."},
          "cpu_time_ms": {"type": "integer", "description": "Absent where the host cannot tell."},
          "memory_limit_hit": {"type": "boolean", "description": "Whether any process was killed for its memory."},
          "stdout_truncated": {"type": "boolean"}, "stderr_truncated": {"type": "boolean"},
          "omitted_files": {"type": "integer", "description": "Produced files that a limit kept out."}
        }},
        "OutputEvent": {"type": "object", "required": ["stream", "data"], "properties": {
          "stream": {"type": "string", "enum": ["stdout", "stderr"]}, "data": {"type": "string"}
        }},
        "ResultEvent": {"type": "object", "required": ["exit_code", "timed_out", "duration_ms", "files", "outcome"], "properties": {
          "exit_code": {"type": ["integer", "null"]}, "timed_out": {"type": "boolean"}, "duration_ms": {"type": "integer"},
          "files": {"type": "array", "items": {"$ref": "#/components/schemas/OutputFile"}},
          "outcome": {"$ref": "#/components/schemas/Outcome"}
        }},
        "ErrorEvent": {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}
        """#

    private static let files = #"""
        "UploadResponse": {"type": "object", "required": ["file_id", "filename", "size_bytes"], "properties": {
          "file_id": {"type": "string", "format": "uuid"}, "filename": {"type": "string"}, "size_bytes": {"type": "integer"}
        }},
        "StoredFile": {"type": "object", "required": ["file_id", "filename", "size_bytes", "upload_time"], "properties": {
          "file_id": {"type": "string", "format": "uuid"}, "filename": {"type": "string"}, "size_bytes": {"type": "integer"},
          "upload_time": {"type": "number", "description": "Seconds since 1970, UTC."}
        }},
        "FileList": {"type": "object", "required": ["files"], "properties": {
          "files": {"type": "array", "items": {"$ref": "#/components/schemas/StoredFile"}}
        }}
        """#

    private static let operations = #"""
        "Health": {"type": "object", "required": ["status", "message", "version", "backend", "walls", "reduced_modes", "warnings"], "properties": {
          "status": {"type": "string", "enum": ["ok", "error"]}, "message": {"type": ["string", "null"]},
          "version": {"type": "string"}, "backend": {"type": "string"},
          "walls": {"type": "array", "items": {"$ref": "#/components/schemas/Wall"}, "description": "Layers of confinement, in the order in which they are built."},
          "reduced_modes": {"type": "array", "items": {"type": "string"}, "description": "Walls that a setting allowed to be missing."},
          "warnings": {"type": "array", "items": {"type": "string"}, "description": "What an operator should know, such as a server open to all."}
        }},
        "Wall": {"type": "object", "required": ["name", "standing", "detail"], "properties": {
          "name": {"type": "string"}, "standing": {"type": "boolean"}, "detail": {"type": "string"}
        }},
        "Readiness": {"type": "object", "required": ["status", "message"], "properties": {
          "status": {"type": "string", "enum": ["ok", "error"]}, "message": {"type": ["string", "null"]}
        }}
        """#

    private static let errors = #"""
        "Error": {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}},
        "ValidationErrors": {"type": "object", "required": ["detail"], "properties": {
          "detail": {"type": "array", "items": {"$ref": "#/components/schemas/ValidationError"}}
        }},
        "ValidationError": {"type": "object", "required": ["type", "loc", "msg", "input"], "properties": {
          "type": {"type": "string"}, "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
          "msg": {"type": "string"}, "input": {}, "ctx": {"type": "object"}
        }}
        """#
}
