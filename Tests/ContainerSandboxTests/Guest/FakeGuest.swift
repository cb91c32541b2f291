import Dispatch
import Execution
import JSON
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import ContainerSandbox

/// A guest without a container: what the server sends is recorded and played with, and anything can be said to it.
final class FakeGuest: GuestTransport {
    /// What a guest does when a packet arrives; called in order, from one thread at a time.
    typealias Play = @Sendable (FakeGuest, Packet) -> Void

    let connection: GuestConnection
    private let play: Play
    private let queue = DispatchQueue(label: "fake guest")
    private let speaking = Mutex(())
    private let state = Mutex(State())

    private struct State {
        var reader = Packet.Reader()
        var arrived: [Packet] = []
        var types: [UInt32: String] = [:]
        var isClosed = false
        var isBroken = false
    }

    init(patience: Duration = .seconds(20), _ play: @escaping Play = { _, _ in }) {
        connection = GuestConnection(patience: patience)
        self.play = play
        connection.start(self)
    }

    // MARK: The transport

    func write(_ bytes: ByteBuffer) {
        state.withLock { state in
            state.reader.append(bytes)
            do {
                while let packet = try state.reader.next() {
                    state.arrived.append(packet)
                    if packet.kind == .open {
                        state.types[packet.stream] = JSONValue.object(in: packet.payload)?["type"]?.string
                    }
                    queue.async { self.play(self, packet) }
                }
            } catch {
                state.isBroken = true
            }
        }
    }

    func close() { state.withLock { $0.isClosed = true } }

    // MARK: What tests look at

    var isClosed: Bool { state.withLock { $0.isClosed } }
    /// Whether the server said what is no packet.
    var isBroken: Bool { state.withLock { $0.isBroken } }

    /// What a stream was opened with.
    func type(of stream: UInt32) -> String? { state.withLock { $0.types[stream] } }

    func arrived(_ kind: Packet.Kind) -> [Packet] { state.withLock { $0.arrived.filter { $0.kind == kind } } }

    /// Waits for the first stream of that type.
    func stream(_ type: String) async throws -> UInt32 {
        var found: UInt32?
        _ = await eventually(within: .seconds(5), every: .milliseconds(1)) {
            found = self.state.withLock { $0.types.first { $0.value == type }?.key }
            return found != nil
        }
        return try #require(found, "no stream of type \(type)")
    }

    /// Waits until the server has given this guest up.
    func isGivenUp() async -> Bool {
        await eventually(within: .seconds(5), every: .milliseconds(1)) {
            self.connection.ending != nil && self.isClosed
        }
    }

    // MARK: What it says

    func say(_ kind: Packet.Kind, _ stream: UInt32, _ payload: ByteBuffer = ByteBuffer()) {
        saySomething(Packet.bytes(kind, of: stream, payload))
    }

    func say(_ kind: Packet.Kind, _ stream: UInt32, _ text: String) { say(kind, stream, ByteBuffer(string: text)) }

    func saySomething(_ bytes: ByteBuffer) { speaking.withLock { _ in connection.receive(bytes) } }

    func greet(counting: Bool = true) {
        say(
            .ready,
            0,
            #"{"protocol":1,"kind":"bare","uid":1,"separate":true,"apart":true,"languages":[],"#
                + #""counted":{"memory":\#(counting),"cpu":\#(counting)}}"#
        )
    }

    /// One frame of a process.
    func frame(_ stream: UInt32, _ json: String) { say(.data, stream, Self.frame(json)) }

