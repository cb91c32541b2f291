import JSON
import NIOCore
import NIOHTTP1

extension DockerEngine {
    /// Makes a container that does not run yet.
    ///
    /// - Returns: its id.
    /// - Throws: ``EngineError/notFound(_:)`` when there is no such image.
    package func create(_ specification: ContainerSpecification) async throws(EngineError) -> String {
        var request = change(.POST, "/containers/create")
        if let name = specification.name { request.query.append(("name", name)) }
        if let platform = specification.platform { request.query.append(("platform", platform)) }
        request.body = specification.json()
        let answer = try await call(request).json
        guard let id = answer["Id"]?.text, Self.isID(id) else { throw .garbled("a container without an id") }
        warn(answer["Warnings"]?.elements?.compactMap(\.text) ?? [])
        return id
    }

    /// Starts a container; one that runs already is no error.
    package func start(_ id: String) async throws(EngineError) {
        try await call(change(.POST, "/containers/\(Self.name(id))/start"), tolerating: [304])
    }

    /// Sends SIGKILL to a container's first process, and so ends it; one that is gone or does not run is no error.
    package func kill(_ id: String) async throws(EngineError) {
        try await call(change(.POST, "/containers/\(Self.name(id))/kill"), tolerating: [404, 409])
    }

    /// Kills and removes a container and its unnamed volumes; one that is gone, or about to be, is no error.
    package func remove(_ id: String) async throws(EngineError) {
        var request = change(.DELETE, "/containers/\(Self.name(id))")
        request.query = [("force", "1"), ("v", "1")]
        try await callUnlessSo(request, "removal", "in progress", gone: true)
    }

    /// Freezes a container; one that is frozen is no error.
    package func pause(_ id: String) async throws(EngineError) {
        try await callUnlessSo(change(.POST, "/containers/\(Self.name(id))/pause"), "already paused")
    }

    /// Thaws a container; one that is not frozen is no error.
    package func unpause(_ id: String) async throws(EngineError) {
        try await callUnlessSo(change(.POST, "/containers/\(Self.name(id))/unpause"), "not paused")
    }

    /// How a container is; nil when there is none.
    package func inspect(_ id: String) async throws(EngineError) -> ContainerState? {
        let answer = try await call(query("/containers/\(Self.name(id))/json"), tolerating: [404])
        if answer.status == 404 { return nil }
        guard let state = try answer.json["State"], let status = state["Status"]?.text else {
            throw .garbled("a container without a state")
        }
        return ContainerState(
            status: EngineError.legible(status),
            running: state["Running"]?.isTrue ?? false,
            paused: state["Paused"]?.isTrue ?? false,
            exitCode: state["ExitCode"]?.integer ?? 0,
            oomKilled: state["OOMKilled"]?.isTrue ?? false,
            error: EngineError.legible(state["Error"]?.text ?? ""),
            pid: state["Pid"]?.integer ?? 0
        )
    }

    /// All containers that carry every one of `labels`, running or not.
    package func list(labels: [String: String]) async throws(EngineError) -> [ContainerSummary] {
        var request = query("/containers/json")
        let wanted = labels.map { "\($0.key)=\($0.value)" }.sorted()
        request.query = [("all", "1"), ("filters", Self.filters([("label", wanted)]))]
        guard let elements = try await call(request).json.elements else { throw .garbled("a list that is none") }
        var containers: [ContainerSummary] = []
        for element in elements {
            guard let id = element["Id"]?.text, Self.isID(id) else { throw .garbled("a container without an id") }
            containers.append(
                ContainerSummary(
                    id: id,
                    labels: element["Labels"]?.texts ?? [:],
                    created: element["Created"]?.integer ?? 0,
                    state: EngineError.legible(element["State"]?.text ?? "")
                )
            )
        }
        return containers
    }

    // MARK: Requests

    func change(_ method: HTTPMethod, _ path: String) -> EngineRequest {
        EngineRequest(method: method, path: path, timeout: transport.timeouts.change)
    }

    func query(_ path: String) -> EngineRequest {
        EngineRequest(method: .GET, path: path, timeout: transport.timeouts.query)
    }

    /// A container's id or name as part of a path.
    static func name(_ id: String) -> String { EngineRequest.escape(id) }

    /// Filters as the API takes them: JSON in the query.
    static func filters(_ filters: [(String, [String])]) -> String {
        var writer = JSONWriter()
        writer.raw("{")
        for (index, filter) in filters.enumerated() {
            if index > 0 { writer.raw(",") }
            writer.string(filter.0)
            writer.raw(":")
            writer.list(filter.1) { $0.string($1) }
        }
        writer.raw("}")
        return String(buffer: writer.buffer)
    }

    /// As ``call(_:tolerating:)``, where a conflict whose message has all `words` says that it is so already.
    private func callUnlessSo(_ request: EngineRequest, _ words: String..., gone: Bool = false)
        async throws(EngineError)
    {
        do {
            try await call(request, tolerating: gone ? [404] : [])
        } catch .refused(status: let status, message: let message)
            where (status == 409 || status == 500) && words.allSatisfy({ message.contains($0) })
        {
            return
        }
    }

    private static func isID(_ text: String) -> Bool {
        (12...64).contains(text.utf8.count) && text.utf8.allSatisfy { $0.isHexadecimal }
    }
}

extension UInt8 {
    fileprivate var isHexadecimal: Bool { (0x30...0x39).contains(self) || (0x61...0x66).contains(self) }
}
