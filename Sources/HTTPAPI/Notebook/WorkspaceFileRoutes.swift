import Execution
import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// /files: the workspace of a tenant's default sandbox.
struct WorkspaceFileRoutes: Sendable {
    /// The tree a tenant's requests are about.
    typealias Trees = @Sendable (Tenant) async throws -> any WorkspaceTree

    let trees: Trees
    let maxFileBytes: Int

    /// More entries of a directory are not shown.
    static let maxEntries = 10_000
    private static let prefix = "/files/"

    var routes: [Route] {
        [
            Route(.get, "/files") { try await list($0) },
            Route(.get, "/files/{path...}") { try await download($0) },
            Route(.head, "/files/{path...}") { try await download($0) },
            Route(.put, "/files/{path...}") { try await upload($0) },
            Route(.delete, "/files/{path...}") { try await remove($0) },
        ]
    }

    // MARK: Listings

    private func list(_ request: RoutedRequest) async throws -> Response {
        let bytes = request.target.queryValue("path") ?? Array(".".utf8)
        let listing = try await Self.explaining(bytes) {
            let path = try TreePath(bytes)
            return try await trees(request.tenant).list(path, limit: Self.maxEntries)
        }
        var writer = JSONWriter(capacity: 4096)
        writer.raw("{\"path\":")
        writer.string(String(decoding: bytes, as: UTF8.self))
        writer.raw(",\"entries\":")
        writer.list(listing.entries) { Self.write($1, to: &$0) }
        if listing.isTruncated { writer.raw(",\"truncated\":true") }
        writer.raw("}")
        return .json(writer.buffer)
    }

    private static func write(_ entry: TreeEntry, to writer: inout JSONWriter) {
        writer.raw("{\"name\":")
        writer.string(String(decoding: entry.name, as: UTF8.self))
        writer.raw(entry.isDirectory ? ",\"type\":\"dir\",\"size\":" : ",\"type\":\"file\",\"size\":")
        if let size = entry.size { writer.integer(size) } else { writer.raw("null") }
        writer.raw(",\"modified\":")
        writer.number(Double(entry.modified.seconds) + Double(entry.modified.nanoseconds) / 1e9)
        // JSON is text, a name need not be: this is how it stands in a path.
        if String(validating: entry.name, as: UTF8.self) == nil {
            writer.raw(",\"encoded_name\":")
            writer.string(PercentEncoding.encode(bytes: entry.name))
        }
        writer.raw("}")
    }

    // MARK: Files

    private func download(_ request: RoutedRequest) async throws -> Response {
        let bytes = Self.path(of: request)
        let (path, file) = try await Self.explaining(bytes) {
            let path = try TreePath(bytes)
            return (path, try await trees(request.tenant).open(path))
        }
        let lastModified = HTTPDate.text(secondsSince1970: file.modified.seconds)
        let validators = FileValidators(headers: request.headers)
        if validators.isUnexpected(tag: file.entityTag) {
            throw WorkspaceFileFailure(reason: .conditionFailed, path: bytes)
        }
        var headers: HTTPFields = [.eTag: file.entityTag, .lastModified: lastModified, .acceptRanges: "bytes"]
        // Whoever keeps a copy has to ask whether it still holds.
        headers[.cacheControl] = "no-cache"
        if validators.isCurrent(tag: file.entityTag, lastModified: lastModified) {
            return Response(status: .notModified, headers: headers)
        }
        let name = path.components.last ?? []
        let type = ContentTypes.type(ofName: name)
        headers[.contentType] = type
        if ContentTypes.isActive(type) {
            headers[.contentDisposition] = ContentDisposition.attachment(named: String(decoding: name, as: UTF8.self))
        }
        switch validators.part(of: file.size, tag: file.entityTag, lastModified: lastModified) {
        case .whole: return Response(status: .ok, headers: headers, body: Self.body(file, 0, file.size))
        case .range(let offset, let length):
            headers[.contentRange] = "bytes \(offset)-\(offset + length - 1)/\(file.size)"
            return Response(status: .partialContent, headers: headers, body: Self.body(file, offset, length))
        case .unsatisfiable:
            return Response(status: .rangeNotSatisfiable, headers: [.contentRange: "bytes */\(file.size)"])
        }
    }

    private static func body(_ file: TreeFile, _ offset: Int, _ length: Int) -> ResponseBody {
        ResponseBody(contentLength: length) { writer in
            var sent = 0
            for try await piece in file.read(offset, length) {
                sent += piece.readableBytes
                try await writer.write(piece)
            }
            // It shrank meanwhile: only an abrupt end tells the client.
            if sent != length { throw WorkspaceTreeError.busy }
            try await writer.finish(nil)
        }
    }

    private func upload(_ request: RoutedRequest) async throws -> Response {
        let bytes = Self.path(of: request)
        let written = try await Self.explaining(bytes) {
            let path = try TreePath(bytes)
            if let length = request.headers[.contentLength].flatMap(Int.init), length > maxFileBytes {
                throw WorkspaceTreeError.tooLarge(maxBytes: maxFileBytes)
            }
            return try await trees(request.tenant).write(
                path,
                content: request.request.body,
                limit: maxFileBytes,
                condition: FileValidators(headers: request.headers).writeCondition
            )
        }
        return Response(status: written.isNew ? .created : .ok, headers: [.eTag: written.entityTag])
    }

    private func remove(_ request: RoutedRequest) async throws -> Response {
        let bytes = Self.path(of: request)
        try await Self.explaining(bytes) { try await trees(request.tenant).remove(try TreePath(bytes)) }
        return Response(status: .noContent)
    }

    /// What stands behind /files/, decoded once. Bytes, because names of files need not be UTF-8.
    private static func path(of request: RoutedRequest) -> [UInt8] {
        Array(PercentEncoding.decodedBytes(request.target.path).dropFirst(prefix.utf8.count))
    }

    /// Adds the path, as the client wrote it, to what went wrong.
    private static func explaining<Value>(
        _ path: [UInt8],
        _ body: () async throws -> Value
    ) async throws -> Value {
        do {
            return try await body()
        } catch let error as WorkspaceTreeError {
            throw WorkspaceFileFailure(reason: error, path: path)
        }
    }
}

/// What could not be done with a path of a workspace.
struct WorkspaceFileFailure: Error {
    var reason: WorkspaceTreeError
    var path: [UInt8]
}
