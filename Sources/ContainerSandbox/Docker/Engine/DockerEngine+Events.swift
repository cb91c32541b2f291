import JSON
import NIOCore

extension DockerEngine {
    /// What happens to containers that carry every one of `labels`, and to images, beginning with ``EngineEvent/Kind/subscribed``.
    ///
    /// The stream ends with an ``EngineError`` when the daemon goes away, or when more than ``maximumUnreadEvents`` wait to be read. Who
    /// gives it up ends the request.
    package func events(labels: [String: String]) -> AsyncThrowingStream<EngineEvent, any Error> {
        AsyncThrowingStream(bufferingPolicy: .bufferingOldest(Self.maximumUnreadEvents)) { continuation in
            // Waited for by whoever reads the stream; cancelled when the stream is given up.
            let task = Task {
                do throws(EngineError) {
                    try await follow(labels: labels, into: continuation)
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// Most events that wait for their reader.
    package static let maximumUnreadEvents = 4096

    private func follow(
        labels: [String: String],
        into continuation: AsyncThrowingStream<EngineEvent, any Error>.Continuation
    ) async throws(EngineError) {
        var request = query("/events")
        // The daemon applies a filter of labels to images too, which do not carry a container's: containers are picked out here.
        let kinds = ["oom", "die", "destroy", "delete", "untag", "tag", "pull"]
        request.query = [("filters", Self.filters([("type", ["container", "image"]), ("event", kinds)]))]
        let version = try await spokenVersion()
        var lines = JSONLineSplitter()
        let streamed = request
        try await forgettingVersion { () async throws(EngineError) in
            let begin = EngineEvent(kind: .subscribed, id: "", attributes: [:])
            try await transport.stream(streamed, version: version, onHead: { continuation.yield(begin) }) {
                bytes throws(EngineError) in
                try lines.feed(bytes) { value throws(EngineError) in
                    guard let event = EngineEvent(value, labels: labels) else { return }
                    if case .dropped = continuation.yield(event) {
                        throw .garbled("more than \(Self.maximumUnreadEvents) events that nobody reads")
                    }
                }
            }
            throw .unreachable("\(endpoint): it ended its stream of events")
        }
    }
}

extension EngineEvent {
    /// Reads an event; nil for what is none of ours.
    init?(_ json: JSONValue, labels: [String: String]) {
        guard let type = json["Type"]?.text, let action = json["Action"]?.text, let id = json["Actor"]?["ID"]?.text
        else {
            return nil
        }
        let attributes = json["Actor"]?["Attributes"]?.texts ?? [:]
        switch (type, action) {
        case ("container", "oom"): kind = .oom
        case ("container", "die"): kind = .die(exitCode: attributes["exitCode"].flatMap { Int($0) } ?? 0)
        case ("container", "destroy"): kind = .destroy
        case ("image", "delete"): kind = .imageDelete
        case ("image", "untag"): kind = .imageUntag
        case ("image", "tag"): kind = .imageTag
        case ("image", "pull"): kind = .imagePull
        default: return nil
        }
        if type == "container", !labels.allSatisfy({ attributes[$0.key] == $0.value }) { return nil }
        self.id = id
        self.attributes = attributes
    }
}
