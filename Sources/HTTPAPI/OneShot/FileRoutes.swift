import Execution
import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// /v1/files: upload, list, download, delete.
struct FileRoutes: Sendable {
    let files: FileStore
    let maxFileBytes: Int

    var routes: [Route] {
        [
            Route(.post, "/v1/files") { try await upload($0) },
            Route(.get, "/v1/files") { try await list($0) },
            Route(.get, "/v1/files/{file_id}") { try await download($0) },
            Route(.delete, "/v1/files/{file_id}") { try await remove($0) },
        ]
    }

    private func upload(_ request: RoutedRequest) async throws -> Response {
        let file = try await FileUpload(files: files, maxFileBytes: maxFileBytes).receive(request)
        var writer = JSONWriter()
        writer.raw("{\"file_id\":")
        writer.string(file.id)
        writer.raw(",\"filename\":")
        writer.string(file.filename)
        writer.raw(",\"size_bytes\":")
        writer.integer(file.size)
        writer.raw("}")
        return .json(writer.buffer, status: .created)
    }

    private func list(_ request: RoutedRequest) async throws -> Response {
        var writer = JSONWriter(capacity: 4096)
        writer.raw("{\"files\":")
        writer.list(try await files.files(of: request.tenant)) { writer, file in
            writer.raw("{\"file_id\":")
            writer.string(file.id)
            writer.raw(",\"filename\":")
            writer.string(file.filename)
            writer.raw(",\"size_bytes\":")
            writer.integer(file.size)
            writer.raw(",\"upload_time\":")
            writer.number(file.uploadTime)
            writer.raw("}")
        }
        writer.raw("}")
        return .json(writer.buffer)
    }

    private func download(_ request: RoutedRequest) async throws -> Response {
        let file = try await existingFile(request)
        let content = try await files.content(of: file)
        let headers: HTTPFields = [
            .contentType: "application/octet-stream",
            .contentDisposition: ContentDisposition.attachment(named: file.filename),
        ]
        let body = ResponseBody(contentLength: file.size) { writer in
            var sent = 0
            for try await piece in content {
                sent += piece.readableBytes
                try await writer.write(piece)
            }
            // Fewer bytes than announced: only an abrupt end tells the client.
            if sent != file.size { throw FileStoreError.storage("a blob has \(sent) instead of \(file.size) bytes") }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: headers, body: body)
    }

    private func remove(_ request: RoutedRequest) async throws -> Response {
        let id = request.parameters[0]
        guard try await files.remove(id: id, tenant: request.tenant) else { throw APIError.unknownFile(id: id) }
        return Response(status: .noContent)
    }

    private func existingFile(_ request: RoutedRequest) async throws -> StoredFile {
        let id = request.parameters[0]
        guard let file = try await files.file(id: id, tenant: request.tenant) else {
            throw APIError.unknownFile(id: id)
        }
        return file
    }
}
