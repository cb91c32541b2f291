// The routes of the notebook family.
extension OpenAPIDocument {
    static let notebookPaths = #"""
        "/execute": {"post": {
          "tags": ["contexts"], "operationId": "executeCell", "summary": "Run code in a context",
          "description": "Runs `code` as a notebook runs a cell: state stays, the value of the last expression is a result. With neither `context_id` nor `language` it runs in the default Python context, with `language` in the default context of that language. Cells of one context run one after the other. When the client disconnects, the cell is interrupted.",
          "requestBody": {"required": true, "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/CellRequest"},
            "examples": {
              "expression": {"summary": "A value", "value": {"code": "x = 20\nx + 22"}},
              "frame": {"summary": "A table", "value": {"code": "import pandas as pd\npd.DataFrame({'a': [1, 2]})"}},
              "limited": {"summary": "With a time limit and a variable", "value": {"code": "import os\nos.environ['NAME']", "env_vars": {"NAME": "value"}, "timeout_ms": 5000}}
            }}}},
          "responses": {
            "200": {"description": "Lines, each a JSON object with a `type`: `number_of_executions` first; `stdout`, `stderr`, `result`, `error`, `keepalive` as they come; `ending` when the cell was stopped or its interpreter is gone; `end_of_execution` last, always.",
              "content": {"application/x-ndjson": {"schema": {"type": "string"},
              "example": "{\"type\":\"number_of_executions\",\"execution_count\":1}\n{\"type\":\"result\",\"text\":\"42\",\"extra\":{},\"is_main_result\":true}\n{\"type\":\"end_of_execution\"}\n"}}},
            "400": {"$ref": "#/components/responses/BadContext"}, "404": {"$ref": "#/components/responses/UnknownContext"},
            "413": {"$ref": "#/components/responses/TooLarge"}, "422": {"$ref": "#/components/responses/Invalid"},
            "429": {"$ref": "#/components/responses/TooManyContexts"}, "500": {"$ref": "#/components/responses/Failure"},
            "503": {"$ref": "#/components/responses/NoCapacity"}
          }}},
        "/contexts": {
          "post": {
            "tags": ["contexts"], "operationId": "createContext", "summary": "Make a context",
            "requestBody": {"required": true, "content": {"application/json": {
              "schema": {"$ref": "#/components/schemas/ContextRequest"}, "example": {"language": "python", "cwd": "/home/user"}}}},
            "responses": {
              "200": {"description": "Its interpreter waits", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Context"},
                "example": {"id": "0f3d9c1e-6a55-4f0e-9c6e-0a3f1d0a2b7c", "language": "python", "cwd": "/home/user"}}}},
              "400": {"$ref": "#/components/responses/BadContext"}, "422": {"$ref": "#/components/responses/Invalid"},
              "429": {"$ref": "#/components/responses/TooManyContexts"}, "500": {"$ref": "#/components/responses/Failure"},
              "503": {"$ref": "#/components/responses/NoCapacity"}
            }},
          "get": {
            "tags": ["contexts"], "operationId": "listContexts", "summary": "List contexts", "description": "In the order in which they were made, the default one included.",
            "responses": {"200": {"description": "All contexts", "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Context"}},
              "example": [{"id": "default", "language": "python", "cwd": "/home/user"}]}}}}}},
        "/contexts/{id}": {
          "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
          "delete": {
            "tags": ["contexts"], "operationId": "deleteContext", "summary": "End a context", "description": "What runs in it ends. The default context is made anew when it is needed.",
            "responses": {"200": {"$ref": "#/components/responses/Done"}, "404": {"$ref": "#/components/responses/UnknownContext"}}}},
        "/contexts/{id}/restart": {
          "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
          "post": {
            "tags": ["contexts"], "operationId": "restartContext", "summary": "Give a context a fresh interpreter", "description": "What runs in it ends; what waits goes on afterwards, in the directory the context was made with.",
            "responses": {
              "200": {"$ref": "#/components/responses/Done"}, "404": {"$ref": "#/components/responses/UnknownContext"},
              "500": {"$ref": "#/components/responses/Failure"}, "503": {"$ref": "#/components/responses/NoCapacity"}}}},
        "/contexts/{id}/interrupt": {
          "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
          "post": {
            "tags": ["contexts"], "operationId": "interruptContext", "summary": "Interrupt what runs in a context", "description": "As Ctrl-C does; a cell that does not heed it loses its interpreter after INTERRUPT_GRACE_SEC.",
            "responses": {"200": {"$ref": "#/components/responses/Done"}, "404": {"$ref": "#/components/responses/UnknownContext"}}}},
        "/languages": {"get": {
          "tags": ["contexts"], "operationId": "listLanguages", "summary": "List the languages of contexts",
          "responses": {"200": {"description": "All languages, Python first", "content": {"application/json": {
            "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Language"}},
            "example": [{"language": "python", "display_name": "Python"}]}}}}}}
        """#
}

extension OpenAPISchemas {
    static let notebookSchemas = #"""
        "CellRequest": {"type": "object", "required": ["code"], "properties": {
          "code": {"type": "string"},
          "context_id": {"type": ["string", "null"], "description": "Not together with `language`."},
          "language": {"type": ["string", "null"], "description": "Such as `python` or `bash`."},
          "env_vars": {"type": ["object", "null"], "additionalProperties": {"type": "string"}, "description": "Environment for this cell alone."},
          "timeout_ms": {"type": ["integer", "null"], "minimum": 1, "description": "The cell is interrupted after so long."}}},
        "ContextRequest": {"type": "object", "properties": {
          "language": {"type": ["string", "null"], "default": "python"},
          "cwd": {"type": ["string", "null"], "default": "/home/user", "description": "An existing directory, absolute."}}},
        "Context": {"type": "object", "required": ["id", "language", "cwd"], "properties": {
          "id": {"type": "string"}, "language": {"type": "string"}, "cwd": {"type": "string"}}},
        "Language": {"type": "object", "required": ["language", "display_name"], "properties": {
          "language": {"type": "string"}, "display_name": {"type": "string"}}}
        """#

    static let notebookResponses = #"""
        "Done": {"description": "Done", "content": {"application/json": {"schema": {"type": "null"}}}},
        "BadContext": {"description": "A context cannot be had like that", "content": {"text/plain": {"schema": {"type": "string"}, "example": "Only one of context_id or language can be provided"}}},
        "UnknownContext": {"description": "There is no such context", "content": {"text/plain": {"schema": {"type": "string"}, "example": "Context x not found"}}},
        "TooManyContexts": {"description": "Too many contexts, or too many cells wait for one", "headers": {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}, "content": {"text/plain": {"schema": {"type": "string"}, "example": "There are 64 contexts already; delete one first"}}}
        """#
}
