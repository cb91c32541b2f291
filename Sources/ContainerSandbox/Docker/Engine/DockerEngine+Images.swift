package import JSON
import NIOCore
import NIOHTTP1

extension DockerEngine {
    /// Looks an image up; nil when the daemon does not have it.
    package func image(_ reference: String) async throws(EngineError) -> EngineImage? {
        let name = EngineRequest.escape(reference, except: "/:@")
        let answer = try await call(query("/images/\(name)/json"), tolerating: [404])
        if answer.status == 404 { return nil }
        let json = try answer.json
        guard let id = json["Id"]?.text else { throw .garbled("an image without an id") }
        return EngineImage(id: id, labels: json["Config"]?["Labels"]?.texts ?? [:])
    }

    /// Fetches an image from its registry; it may take as long as it takes.
    ///
    /// `progress` gets a line for people whenever a layer gets further, at most ``PullProgress/maximumLines``.
    ///
    /// - Throws: what the daemon says where it cannot. Nobody signs in: registries that want it refuse.
    package func pull(_ reference: String, progress: @Sendable (String) -> Void) async throws(EngineError) {
        let (name, tag) = Self.parts(of: reference)
        let request = EngineRequest(
            method: .POST,
            path: "/images/create",
            query: [("fromImage", name), ("tag", tag)],
            timeout: transport.timeouts.change
        )
        let version = try await spokenVersion()
        var lines = JSONLineSplitter()
        var report = PullProgress()
        try await forgettingVersion { () async throws(EngineError) in
            try await transport.stream(request, version: version, onHead: {}) { bytes throws(EngineError) in
                try lines.feed(bytes) { value throws(EngineError) in
                    if let line = try report.line(for: value) { progress(line) }
                }
            }
        }
        try lines.finish { value throws(EngineError) in
            if let line = try report.line(for: value) { progress(line) }
        }
    }

    /// A reference as the API takes it. Without a tag the daemon would fetch every tag there is.
    static func parts(of reference: String) -> (name: String, tag: String) {
        if let digest = reference.firstIndex(of: "@") {
            return (String(reference[..<digest]), String(reference[reference.index(after: digest)...]))
        }
        let tail = reference.lastIndex(of: "/").map { reference.index(after: $0) } ?? reference.startIndex
        guard let colon = reference[tail...].firstIndex(of: ":") else { return (reference, "latest") }
        return (String(reference[..<colon]), String(reference[reference.index(after: colon)...]))
    }
}

/// Makes lines for people of what a daemon says during a pull, one for each new state of a layer.
package struct PullProgress {
    /// Most lines of one pull.
    package static let maximumLines = 1000

    private var states: [String: String] = [:]
    private var count = 0

    package init() {}

    /// The line to show, nil where nothing changed.
    ///
    /// - Throws: ``EngineError/refused(status:message:)`` for the daemon's error.
    package mutating func line(for value: JSONValue) throws(EngineError) -> String? {
        if let message = value["errorDetail"]?["message"]?.text ?? value["error"]?.text {
            let status = value["errorDetail"]?["code"]?.integer ?? 500
            throw .refused(status: status, message: EngineError.legible(message))
        }
        guard count < Self.maximumLines, let status = value["status"]?.text else { return nil }
        let layer = value["id"]?.text ?? ""
        if states[layer] == status { return nil }
        states[layer] = status
        count += 1
        return EngineError.legible(layer.isEmpty ? status : "\(layer): \(status)")
    }
}
