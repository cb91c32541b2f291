extension OpenAPIDocument {
    /// The paths of ``WorkspaceFileRoutes``.
    static let workspaceFilePaths = #"""
        "/files": {"get": {
          "tags": ["workspace"], "operationId": "listWorkspace", "summary": "List a directory of the workspace",
          "description": "Directories first, then by name. A name that is not UTF-8 also has `encoded_name`, as it stands in a path.",
          "parameters": [{"name": "path", "in": "query", "schema": {"type": "string", "default": "."}, "description": "Relative, or beneath /home/user or /workspace."}],
          "responses": {
            "200": {"description": "Its entries; `truncated` when there are more than 10,000", "content": {"application/json": {"schema": {"type": "object", "required": ["path", "entries"], "properties": {
              "path": {"type": "string"}, "truncated": {"type": "boolean"}, "entries": {"type": "array", "items": {"type": "object", "required": ["name", "type", "size", "modified"], "properties": {
                "name": {"type": "string"}, "type": {"type": "string", "enum": ["dir", "file"]}, "size": {"type": ["integer", "null"]},
                "modified": {"type": "number", "description": "Seconds since 1970, UTC."}, "encoded_name": {"type": "string"}}}}}},
              "example": {"path": ".", "entries": [{"name": "data", "type": "dir", "size": null, "modified": 1735689600.5}, {"name": "a.csv", "type": "file", "size": 12, "modified": 1735689600.5}]}}}},
            "400": {"description": "It leads out, or is no directory", "content": {"text/plain": {"schema": {"type": "string"}, "example": "Path outside workspace: ../x"}}},
            "404": {"description": "There is none", "content": {"text/plain": {"schema": {"type": "string"}, "example": "Not found: x"}}}
          }}},
        "/files/{path}": {
          "parameters": [{"name": "path", "in": "path", "required": true, "schema": {"type": "string"}, "description": "May contain slashes."}],
          "get": {
            "tags": ["workspace"], "operationId": "readWorkspaceFile", "summary": "Read a file of the workspace",
            "description": "With Range, If-None-Match, If-Modified-Since, If-Range and If-Match.",
            "responses": {
              "200": {"description": "Its content", "headers": {"ETag": {"schema": {"type": "string"}}, "Last-Modified": {"schema": {"type": "string"}}}, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
              "206": {"description": "A range of it"}, "304": {"description": "The client has it"},
              "400": {"description": "It leads out, or is no file"}, "404": {"description": "There is none"},
              "412": {"description": "It is another one than If-Match says"}, "416": {"description": "The range is beyond its end"}
            }},
          "head": {
            "tags": ["workspace"], "operationId": "inspectWorkspaceFile", "summary": "Size, type and ETag of a file",
            "responses": {"200": {"description": "As GET, without the content"}, "404": {"description": "There is none"}}},
          "put": {
            "tags": ["workspace"], "operationId": "writeWorkspaceFile", "summary": "Write a file, parents included",
            "description": "In one step: others see the old file or the whole new one. If-Match and If-None-Match: * are heeded.",
            "requestBody": {"required": true, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
            "responses": {
              "200": {"description": "Overwritten"}, "201": {"description": "Created"}, "400": {"description": "It leads out, or is a directory"},
              "412": {"description": "The condition does not hold"}, "413": {"description": "It is too large"}, "507": {"description": "The workspace is full"}
            }},
          "delete": {
            "tags": ["workspace"], "operationId": "deleteFromWorkspace", "summary": "Delete a file, or a directory with all it holds",
            "description": "A link is deleted itself. The workspace as a whole cannot be deleted.",
            "responses": {"204": {"description": "Deleted"}, "400": {"description": "It leads out"}, "404": {"description": "There is none"}}}}
        """#
}
