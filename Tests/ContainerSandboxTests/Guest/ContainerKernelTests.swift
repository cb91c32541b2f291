import Execution
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("Contexts in a container")
struct ContainerKernelTests {
    /// Answers the frames that a context gets with those that `answers` says, one after the other.
    private static func context(_ answers: [[String]]) -> FakeGuest.Play {
        let rest = Mutex(answers)
        return FakeGuest.running { guest, stream in
            for frame in rest.withLock({ $0.isEmpty ? [] : $0.removeFirst() }) { guest.frame(stream, frame) }
        }
    }

    private static let opened = #"{"type":"opened"}"#

    private func open(_ fake: FakeSandbox) async throws -> any Kernel {
        try await withoutHanging("a context") {
            try await fake.sandbox.openKernel(language: "python", directory: "/workspace")
        }
    }

    @Test("run cells, and end when nobody refers to them")
    func cells() async throws {
        let guest = FakeGuest(
            Self.context([
                [Self.opened],
                [#"{"type":"started","id":1,"execution_count":4}"#, #"{"type":"done","id":1}"#],
            ])
        )
        let fake = try await FakeSandbox(guest, kind: .notebook)
        do {
            let kernel = try await open(fake)
            let events = Mutex<[CellEvent]>([])
            let ending = await kernel.run(Cell(code: "1")) { event in events.withLock { $0.append(event) } }
            #expect(ending == CellEnding())
            #expect(events.withLock { $0 } == [.started(executionCount: 4)])
        }
        #expect(await eventually { guest.arrived(.signal).contains { $0.payload == ByteBuffer(bytes: [9]) } })
    }

    @Test("that answer for a cell they were not sent whole are killed")
    func answerTooEarly() async throws {
        let play = Self.context([
            [Self.opened],
            [#"{"type":"started","id":1,"execution_count":4}"#, #"{"type":"done","id":1}"#],
        ])
        // It grants nothing.
        let guest = FakeGuest { guest, packet in
            play(guest, packet)
            if packet.kind == .signal { guest.finish(packet.stream, status: 9) }
        }
        let fake = try await FakeSandbox(guest, kind: .notebook)
        let kernel = try await open(fake)
        let events = Mutex<[CellEvent]>([])
        let cell = Cell(code: String(repeating: "x", count: 3 << 20))
        let ending = await kernel.run(cell) { event in events.withLock { $0.append(event) } }
        #expect(ending.death == .garbled)
        #expect(events.withLock { $0 }.isEmpty)
    }

    @Test("have the next process begun in advance")
    func ahead() async throws {
        let guest = FakeGuest(Self.context([[Self.opened], [Self.opened]]))
        let fake = try await FakeSandbox(guest, kind: .notebook)
        _ = try await open(fake)
        #expect(await eventually { guest.arrived(.open).count == 2 })
        _ = try await open(fake)
        #expect(await eventually { guest.arrived(.open).count >= 3 })
    }

    @Test("die with their guest, which ends their cell")
    func lost() async throws {
        let guest = FakeGuest(Self.context([[Self.opened], [#"{"type":"started","id":1,"execution_count":1}"#]]))
        let fake = try await FakeSandbox(guest, kind: .notebook)
        let kernel = try await open(fake)
        let ending = await kernel.run(Cell(code: "1")) { _ in guest.connection.end("it went away") }
        #expect(ending.death == .lost("it went away"))
        #expect(!fake.sandbox.isAlive)
        await #expect(throws: SandboxError.lost("it went away")) { try await open(fake) }
    }

    @Test("that cannot start are no end of the others'")
    func cannotStart() async throws {
        let processes = Mutex(0)
        let guest = FakeGuest { guest, packet in
            guard packet.kind == .open, guest.type(of: packet.stream) == "process" else { return }
            let isFirst = processes.withLock { count in
                count += 1
                return count == 1
            }
            if isFirst { guest.frame(packet.stream, #"{"type":"ready"}"#) }
            guest.finish(packet.stream, status: 256)
        }
        let fake = try await FakeSandbox(guest, kind: .notebook)
        #expect(await eventually { guest.connection.ending == nil && guest.arrived(.open).count == 1 })
        await #expect(throws: SandboxError.setup("its process ended")) { try await open(fake) }
        #expect(fake.sandbox.isAlive)
    }

    @Test("nobody wants any longer while they start take nothing with them")
    func cancelledStart() async throws {
        let processes = Mutex(0)
        let guest = FakeGuest { guest, packet in
            guard packet.kind == .open, guest.type(of: packet.stream) == "process" else { return }
            let count = processes.withLock { count in
                count += 1
                return count
            }
            // The first one dies, the second one never becomes ready.
            if count == 1 {
                guest.frame(packet.stream, #"{"type":"ready"}"#)
                guest.finish(packet.stream)
            }
        }
        let fake = try await FakeSandbox(guest, kind: .notebook)
        let opening = Task { try await open(fake) }
        #expect(await eventually { processes.withLock { $0 } >= 2 })
        opening.cancel()
        await #expect(throws: CancellationError.self) { try await opening.value }
        #expect(fake.sandbox.isAlive)
    }

    @Test("that say they are open when they were killed already are not")
    func openedTooLate() async throws {
        let guest = FakeGuest { guest, packet in
            FakeGuest.helpful()(guest, packet)
            guard packet.kind == .signal else { return }
            guest.frame(packet.stream, Self.opened)
            guest.finish(packet.stream, status: 9)
        }
        let fake = try await FakeSandbox(guest, kind: .notebook)
        let opening = Task { try await open(fake) }
        #expect(await eventually { !guest.arrived(.data).isEmpty })
        opening.cancel()
        await #expect(throws: CancellationError.self) { try await opening.value }
    }

    @Test("that a guest never warms are an error, and cancelled making is cancelled")
    func neverWarm() async throws {
        var settings = FakeSandbox.settings
        settings.startTime = .milliseconds(20)
        let soon = settings
        await #expect {
            try await withoutHanging("making") { try await Self.make(soon) }
        } throws: { error in
            guard case SandboxError.setup = error else { return false }
            return true
        }
        let making = Task { try await withoutHanging("making") { try await Self.make(FakeSandbox.settings) } }
        making.cancel()
        await #expect(throws: CancellationError.self) { try await making.value }
    }

    private static func make(_ settings: ContainerSettings) async throws {
        let deaf = FakeGuest()
        _ = try await FakeSandbox.make(deaf, FakeContainer(deaf.connection), .notebook, settings)
    }

    @Test("rest in their container, but not while its guest owes an answer")
    func pausing() async throws {
        let held = FakeGuest { guest, packet in
            if guest.type(of: packet.stream) == "process" { guest.frame(packet.stream, #"{"type":"ready"}"#) }
        }
        let fake = try await FakeSandbox(held, kind: .notebook)
        async let listing = fake.sandbox.tree.list(TreePath([]), limit: 10)
        let stream = try await held.stream("list")
        fake.sandbox.setFrozen(true)
        #expect(fake.container.pauses == [])
        held.answer(stream, #"{"truncated":false}"#)
        #expect(try await listing.entries.isEmpty)
        #expect(fake.container.pauses == [true])
        async let removal: Void = fake.sandbox.tree.remove(TreePath("x".utf8))
        let other = try await held.stream("remove")
        #expect(await eventually(every: .milliseconds(1)) { fake.container.pauses == [true, false] })
        fake.sandbox.setFrozen(false)
        held.answer(other)
        try await removal
        #expect(fake.container.pauses == [true, false])
    }
}
