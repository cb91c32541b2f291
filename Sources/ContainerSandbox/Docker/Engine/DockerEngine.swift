import JSON
package import Logging
import NIOCore
import NIOHTTP1
package import NIOPosix
import Synchronization

/// A client of the Docker Engine API.
///
/// Every call can be cancelled, is limited in time by ``EngineTimeouts`` and in size, and throws ``EngineError/unreachable(_:)`` then. A
/// call that was cancelled may have reached the daemon: what it made is found by its labels. A daemon that is back is used again
/// without further ado. ``shutdown()`` must be called before the last reference goes.
package final class DockerEngine: Sendable {
    let transport: EngineTransport
    let attachments: Attachments
    let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var version: EngineVersion?
        /// What daemons warned of and was logged already.
        var warnings: Set<String> = []
    }

    /// Makes a client that connects when it is first used. `logger` gets what daemons warn of, each text once.
    package init(
        endpoint: DockerEndpoint,
        group: MultiThreadedEventLoopGroup,
        logger: Logger,
        timeouts: EngineTimeouts = EngineTimeouts()
    ) {
        transport = EngineTransport(endpoint: endpoint, group: group, timeouts: timeouts)
        attachments = Attachments(group: group)
        self.logger = logger
    }

    package var endpoint: DockerEndpoint { transport.endpoint }

    /// Asks the daemon what it is; what both sides speak is remembered for all calls until the daemon goes away.
    ///
    /// Spoken is the lower of the daemon's newest version and ``APIVersion/newest``, or the daemon's oldest where that is newer still.
    ///
    /// - Throws: ``EngineError/unsupported(_:)`` where that is below ``APIVersion/oldest``.
    package func version() async throws(EngineError) -> EngineVersion {
        let answer = try await sendUnversioned("/version")
        guard answer.status == 200 else { throw EngineTransport.failure(answer) }
        let json = try answer.json
        guard let engine = json["Version"]?.text, let newest = json["ApiVersion"]?.text.flatMap(APIVersion.init) else {
            throw .garbled("no version")
        }
        let oldest = json["MinAPIVersion"]?.text.flatMap(APIVersion.init)
        guard newest >= .oldest else {
            throw .unsupported(
                """
                Docker \(EngineError.legible(engine)) speaks version \(newest) of the Engine API; \(APIVersion.oldest) is needed, \
                which Docker 20.10 has and every later one
                """
            )
        }
        let version = EngineVersion(
            engine: EngineError.legible(engine),
            apiVersion: max(min(newest, .newest), oldest ?? .oldest)
        )
        state.withLock { $0.version = version }
        return version
    }

    /// Asks whether the daemon answers within `limit`, the cheapest question there is.
    package func ping(within limit: Duration) async throws(EngineError) {
        let answer = try await sendUnversioned("/_ping", within: limit)
        guard answer.status == 200 else { throw EngineTransport.failure(answer) }
    }

    /// Ends every connection. What is still asked fails.
    package func shutdown() async {
        await attachments.closeAll()
        await transport.shutdown()
    }

    // MARK: For the calls

    /// The version to speak: the remembered one, else the daemon is asked.
    func spokenVersion() async throws(EngineError) -> APIVersion {
        if let version = state.withLock({ $0.version }) { return version.apiVersion }
        return try await version().apiVersion
    }

    /// Sends a request in the version spoken; answers that are errors are thrown but for `tolerated`.
    @discardableResult
    func call(_ request: EngineRequest, tolerating tolerated: Set<Int> = []) async throws(EngineError) -> EngineAnswer {
        let version = try await spokenVersion()
        let answer = try await forgettingVersion { () async throws(EngineError) in
            try await transport.send(request, version: version)
        }
        guard (200..<300).contains(answer.status) || tolerated.contains(answer.status) else {
            throw EngineTransport.failure(answer)
        }
        return answer
    }

    /// Runs `body`; a daemon that is gone may be another when it is back.
    func forgettingVersion<Value>(_ body: () async throws(EngineError) -> Value) async throws(EngineError) -> Value {
        do {
            return try await body()
        } catch {
            if case .unreachable = error { state.withLock { $0.version = nil } }
            throw error
        }
    }

    /// Logs what a daemon warns of, each text once.
    func warn(_ texts: [String]) {
        for text in texts.prefix(16).map(EngineError.legible) {
            let isNew = state.withLock { $0.warnings.count < 100 && $0.warnings.insert(text).inserted }
            if isNew { logger.warning("The container engine warns", metadata: ["warning": "\(text)"]) }
        }
    }

    private func sendUnversioned(_ path: String, within limit: Duration? = nil) async throws(EngineError)
        -> EngineAnswer
    {
        try await forgettingVersion { () async throws(EngineError) in
            try await transport.send(
                EngineRequest(method: .GET, path: path, timeout: limit ?? transport.timeouts.query),
                version: nil
            )
        }
    }
}
