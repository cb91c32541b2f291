import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("Containers of a real daemon", .needs(.docker), .timeLimit(.minutes(5)))
struct DockerEngineTests {
    @Test("the daemon says what it is, and answers pings")
    func version() async throws {
        try await EngineScope.run { scope in
            let version = try await scope.engine.version()
            #expect(version.apiVersion >= .oldest)
            #expect(!version.engine.isEmpty)
            try await scope.engine.ping(within: .seconds(10))
        }
    }

    @Test("an image has an id and labels; one that is absent is nil")
    func images() async throws {
        try await EngineScope.run { scope in
            let found = try await scope.engine.image(DockerDaemon.tinyImage)
            let image = try #require(found)
            #expect(image.id.hasPrefix("sha256:") && image.labels["tests"] == "tiny")
            let absent = try await scope.engine.image("none/such:at-all")
            #expect(absent == nil)
            await #expect(throws: EngineError.self) { _ = try await scope.engine.image("odd name?x=1") }
        }
    }

    @Test("a container of an image that is absent is not found")
    func absentImage() async throws {
        try await EngineScope.run { scope in
            let error = await #expect(throws: EngineError.self) {
                _ = try await scope.create("true") { $0.image = "none/such:at-all" }
            }
            guard case .notFound(let message) = error else {
                return #expect(Bool(false), "\(String(describing: error))")
            }
            #expect(message.contains("none/such"))
        }
    }

    @Test("a pull that fails says why")
    func pullFails() async throws {
        try await EngineScope.run { scope in
            let error = await #expect(throws: EngineError.self) {
                // Nobody listens on that port, so no registry is asked.
                try await scope.engine.pull("127.0.0.1:1/none:such") { _ in }
            }
            guard case .refused(_, let message) = error else {
                return #expect(Bool(false), "\(String(describing: error))")
            }
            #expect(message.contains("127.0.0.1:1"), "\(message)")
        }
    }

    @Test("the two outputs come apart, then the end, and the exit code stays")
    func outputs() async throws {
        try await EngineScope.run { scope in
            let it = try await scope.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
            #expect(await it.streams.closed())
            #expect(it.streams.output == "out\n" && it.streams.error == "err\n" && it.streams.closings == ["end"])
            let hasExited = await eventually { (try? await scope.engine.inspect(it.id))??.running == false }
            #expect(hasExited)
            let found = try await scope.engine.inspect(it.id)
            let state = try #require(found)
            #expect(state.exitCode == 3 && !state.oomKilled && state.status == "exited" && state.pid == 0)
        }
    }

    @Test("ten megabytes go in and come back the same, while the reader pauses")
    func echo() async throws {
        try await EngineScope.run { scope in
            let it = try await scope.run(["cat"])
            let bytes = (0..<10 << 20).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
            it.stream.setReading(false)
            for piece in stride(from: 0, to: bytes.count, by: 100_000) {
                it.stream.write(ByteBuffer(bytes: bytes[piece..<min(piece + 100_000, bytes.count)]))
            }
            // Nobody reads: pipes and sockets fill up, and the rest stays with us.
            let held = await eventually { it.stream.unsentBytes < 10 << 20 && it.stream.unsentBytes > 4 << 20 }
            #expect(held, "\(it.stream.unsentBytes)")
            var before = -1
            let stands = await eventually(every: .milliseconds(300)) {
                defer { before = it.streams.outputCount }
                return it.streams.outputCount == before
            }
            #expect(stands && it.streams.outputCount < 4 << 20, "\(it.streams.outputCount)")
            it.stream.setReading(true)
            #expect(await eventually(within: .seconds(60)) { it.streams.outputCount == bytes.count })
            #expect(it.streams.state.withLock { $0.output == bytes })
            #expect(it.stream.unsentBytes == 0)
            it.stream.close()
            #expect(await it.streams.closed())
            #expect(it.streams.closings == ["end"])
            // StdinOnce: with us its standard input ends, and cat with it.
            let hasExited = await eventually { (try? await scope.engine.inspect(it.id))??.status == "exited" }
            #expect(hasExited)
        }
    }

    @Test("a container that is absent is not found by attach, start and pause, and nil to inspect")
    func absentContainer() async throws {
        try await EngineScope.run { scope in
            let id = String(repeating: "0", count: 64)
            let engine = scope.engine
            for call in [
                { _ = try await ContainerStreams().attach(engine, id) }, { try await engine.start(id) },
                { try await engine.pause(id) },
            ] as [@Sendable () async throws -> Void] {
                let error = await #expect(throws: EngineError.self) { try await call() }
                guard case .notFound = error else {
                    #expect(Bool(false), "\(String(describing: error))")
                    continue
                }
            }
            let inspected = try await engine.inspect(id)
            #expect(inspected == nil)
        }
    }

    @Test("killed and removed containers are gone, however often that is asked")
    func killAndRemove() async throws {
        try await EngineScope.run { scope in
            let it = try await scope.run(["sleep", "600"])
            let running = try await scope.engine.inspect(it.id)
            #expect(running?.running == true)
            try await scope.engine.start(it.id)
            try await scope.engine.kill(it.id)
            #expect(await it.streams.closed())
            let hasExited = await eventually { (try? await scope.engine.inspect(it.id))??.exitCode == 137 }
            #expect(hasExited)
            try await scope.engine.kill(it.id)
            async let first: Void = scope.engine.remove(it.id)
            async let second: Void = scope.engine.remove(it.id)
            _ = try await (first, second)
            try await scope.engine.remove(it.id)
            try await scope.engine.kill(it.id)
            let removed = try await scope.engine.inspect(it.id)
            #expect(removed == nil)
        }
    }

    @Test("a paused container stands still until it is thawed, and may be asked twice")
    func pause() async throws {
        try await EngineScope.run { scope in
            let it = try await scope.run(["cat"])
            for _ in 0..<2 { try await scope.engine.pause(it.id) }
            let found = try await scope.engine.inspect(it.id)
            let state = try #require(found)
            #expect(state.paused && state.running && state.pid > 0)
            it.stream.write(ByteBuffer(string: "hello"))
            for _ in 0..<2 { try await scope.engine.unpause(it.id) }
            #expect(await eventually { it.streams.output == "hello" })
            let thawed = try await scope.engine.inspect(it.id)
            #expect(thawed?.paused == false)
        }
    }

    @Test("a container that needs more memory than it has says so")
    func outOfMemory() async throws {
        try await EngineScope.run { scope in
            let it = try await scope.run(["dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1"])
            #expect(await it.streams.closed())
            let isKnown = await eventually { (try? await scope.engine.inspect(it.id))??.oomKilled == true }
            #expect(isKnown)
            let killed = try await scope.engine.inspect(it.id)
            #expect(killed?.exitCode == 137)
        }
    }

    @Test("containers are listed by their labels, whether they run or not")
    func list() async throws {
        try await EngineScope.run { scope in
            let idle = try await scope.create("true") { $0.labels["kind"] = "a=b,c" }
            let running = try await scope.run(["sleep", "600"])
            let all = try await scope.engine.list(labels: scope.labels)
            #expect(Set(all.map(\.id)) == [idle, running.id])
            #expect(Set(all.map(\.state)) == ["created", "running"])
            #expect(all.allSatisfy { $0.created > 1_600_000_000 })
            let some = try await scope.engine.list(labels: scope.labels.merging(["kind": "a=b,c"]) { $1 })
            #expect(some.map(\.id) == [idle] && some.first?.labels["kind"] == "a=b,c")
        }
    }

    @Test("the specification is what the container finds")
    func specification() async throws {
        try await EngineScope.run { scope in
            let script = """
                echo $A; pwd; echo x > /file || echo readonly; echo y > /tmp/file && cat /tmp/file
                while read name value; do case $name in Uid:|CapEff:|NoNewPrivs:|Seccomp:) echo $name $value;; esac; done < /proc/self/status
                while read line; do case $line in *:*lo:*|*:*eth0:*) echo $line;; esac; done < /proc/net/dev > /tmp/n; echo done
                """
            let it = try await scope.run(["sh", "-c", script]) { specification in
                specification.environment = ["A=some value"]
                specification.user = "1000:1000"
                specification.workingDirectory = "/work"
                specification.temporaryFileSystems = ["/tmp": "size=1m,mode=1777"]
                specification.seccompProfile = EngineSeccompProfile.json()
                specification.pidsLimit = 20
            }
            #expect(await it.streams.closed())
            let lines = it.streams.output.split(separator: "\n").map(String.init)
            #expect(
                lines == [
                    "some value", "/work", "readonly", "y", "Uid: 1000 1000 1000 1000", "CapEff: 0000000000000000",
                    "NoNewPrivs: 1", "Seccomp: 2",
                    "done",
                ],
                "\(lines) \(it.streams.error)"
            )
        }
    }

    @Test("a stream that is closed from within its own callback ends once, and says no more")
    func closedFromWithin() async throws {
        try await EngineScope.run { scope in
            let id = try await scope.create("sh", "-c", "while echo more; do echo more >&2; done")
            let streams = ContainerStreams()
            let holder = Mutex<EngineStream?>(nil)
            let stream = try await scope.engine.attach(
                id,
                onOutput: { _ in
                    streams.state.withLock { $0.output.append(1) }
                    holder.withLock { $0 }?.close()
                },
                onError: { _ in },
                onClosed: { error in streams.state.withLock { $0.closings.append(error.map { "\($0)" } ?? "end") } }
            )
            holder.withLock { $0 = stream }
            try await scope.engine.start(id)
            #expect(await streams.closed())
            #expect(streams.closings == ["end"] && streams.outputCount == 1, "\(streams.outputCount)")
            try await scope.engine.remove(id)
        }
    }

    @Test("an attach that is cancelled leaves no connection, and calls end at once")
    func cancelled() async throws {
        try await EngineScope.run { scope in
            let id = try await scope.create("cat")
            let task = Task { try await ContainerStreams().attach(scope.engine, id) }
            task.cancel()
            let result = await task.result
            if case .success(let stream) = result { stream.close() }
            let calls = Task { try await scope.engine.list(labels: [:]) }
            calls.cancel()
            if case .failure(let error) = await calls.result {
                guard case .unreachable? = error as? EngineError else { return #expect(Bool(false), "\(error)") }
            }
        }
    }
}
