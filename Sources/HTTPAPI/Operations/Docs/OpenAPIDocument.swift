import JSON
import NIOCore

/// The description of the API, OpenAPI 3.1.
///
/// Written as text, because it is a document; a test parses it and compares its paths with the routes.
enum OpenAPIDocument {
    static func text(configuration: HTTPAPIConfiguration) -> String {
        var version = JSONWriter()
        version.string(configuration.version)
        return """
            {
            "openapi": "3.1.0",
            "info": {
            "title": "code-interpreter",
            "version": \(String(buffer: version.buffer)),
            "description": "Runs untrusted code in isolated sandboxes. Each execution gets a fresh sandbox without network."
            },
            "tags": [
            {"name": "executions", "description": "Run Python code."},
            {"name": "contexts", "description": "Run code in interpreters that live on, as a notebook does."},
            {"name": "workspace", "description": "The files of a tenant's contexts."},
            {"name": "files", "description": "Files that go into and come out of executions."},
            {"name": "operations", "description": "State of the server."}
            ],
            "paths": {
            \(executePaths),
            \(notebookPaths),
            \(workspaceFilePaths),
            \(filePaths),
            \(operationsPaths)\(configuration.authenticator.isClaimable ? ",\n" + claimPath : "")
            },
            "security": \(configuration.authenticator.isRequired ? securityRequirement : "[]"),
            "components": {
            "securitySchemes": {
            \(securitySchemes)
            },
            "responses": {
            \(OpenAPISchemas.responses(configuration: configuration))
            },
            "schemas": {
            \(OpenAPISchemas.schemas(configuration: configuration))
            }
            }
            }

            """
    }

    private static let securityRequirement = #"[{"bearer": []}, {"apiKey": []}, {"accessToken": []}]"#

