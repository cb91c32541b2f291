import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("Events of a real daemon", .needs(.docker), .timeLimit(.minutes(5)))
struct EngineEventTests {
    /// Other tests use the same daemon, and its images are everybody's.
    private static func isOfContainer(_ event: EngineEvent) -> Bool {
        switch event.kind {
        case .oom, .die, .destroy: true
        default: false
        }
    }

    /// Reads events until `isLast`; nil when the stream ended before.
    private static func collect(
        _ events: AsyncThrowingStream<EngineEvent, any Error>,
        of isWanted: (EngineEvent) -> Bool = isOfContainer,
        onSubscribed: @escaping @Sendable () async throws -> Void,
        until isLast: (EngineEvent) -> Bool
    ) async throws -> [EngineEvent] {
        var all: [EngineEvent] = []
        for try await event in events {
            if event.kind == .subscribed { try await onSubscribed() } else if isWanted(event) { all.append(event) }
            if isLast(event) { return all }
        }
        return all
    }

    @Test("tell how containers of the labels end, and of no others")
    func deaths() async throws {
        try await EngineScope.run { scope in
            let first = Mutex("")
            let events = try await Self.collect(scope.engine.events(labels: scope.labels)) {
                let foreign = try await scope.create("true") { $0.labels = ["code-interpreter-test": "foreign"] }
                try await scope.engine.start(foreign)
                try await scope.engine.remove(foreign)
                let it = try await scope.run(["sh", "-c", "exit 7"])
                _ = await it.streams.closed()
                first.withLock { $0 = it.id }
                try await scope.engine.remove(it.id)
            } until: {
                $0.kind == .destroy
            }
            #expect(events.map(\.kind) == [.die(exitCode: 7), .destroy], "\(events)")
            #expect(Set(events.map(\.id)) == [first.withLock { $0 }])
            #expect(events.first?.attributes["image"] == DockerDaemon.tinyImage)
        }
    }

    /// The container lives until that was told: an engine may lose the event of one that ends in the same moment.
    @Test("tell that the kernel killed for memory")
    func outOfMemory() async throws {
        try await EngineScope.run { scope in
            let kinds = try await Self.collect(scope.engine.events(labels: scope.labels)) {
                let container = Mutex("")
                _ = try await Self.collect(scope.engine.events(labels: scope.labels)) {
                    let script = "dd if=/dev/zero of=/dev/null bs=256M count=1; sleep 600"
                    let it = try await scope.run(["sh", "-c", script])
                    container.withLock { $0 = it.id }
                } until: {
                    $0.kind == .oom
                }
                try await scope.engine.kill(container.withLock { $0 })
            } until: {
                if case .die = $0.kind { true } else { false }
            }.map(\.kind)
            #expect(kinds == [.oom, .die(exitCode: 137)])
        }
    }

    @Test("tell when an image is tagged and goes")
    func images() async throws {
        try await EngineScope.run { scope in
            let events = scope.engine.events(labels: scope.labels)
            let kinds = try await Self.collect(events, of: { !Self.isOfContainer($0) }) {
                let tag = "repo=code-interpreter-tests&tag=other"
                let tagged = try await scope.daemon.send("POST", "/images/\(DockerDaemon.tinyImage)/tag?\(tag)")
                #expect(tagged.status == 201)
                let removed = try await scope.daemon.send("DELETE", "/images/code-interpreter-tests:other")
                #expect(removed.status == 200)
            } until: {
                $0.kind == .imageUntag
            }.map(\.kind)
            #expect(kinds == [.imageTag, .imageUntag])
        }
    }

    @Test("end with an error when the daemon goes away; when it is back, calls work again")
    func restart() async throws {
        let daemon = try await DockerDaemon.start()
        do {
            try await EngineScope.run(on: daemon) { scope in
                let it = try await scope.run(["cat"])
                let error = await #expect(throws: EngineError.self) {
                    _ = try await Self.collect(scope.engine.events(labels: scope.labels)) {
                        try await daemon.restart()
                    } until: { _ in
                        false
                    }
                }
                guard case .unreachable = error else { return #expect(Bool(false), "\(String(describing: error))") }
                #expect(await it.streams.closed())
                let now = try await scope.engine.inspect(it.id)
                #expect(now?.running == false)
                let again = try await scope.run(["sh", "-c", "echo again"])
                #expect(await again.streams.closed())
                #expect(again.streams.output == "again\n")
            }
        } catch {
            await daemon.stop()
            throw error
        }
        await daemon.stop()
        #expect(!Host.directory("/tmp").contains { daemon.host.hasSuffix("/\($0)/docker.sock") })
        let endpoint = try DockerEndpoint(dockerHost: daemon.host, environment: [:])
        try await FakeDaemon.withEngine(endpoint) { engine in
            let error = await #expect(throws: EngineError.self) { try await engine.ping(within: .seconds(10)) }
            guard case .unreachable(let message) = error else {
                return #expect(Bool(false), "\(String(describing: error))")
            }
            #expect(message.contains("no such socket"), "\(message)")
        }
    }
}
