import Dispatch
import Execution
import GuestDriving
import GuestProtocol
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("A process of a guest")
struct GuestProcessTests {
    private let guest: FakeGuest
    private let process: GuestProcess
    private let counters = GuestCounters(countsProcessorTime: true)

    init() throws {
        guest = FakeGuest()
        guest.greet()
        let (connection, counters) = (guest.connection, counters)
        process = try connection.open(GuestOrder.process(cpuTime: nil)) {
            GuestProcess($0, of: connection, frameLimit: FrameReader.scriptLimit, counters: counters)
        }
    }

    /// Takes events until `isEnough`, or nothing comes.
    private func events(_ isEnough: ([GuestEvent]) -> Bool = { _ in false }) -> [GuestEvent] {
        var events: [GuestEvent] = []
        while !isEnough(events) {
            let more = process.next(until: .now)
            if more.isEmpty { break }
            events += more
        }
        return events
    }

    // MARK: Output and frames

    @Test("brings what it says in its order, in pieces of 64 KiB at most")
    func order() {
        guest.say(.stdout, 1, ByteBuffer(repeating: 1, count: 100_000))
        guest.say(.stderr, 1, "a")
        guest.say(.stderr, 1, "b")
        guest.frame(1, #"{"type":"done","exit_code":3}"#)
        guest.say(.stdout, 1)
        let expected: [GuestEvent] = [
            .output(.stdout, ByteBuffer(repeating: 1, count: 64 << 10)),
            .output(.stdout, ByteBuffer(repeating: 1, count: 100_000 - (64 << 10))),
            .output(.stderr, ByteBuffer(string: "ab")), .frame(.done(exitCode: 3)), .outputEnded(.stdout),
        ]
        #expect(events() == expected)
    }

    @Test("keeps no more than its window, however small its packets are")
    func smallPackets() {
        var stream = ByteBuffer()
        for index in 0..<20_000 {
            Packet.write(index.isMultiple(of: 2) ? .stdout : .stderr, of: 1, ByteBuffer(string: "x"), to: &stream)
        }
        guest.saySomething(stream)
        var bytes = 0
        for event in events() {
            guard case .output(_, let piece) = event else { continue }
            bytes += piece.readableBytes
            // A piece of a large buffer would keep all of that.
            #expect(piece.storageCapacity <= 64)
        }
        #expect(bytes == 20_000)
        #expect(guest.connection.ending == nil)
    }

    @Test("brings some hundred kilobytes at a time")
    func batches() {
        for _ in 0..<4 { guest.say(.stdout, 1, ByteBuffer(repeating: 1, count: Packet.maximumPayload)) }
        let sizes = process.next(until: .now).map {
            if case .output(_, let bytes) = $0 { bytes.readableBytes } else { 0 }
        }
        #expect(sizes.reduce(0, +) == 256 << 10)
    }

    @Test("may send its window and not one byte more")
    func window() async {
        for _ in 0..<4 { guest.say(.stdout, 1, ByteBuffer(repeating: 1, count: Packet.maximumPayload)) }
        #expect(guest.connection.ending == nil)
        guest.say(.stderr, 1, "x")
        #expect(await guest.isGivenUp())
    }

    @Test("is granted what was taken, output and frames, and not more")
    func grants() async throws {
        var sent = 0
        for round in 0..<40 {
            let size = 200_000
            if round.isMultiple(of: 2) {
                guest.say(.stdout, 1, ByteBuffer(repeating: 1, count: size))
            } else {
                guest.say(.data, 1, FakeGuest.frame(#"{"type":"ready","x":"\#(String(repeating: "x", count: size))"}"#))
            }
            sent += size
            _ = events()
        }
        #expect(guest.connection.ending == nil)
        let granted = guest.arrived(.credit).reduce(0) { sum, packet in
            sum
                + Int(
                    packet.payload.getInteger(at: packet.payload.readerIndex, endianness: .little, as: UInt32.self) ?? 0
                )
        }
        #expect((sent - Packet.window / 4...sent + 40 * 40).contains(granted))
    }

    @Test("may say a frame that is longer than its window, and is not heard any longer after one that is none")
    func frames() async throws {
        let connection = guest.connection
        let context = try connection.open(GuestOrder.process(cpuTime: nil)) {
            GuestProcess($0, of: connection, frameLimit: FrameReader.contextLimit, counters: counters)
        }
        var bytes = FakeGuest.frame(#"{"type":"opened","x":"\#(String(repeating: "x", count: 3 << 20))"}"#)
        var found: [GuestEvent] = []
        while let piece = bytes.readSlice(length: min(bytes.readableBytes, 200_000)), piece.readableBytes > 0 {
            guest.say(.data, 2, piece)
            found += context.next(until: .now)
        }
        #expect(found == [.frame(.opened)])
        guest.frame(2, #"{"type":"opened"}"#)
        guest.frame(2, "nonsense")
        guest.frame(2, #"{"type":"opened"}"#)
        #expect(context.next(until: .now) == [.frame(.opened), .garbled])
        #expect(connection.ending == nil)
    }

    // MARK: What is no message

    static let nonsense: [[(Packet.Kind, String)]] = [
        [(.data, "")], [(.answer, "{}")], [(.input, "x")], [(.cancel, "")], [(.credit, "12345")], [(.credit, "")],
        [(.credit, "\u{0}\u{0}\u{0}\u{0}")], [(.credit, "\u{1}\u{0}\u{0}\u{0}")], [(.stdout, ""), (.stdout, "")],
        [(.stdout, ""), (.stdout, "x")], [(.exit, "{}")], [(.exit, "x")], [(.exit, #"{"status":0}"#)],
        [(.exit, #"{"status":0,"usage":[]}"#)], [(.exit, #"{"status":4294967296,"usage":{}}"#)],
        [(.exit, #"{"status":0,"usage":{"cpu_us":-1}}"#)], [(.exit, #"{"status":0,"usage":{"cpu_us":1e3}}"#)],
        [(.exit, #"{"status":0,"usage":{"memory_peak":9223372036854775807}}"#)],
        [(.exit, #"{"status":0,"usage":{}}"#), (.exit, #"{"status":0,"usage":{}}"#)],
        [(.stdout, ""), (.stderr, ""), (.exit, #"{"status":0,"usage":{}}"#), (.data, "x")],
        [(.usage, "null")], [(.usage, #"{"processes":"1"}"#)], [(.usage, "{")],
        Array(repeating: (.usage, "{}"), count: 17),
    ]

    @Test("is given up with its guest for what makes no sense", arguments: nonsense)
    func unexpected(packets: [(Packet.Kind, String)]) async {
        for (kind, payload) in packets.dropLast() { guest.say(kind, 1, payload) }
        #expect(guest.connection.ending == nil)
        if let (kind, payload) = packets.last { guest.say(kind, 1, payload) }
        #expect(await guest.isGivenUp())
    }

    @Test("has a processor time that never falls")
    func processorTime() {
        guest.say(.usage, 1, #"{"cpu_us":9000,"memory_peak":5,"oom_kills":1,"processes":0}"#)
        guest.say(.usage, 1, #"{"cpu_us":1}"#)
        #expect(counters.processorTime == .milliseconds(9))
        #expect(counters.memoryPeak == 5 && counters.outOfMemoryKills == 1 && counters.hasSurvivors == false)
    }

    // MARK: What is sent

    @Test("gets its input in order and within its credit, while grants come at any moment")
    func input() async throws {
        var input = ByteBuffer()
        for number in 0..<UInt32(1 << 20) { input.writeInteger(number) }
        let granting = Task.detached {
            var granted = 0
            while granted < 4 << 20, !Task.isCancelled {
                let arrived = (guest.arrived(.data) + guest.arrived(.input)).reduce(0) { $0 + $1.payload.readableBytes }
                if arrived > granted { guest.grant(arrived - granted, 1) }
                granted = arrived
                await Task.yield()
            }
        }
        defer { granting.cancel() }
        var rest = input
        process.send(.data, rest.readSlice(length: 700_000) ?? ByteBuffer())
        while let piece = rest.readSlice(length: min(rest.readableBytes, 100_000)), piece.readableBytes > 0 {
            process.send(.input, piece)
        }
        process.send(.end, ByteBuffer())
        #expect(await eventually(within: .seconds(20), every: .milliseconds(5)) { guest.arrived(.end).count == 1 })
        var received = ByteBuffer()
        for packet in guest.arrived(.data) + guest.arrived(.input) { received.writeImmutableBuffer(packet.payload) }
        #expect(received == input)
        #expect(!guest.isBroken && guest.connection.ending == nil)
    }

    @Test("gets its input in order when a grant comes while it is sent")
    func grantInBetween() throws {
        let transport = SlowTransport()
        let connection = transport.connection
        let process = try connection.open(GuestOrder.process(cpuTime: nil)) {
            GuestProcess($0, of: connection, frameLimit: 100, counters: counters)
        }
        process.send(.data, ByteBuffer(repeating: 0, count: 700_000))
        var input = ByteBuffer()
        for number in 0..<UInt32(150_000) { input.writeInteger(number) }
        transport.grantDuringNextWrite(700_000, to: 1)
        process.send(.input, input)
        transport.waitForGrant()
        #expect(transport.input == input)
    }

    @Test("is sent something as long as a frame has not left, and no longer")
    func sending() {
        #expect(!process.isSending)
        process.send(.data, ByteBuffer(repeating: 1, count: Packet.window + 1))
        #expect(process.isSending)
        guest.grant(1, 1)
        #expect(!process.isSending)
        process.send(.input, ByteBuffer(repeating: 1, count: 1))
        #expect(!process.isSending)
    }

    @Test("gets no more than its window while it grants nothing")
    func noCredit() {
        process.send(.data, ByteBuffer(repeating: 1, count: 3 << 20))
        process.send(.end, ByteBuffer())
        #expect(guest.arrived(.data).reduce(0) { $0 + $1.payload.readableBytes } == Packet.window)
        #expect(guest.arrived(.end).isEmpty)
    }

    // MARK: Its beginning and its end

    @Test("is too late when it says nothing, and not when it has said something")
    func start() async throws {
        #expect(await process.firstFrame(within: .milliseconds(10)) == nil)
        #expect(process.result.lost == "it said nothing")
        let connection = guest.connection
        let other = try connection.open(GuestOrder.process(cpuTime: nil)) {
            GuestProcess($0, of: connection, frameLimit: 100, counters: counters)
        }
        guest.frame(2, #"{"type":"ready"}"#)
        #expect(await other.firstFrame(within: .zero) == .ready)
        #expect(other.result == GuestState())
    }

    static let beginnings: [(Packet.Kind, String)] = [
        (.stdout, "x"), (.stderr, ""), (.data, "\u{0}\u{0}\u{0}\u{0}"), (.exit, #"{"status":256,"usage":{}}"#),
    ]

    @Test("has not begun when anything but a frame comes first", arguments: beginnings)
    func beginning(kind: Packet.Kind, payload: String) async {
        async let first = process.firstFrame(within: .seconds(20))
        guest.say(kind, 1, payload)
        #expect(await first == nil)
    }

    @Test("is waited for no longer when the guest or the caller goes away")
    func abandonedStart() async throws {
        let waiting = Task { await process.firstFrame(within: .seconds(60)) }
        waiting.cancel()
        #expect(try await withoutHanging("the end of the wait") { await waiting.value } == nil)
        async let first = process.firstFrame(within: .seconds(60))
        guest.connection.end("it went away")
        #expect(await first == nil)
        #expect(process.result.lost == "it went away")
    }

    @Test("keeps nothing and is granted nothing when its driver has gone")
    func abandoned() async {
        do { _ = ContainerPort(process, counters: counters, input: nil) }
        for _ in 0..<4 { guest.say(.stdout, 1, ByteBuffer(repeating: 1, count: Packet.maximumPayload)) }
        #expect(events().isEmpty)
        #expect(guest.arrived(.credit).isEmpty && guest.connection.ending == nil)
        guest.say(.stdout, 1, "x")
        #expect(await guest.isGivenUp())
    }

    @Test("wakes its driver once for many packets")
    func doorbell() {
        for _ in 0..<1000 { guest.say(.stdout, 1, "x") }
        #expect(!events().isEmpty)
        // One ring was left, at most.
        _ = process.next(until: .now + .seconds(5))
        let start = ContinuousClock.now
        #expect(process.next(until: start + .milliseconds(50)).isEmpty)
        #expect(ContinuousClock.now >= start + .milliseconds(50))
    }
}

/// Brings a grant in the middle of a write, as another thread does.
private final class SlowTransport: GuestTransport {
    let connection = GuestConnection()
    private let granted = DispatchSemaphore(value: 0)
    private let state = Mutex(State())

    private struct State {
        var reader = Packet.Reader()
        var input = ByteBuffer()
        var grant: (bytes: Int, stream: UInt32)?
    }

    init() { connection.start(self) }

    var input: ByteBuffer { state.withLock { $0.input } }

    func grantDuringNextWrite(_ bytes: Int, to stream: UInt32) { state.withLock { $0.grant = (bytes, stream) } }

    func waitForGrant() { _ = granted.wait(timeout: .now() + 10) }

    func write(_ bytes: ByteBuffer) {
        if let grant = state.withLock({ $0.grant.take() }) {
            let isWritten = DispatchSemaphore(value: 0)
            do {
                try Thread.start { [self] in
                    connection.receive(Packet.credit(grant.bytes, of: grant.stream))
                    isWritten.signal()
                    granted.signal()
                }
            } catch {
                Issue.record(error)
            }
            // Long enough for whoever can overtake us; nobody may.
            _ = isWritten.wait(timeout: .now() + .milliseconds(300))
        }
        state.withLock { state in
            state.reader.append(bytes)
            while let packet = try? state.reader.next() {
                if packet.kind == .input { state.input.writeImmutableBuffer(packet.payload) }
            }
        }
    }

    func close() {}
}
