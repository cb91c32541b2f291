import Execution
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("Programs in a container")
struct ContainerRunTests {
    /// Runs `program` and ends it when it is to be killed.
    private static func heeding(_ program: @escaping @Sendable (FakeGuest, UInt32) -> Void) -> FakeGuest.Play {
        let running = Mutex<UInt32>(0)
        return { guest, packet in
            if guest.type(of: packet.stream) == "kill" { guest.finish(running.withLock { $0 }, status: 9) }
            FakeGuest.running { guest, stream in
                running.withLock { $0 = stream }
                program(guest, stream)
            }(guest, packet)
        }
    }

    private static let done = #"{"type":"done","exit_code":7}"#

    @Test("run, with input and output")
    func program() async throws {
        let guest = FakeGuest(
            patience: .seconds(20),
            FakeGuest.helpful { guest, packet in
                guard guest.type(of: packet.stream) == "process" else { return }
                if packet.kind == .input { guest.say(.stdout, packet.stream, packet.payload) }
                guard packet.kind == .end else { return }
                guest.say(.usage, packet.stream, #"{"cpu_us":2000,"processes":0}"#)
                guest.say(.stderr, packet.stream, "oh")
                guest.frame(packet.stream, Self.done)
                guest.finish(packet.stream)
            }
        )
        let fake = try await FakeSandbox(guest)
        #expect(fake.sandbox.isAlive && !fake.sandbox.mayHaveStarted)
        let printed = Mutex<[OutputStream: String]>([:])
        let outcome = try await fake.run(Script(code: "1", standardInput: "in")) { stream, bytes in
            printed.withLock { $0[stream, default: ""] += String(buffer: bytes) }
        }
        #expect(outcome.ending == .exited(7))
        #expect(outcome.cpuTime == .milliseconds(2))
        #expect(printed.withLock { $0 } == [.stdout: "in", .stderr: "oh"])
        #expect(!fake.sandbox.isAlive && fake.sandbox.mayHaveStarted)
        // Nobody is left, says the guest.
        #expect(!guest.arrived(.open).contains { guest.type(of: $0.stream) == "kill" })
        await fake.sandbox.destroy()
        #expect(guest.isClosed && fake.container.removals == 1)
    }

    @Test(
        "that leave something behind are killed before their files are looked at",
        arguments: [#"{"processes":1}"#, "{}"]
    )
    func survivors(usage: String) async throws {
        let guest = FakeGuest(FakeGuest.running { $0.finish($1, usage: usage) })
        let fake = try await FakeSandbox(guest)
        #expect(try await fake.run().ending == .exited(0))
        #expect(guest.arrived(.open).contains { guest.type(of: $0.stream) == "kill" })
    }

    @Test(
        "end as their status says, whatever that is",
        arguments: [(256, 1), (9, nil), (0x7f, nil), (-1, nil), (1 << 20, 0)]
    )
    func statuses(status: Int, code: Int?) async throws {
        let fake = try await FakeSandbox(FakeGuest(FakeGuest.running { $0.finish($1, status: status) }))
        let outcome = try await fake.run()
        if let code {
            #expect(outcome.ending == .exited(code))
        } else {
            #expect(outcome.ending == .signalled(status & 0x7f))
        }
    }

    @Test("are stopped at their time, by the container's end where the guest does not heed")
    func deafGuest() async throws {
        let guest = FakeGuest { guest, packet in
            switch guest.type(of: packet.stream) {
            case "process" where packet.kind == .open: guest.frame(packet.stream, #"{"type":"ready"}"#)
            case "stage" where packet.kind == .end: guest.answer(packet.stream)
            default: break
            }
        }
        let fake = try await FakeSandbox(guest)
        #expect(try await fake.run(wallTime: .milliseconds(20)).ending == .timedOut)
        #expect(fake.container.removals > 0)
    }

    @Test("are stopped at their time by a guest that heeds")
    func timeLimit() async throws {
        let fake = try await FakeSandbox(FakeGuest(Self.heeding { _, _ in }))
        #expect(try await fake.run(wallTime: .milliseconds(20)).ending == .timedOut)
        #expect(fake.container.removals == 0)
    }

    @Test("that print without end are stopped")
    func flood() async throws {
        let isKilled = Mutex(false)
        let play = Self.heeding { _, _ in }
        let guest = FakeGuest { guest, packet in
            if guest.type(of: packet.stream) == "kill" { isKilled.withLock { $0 = true } }
            play(guest, packet)
            guard guest.type(of: packet.stream) == "process", packet.kind == .data || packet.kind == .credit,
                !isKilled.withLock({ $0 })
            else { return }
            let count = packet.kind == .data ? 3 : 1
            for _ in 0..<count { guest.say(.stdout, packet.stream, ByteBuffer(repeating: 65, count: 256 << 10)) }
        }
        let outcome = try await FakeSandbox(guest).run()
        #expect(outcome.ending == .outputLimit)
        #expect(outcome.truncatedStreams == [.stdout])
    }

    @Test("are lost with their guest, at any moment", arguments: 1...6)
    func lost(moment: Int) async throws {
        let packets = Mutex(0)
        let guest = FakeGuest { guest, packet in
            let count = packets.withLock { count in
                count += 1
                return count
            }
            FakeGuest.helpful()(guest, packet)
            if count == moment { guest.connection.end("it went away") }
        }
        do {
            let fake = try await FakeSandbox(guest)
            _ = try await fake.run(Script(code: "1", standardInput: "x"))
            Issue.record("it ran")
        } catch SandboxError.lost, SandboxError.setup {
            // As it is to be.
        }
    }

    @Test("that the guest speaks nonsense about are lost")
    func garbage() async throws {
        let fake = try await FakeSandbox(FakeGuest(FakeGuest.running { $0.say(.answer, $1, "{}") }))
        await #expect(throws: SandboxError.lost("it said what is no message")) { try await fake.run() }
    }

    @Test(
        "that the kernel killed with their container ran out of memory, also when they had ended",
        arguments: [true, false]
    )
    func outOfMemory(hasEnded: Bool) async throws {
        let guest = FakeGuest(
            FakeGuest.running { guest, stream in
                if hasEnded { guest.say(.exit, stream, #"{"status":0,"usage":{}}"#) }
                guest.connection.end("its container ran out of memory", isOutOfMemory: true)
            }
        )
        let outcome = try await FakeSandbox(guest).run()
        #expect(outcome.ending == (hasEnded ? .exited(0) : .memoryLimit))
        #expect(outcome.wasMemoryLimitHit)
    }

    @Test("are killed when nobody wants them any longer")
    func cancelled() async throws {
        let running = Mutex(false)
        let guest = FakeGuest(Self.heeding { _, _ in running.withLock { $0 = true } })
        let fake = try await FakeSandbox(guest)
        let run = Task { try await fake.run() }
        #expect(await eventually(every: .milliseconds(1)) { running.withLock { $0 } })
        run.cancel()
        await #expect(throws: CancellationError.self) { try await run.value }
        #expect(await eventually { guest.arrived(.open).contains { guest.type(of: $0.stream) == "kill" } })
    }

    @Test("that say they are done again and again, and that tell of a time that falls, end once")
    func oddities() async throws {
        let guest = FakeGuest(
            FakeGuest.running { guest, stream in
                guest.say(.usage, stream, #"{"cpu_us":9007199254740992}"#)
                guest.frame(stream, Self.done)
                guest.frame(stream, #"{"type":"done","exit_code":8}"#)
                guest.frame(stream, "nonsense")
                guest.finish(stream, usage: #"{"cpu_us":0}"#)
            }
        )
        let outcome = try await FakeSandbox(guest).run()
        #expect(outcome.ending == .exited(7) || outcome.ending == .cpuLimit)
        #expect(try #require(outcome.cpuTime) >= .zero)
    }
}
