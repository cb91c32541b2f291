import Execution
import Hummingbird
import JSON
import NIOCore

/// Contexts: made, listed, restarted, interrupted, deleted. And the languages they may have.
struct ContextRoutes: Sendable {
    let contexts: ContextService
    let maxBodyBytes: Int

    var routes: [Route] {
        [
            Route(.post, "/contexts") { try await create($0) },
            Route(.get, "/contexts") { await list($0) },
            Route(.post, "/contexts/{id}/restart") { request in
                try await contexts.restart(try Self.id(request), tenant: request.tenant)
                return .null
            },
            Route(.post, "/contexts/{id}/interrupt") { request in
                try await contexts.interrupt(try Self.id(request), tenant: request.tenant)
                return .null
            },
            Route(.delete, "/contexts/{id}") { request in
                try await contexts.delete(try Self.id(request), tenant: request.tenant)
                return .null
            },
            Route(.get, "/languages") { _ in languages() },
        ]
    }

    private static func id(_ request: RoutedRequest) throws -> String {
        let id = request.parameters[0]
        try ClientNames.check(id: id)
        return id
    }

    private func create(_ request: RoutedRequest) async throws -> Response {
        let (language, directory) = try await fields(of: request)
        if let language { try ClientNames.check(language: language, known: contexts.languages) }
        let context = try await request.connection.cancellingWhenClosed { [contexts] in
            try await contexts.create(language: language, directory: directory, tenant: request.tenant)
        }
        var writer = JSONWriter()
        Self.write(context, to: &writer)
        return .json(writer.buffer)
    }

    /// What the body says, and gives back the memory of the rest. Empty is as good as absent.
    private func fields(of request: RoutedRequest) async throws -> (language: String?, directory: String?) {
        let object = try BodyObject.read(
            try await request.body(upTo: maxBodyBytes),
            contentType: request.headers[.contentType]
        )
        var fields = FieldReader(object, location: BodyObject.root)
        let language = fields.optionalName("language")
        let directory = fields.optionalName("cwd")
        if !fields.issues.isEmpty { throw APIError.invalid(fields.issues) }
        request.lease.shrink(to: (language?.utf8.count ?? 0) + (directory?.utf8.count ?? 0))
        return (language, directory)
    }

    private func list(_ request: RoutedRequest) async -> Response {
        var writer = JSONWriter()
        writer.list(await contexts.list(request.tenant)) { Self.write($1, to: &$0) }
        return .json(writer.buffer)
    }

    private func languages() -> Response {
        var writer = JSONWriter()
        writer.list(contexts.languages) { writer, language in
            writer.raw("{\"language\":")
            writer.string(language.name)
            writer.raw(",\"display_name\":")
            writer.string(language.displayName)
            writer.raw("}")
        }
        return .json(writer.buffer)
    }

    private static func write(_ context: ContextDescription, to writer: inout JSONWriter) {
        writer.raw("{\"id\":")
        writer.string(context.id)
        writer.raw(",\"language\":")
        writer.string(context.language)
        writer.raw(",\"cwd\":")
        writer.string(context.directory)
        writer.raw("}")
    }
}

extension Response {
    /// 200 and the JSON value null.
    fileprivate static var null: Response { .json(ByteBuffer(string: "null")) }
}