    static func frame(_ json: String) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(UInt32(json.utf8.count), endianness: .little)
        bytes.writeString(json)
        return bytes
    }

    func grant(_ bytes: Int, _ stream: UInt32) { saySomething(Packet.credit(bytes, of: stream)) }

    func answer(_ stream: UInt32, _ result: String = "{}") { say(.answer, stream, #"{"result":\#(result)}"#) }

    /// The end of a program: both outputs, and the process.
    func finish(_ stream: UInt32, status: Int = 0, usage: String = "{}") {
        say(.stdout, stream)
        say(.stderr, stream)
        say(.exit, stream, #"{"status":\#(status),"usage":\#(usage)}"#)
    }

    // MARK: Ready plays

    /// Forks processes and answers what has no content; `then` plays on.
    static func helpful(_ then: @escaping Play = { _, _ in }) -> Play {
        { guest, packet in
            switch (packet.kind, guest.type(of: packet.stream)) {
            case (.open, "process"): guest.frame(packet.stream, #"{"type":"ready"}"#)
            case (.open, "kill"), (.open, "close"), (.open, "remove"): guest.answer(packet.stream)
            case (.end, "stage"): guest.answer(packet.stream, #"{"size":1}"#)
            case (.data, "stage"), (.data, "write"): guest.grant(packet.payload.readableBytes, packet.stream)
            case (.cancel, _): guest.say(.answer, packet.stream, #"{"error":"cancelled","message":""}"#)
            default: break
            }
            then(guest, packet)
        }
    }

    /// Plays when the program is handed over.
    static func running(_ program: @escaping @Sendable (FakeGuest, UInt32) -> Void) -> Play {
        helpful { guest, packet in
            if packet.kind == .data, guest.type(of: packet.stream) == "process" { program(guest, packet.stream) }
        }
    }
}

/// A container without an engine: removing it ends the connection, as the end of a real one does.
final class FakeContainer: ContainerHandle {
    private let connection: GuestConnection
    private let state = Mutex((removals: 0, pauses: [Bool]()))

    init(_ connection: GuestConnection) { self.connection = connection }

    var removals: Int { state.withLock { $0.removals } }
    var pauses: [Bool] { state.withLock { $0.pauses } }

    func remove() async {
        state.withLock { $0.removals += 1 }
        connection.end("its container ended")
    }

    func setPaused(_ isPaused: Bool) { state.withLock { $0.pauses.append(isPaused) } }
}

/// A sandbox of a fake guest.
struct FakeSandbox {
    let guest: FakeGuest
    let container: FakeContainer
    let sandbox: ContainerSandbox

    init(_ guest: FakeGuest, kind: SandboxKind = .bare, settings: ContainerSettings = FakeSandbox.settings) async throws
    {
        self.guest = guest
        let container = FakeContainer(guest.connection)
        self.container = container
        guest.greet()
        sandbox = try await withoutHanging("a sandbox") {
            try await Self.make(guest, container, kind, settings)
        }
    }

    static func make(
        _ guest: FakeGuest,
        _ container: FakeContainer,
        _ kind: SandboxKind,
        _ settings: ContainerSettings
    ) async throws -> ContainerSandbox {
        try await ContainerSandbox(
            SandboxID(1),
            kind: kind,
            connection: guest.connection,
            container: container,
            settings: settings,
            threads: .singleton
        )
    }

    static var settings: ContainerSettings {
        var settings = ContainerSettings()
        settings.startTime = .seconds(10)
        settings.killTime = .milliseconds(100)
        return settings
    }

    func run(
        _ script: Script = Script(code: "1", standardInput: nil, isLastLineInteractive: false),
        wallTime: Duration = .seconds(20),
        output: @escaping @Sendable (OutputStream, ByteBuffer) -> Void = { _, _ in }
    ) async throws -> Outcome {
        let limits = ExecutionLimits(
            wallTime: wallTime,
            cpuTime: .seconds(5),
            outputBytes: 1 << 20,
            floodBytes: 64 << 20
        )
        return try await withoutHanging("a run") {
            try await sandbox.run(script, limits: limits, output: output)
        }
    }
}

/// Waits for what `body` gives, and goes on where it never does; a cancellation is passed on.
func withoutHanging<Value: Sendable>(
    _ what: String,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let slot = Slot<Value>()
    // Unstructured because a group waits for whoever does not end.
    let task = Task { slot.put(await Result { try await body() }) }
    return try await withTaskCancellationHandler {
        // Another one, as who is cancelled cannot sleep.
        await Task { _ = await eventually(within: .seconds(60), every: .milliseconds(1)) { slot.value != nil } }.value
        guard let value = slot.value else { throw Hangs(what: what) }
        return try value.get()
    } onCancel: {
        task.cancel()
    }
}

private final class Slot<Value: Sendable>: Sendable {
    private let content = Mutex<Result<Value, any Error>?>(nil)

    var value: Result<Value, any Error>? { content.withLock { $0 } }
    func put(_ value: Result<Value, any Error>) { content.withLock { $0 = value } }
}

extension Result where Success: Sendable, Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

private struct Hangs: Error {
    var what: String
}