    private static let securitySchemes = #"""
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key of API_KEYS, or the token of POST /claim. Without one the answer is 401."},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "accessToken": {"type": "apiKey", "in": "header", "name": "X-Access-Token"}
        """#

    private static let claimPath = #"""
        "/claim": {"post": {
          "security": [], "tags": ["operations"], "operationId": "claim", "summary": "Become the one who may use this server",
          "description": "Works once. Until then everything but /health answers 403.",
          "responses": {
            "200": {"description": "The token, shown once", "content": {"application/json": {"schema": {"type": "object", "required": ["token"], "properties": {"token": {"type": "string"}}},
              "example": {"token": "kq3J9dVn0Qm7s1cXo2bT5uYw8zRhLfAeGiPjBxCtDvE"}}}},
            "404": {"description": "It was claimed already", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "example": {"detail": "Not Found"}}}}
          }}}
        """#

    private static let executePaths = #"""
        "/v1/execute": {"post": {
          "tags": ["executions"], "operationId": "execute", "summary": "Run code and wait for its end",
          "description": "Runs `code` as `__main__` in a fresh sandbox. However the program ends is an answer 200; `outcome.reason` tells how. When the client disconnects, the program is killed.",
          "requestBody": {"required": true, "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/ExecuteRequest"},
            "examples": {
              "hello": {"summary": "Print", "value": {"code": "print('hello')"}},
              "lastLine": {"summary": "The last expression is printed", "value": {"code": "import statistics\nstatistics.mean([1, 2, 3])"}},
              "file": {"summary": "A file from the store", "value": {"code": "print(open('data.csv').read())", "files": [{"path": "data.csv", "file_id": "7b0f4bd0-5c55-4f0e-9c6e-0a3f1d0a2b7c"}]}}
            }}}},
          "responses": {
            "200": {"description": "The program ended", "content": {"application/json": {
              "schema": {"$ref": "#/components/schemas/ExecuteResponse"},
              "example": {"stdout": "hello\n", "stderr": "", "exit_code": 0, "timed_out": false, "duration_ms": 1, "files": [],
                "outcome": {"reason": "exit", "peak_memory_bytes": 1048576, "cpu_time_ms": 1, "memory_limit_hit": false, "stdout_truncated": false, "stderr_truncated": false, "omitted_files": 0}}}}},
            "400": {"$ref": "#/components/responses/Unparsable"}, "404": {"$ref": "#/components/responses/UnknownFile"},
            "413": {"$ref": "#/components/responses/TooLarge"}, "422": {"$ref": "#/components/responses/Invalid"},
            "429": {"$ref": "#/components/responses/Saturated"}, "500": {"$ref": "#/components/responses/Failure"},
            "503": {"$ref": "#/components/responses/NoCapacity"}
          }}},
        "/v1/execute/stream": {"post": {
          "tags": ["executions"], "operationId": "executeStream", "summary": "Run code and follow its output",
          "description": "As /v1/execute, but output arrives as server-sent events while the program runs. What is wrong with the request is an ordinary error answer before the stream.",
          "requestBody": {"required": true, "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/ExecuteRequest"},
            "example": {"code": "import time\nfor i in range(3):\n    print(i)\n    time.sleep(0.2)"}}}},
          "responses": {
            "200": {"description": "Events: `output` with an OutputEvent, at the end one `result` with a ResultEvent, or `error` with an ErrorEvent.",
              "content": {"text/event-stream": {"schema": {"type": "string"},
              "example": "event: output\ndata: {\"stream\":\"stdout\",\"data\":\"0\\n\"}\n\nevent: result\ndata: {\"exit_code\":0,\"timed_out\":false,\"duration_ms\":602,\"files\":[],\"outcome\":{\"reason\":\"exit\",\"memory_limit_hit\":false,\"stdout_truncated\":false,\"stderr_truncated\":false,\"omitted_files\":0}}\n\n"}}},
            "400": {"$ref": "#/components/responses/Unparsable"}, "404": {"$ref": "#/components/responses/UnknownFile"},
            "413": {"$ref": "#/components/responses/TooLarge"}, "422": {"$ref": "#/components/responses/Invalid"},
            "429": {"$ref": "#/components/responses/Saturated"}, "500": {"$ref": "#/components/responses/Failure"},
            "503": {"$ref": "#/components/responses/NoCapacity"}
          }}}
        """#

    private static let filePaths = #"""
        "/v1/files": {
          "post": {
            "tags": ["files"], "operationId": "uploadFile", "summary": "Upload a file",
            "requestBody": {"required": true, "content": {"multipart/form-data": {"schema": {
              "type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}}}},
            "responses": {
              "201": {"description": "Stored", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/UploadResponse"},
                "example": {"file_id": "7b0f4bd0-5c55-4f0e-9c6e-0a3f1d0a2b7c", "filename": "data.csv", "size_bytes": 12}}}},
              "400": {"$ref": "#/components/responses/Unparsable"}, "413": {"$ref": "#/components/responses/TooLarge"},
              "422": {"$ref": "#/components/responses/Invalid"}, "500": {"$ref": "#/components/responses/Failure"},
              "507": {"$ref": "#/components/responses/StorageFull"}
            }},
          "get": {
            "tags": ["files"], "operationId": "listFiles", "summary": "List files", "description": "Uploaded files and files that executions produced, oldest first.",
            "responses": {
              "200": {"description": "All files", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/FileList"},
                "example": {"files": [{"file_id": "7b0f4bd0-5c55-4f0e-9c6e-0a3f1d0a2b7c", "filename": "data.csv", "size_bytes": 12, "upload_time": 1735689600.0}]}}}},
              "500": {"$ref": "#/components/responses/Failure"}
            }}},
        "/v1/files/{file_id}": {
          "parameters": [{"name": "file_id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}}],
          "get": {
            "tags": ["files"], "operationId": "downloadFile", "summary": "Download a file",
            "responses": {
              "200": {"description": "Its content", "headers": {"Content-Disposition": {"schema": {"type": "string"}, "description": "RFC 6266; `filename*` where the name is not plain."}},
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
              "404": {"$ref": "#/components/responses/UnknownFile"}, "500": {"$ref": "#/components/responses/Failure"}
            }},
          "delete": {
            "tags": ["files"], "operationId": "deleteFile", "summary": "Delete a file",
            "responses": {
              "204": {"description": "Deleted"}, "404": {"$ref": "#/components/responses/UnknownFile"},
              "500": {"$ref": "#/components/responses/Failure"}
            }}}
        """#

    private static let operationsPaths = #"""
        "/health": {"get": {
          "security": [], "tags": ["operations"], "operationId": "health", "summary": "State of the server", "description": "Always 200; `status` tells.",
          "responses": {"200": {"description": "The state", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"},
            "example": {"status": "ok", "message": null, "version": "0.5.0", "backend": "native", "walls": [{"name": "seccomp", "standing": true, "detail": "filter of system calls"}], "reduced_modes": [], "warnings": []}}}}}}},
        "/ready": {"get": {
          "tags": ["operations"], "operationId": "ready", "summary": "Whether executions can run",
          "responses": {
            "200": {"description": "They can", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Readiness"}, "example": {"status": "ok", "message": null}}}},
            "503": {"description": "They cannot", "headers": {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Readiness"}, "example": {"status": "error", "message": "The backend is starting."}}}}}}},
        "/metrics": {"get": {
          "tags": ["operations"], "operationId": "metrics", "summary": "Metrics for Prometheus",
          "responses": {"200": {"description": "Text format 0.0.4", "content": {"text/plain": {"schema": {"type": "string"}}}}}}}
        """#
}
