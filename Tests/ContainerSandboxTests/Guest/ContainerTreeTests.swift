import Execution
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("Files of a container")
struct ContainerTreeTests {
    private static func tree(_ guest: FakeGuest) -> ContainerTree { ContainerTree(connection: guest.connection) }

    private static func path(_ text: String) throws -> TreePath { try TreePath(text.utf8) }

    /// Says so much as soon as a stream of that type is opened.
    private static func saying(
        _ type: String,
        _ packets: [(Packet.Kind, ByteBuffer)],
        patience: Duration = .seconds(20)
    ) -> FakeGuest {
        FakeGuest(patience: patience) { guest, packet in
            guard packet.kind == .open else { return }
            switch guest.type(of: packet.stream) {
            case type: for (kind, payload) in packets { guest.say(kind, packet.stream, payload) }
            case "open": guest.answer(packet.stream, Self.opened)
            case "close": guest.answer(packet.stream)
            default: break
            }
        }
    }

    private static let opened = #"{"size":10,"seconds":-1,"nanoseconds":999999999,"tag":"\"1-a-ffff\""}"#

    private static func content(_ pieces: [ByteBuffer]) -> AsyncThrowingStream<ByteBuffer, any Error> {
        AsyncThrowingStream { continuation in
            for piece in pieces { continuation.yield(piece) }
            continuation.finish()
        }
    }

    private static func write(_ guest: FakeGuest, _ pieces: [ByteBuffer], limit: Int = 8 << 20) async throws
        -> TreeWritten
    {
        try await withoutHanging("a write") {
            try await tree(guest).write(path("a"), content: content(pieces), limit: limit, condition: .none)
        }
    }

    private static func read(_ file: TreeFile, _ length: Int) async throws -> Int {
        var bytes = 0
        for try await piece in file.read(0, length) {
            #expect(piece.readableBytes <= 256 << 10)
            bytes += piece.readableBytes
        }
        return bytes
    }

    // MARK: What good guests do

    @Test("are listed, wherever the guest cuts its lines")
    func list() async throws {
        let lines =
            #"{"name":"62","directory":false,"size":3,"seconds":1,"nanoseconds":2}"# + "\n"
            + #"{"name":"61ff","directory":true,"size":null,"seconds":-5,"nanoseconds":0}"# + "\n"
        let packets = lines.utf8.map { (Packet.Kind.data, ByteBuffer(bytes: [$0])) }
        let guest = Self.saying("list", packets + [(.answer, ByteBuffer(string: #"{"result":{"truncated":true}}"#))])
        let listing = try await Self.tree(guest).list(Self.path("d"), limit: 2)
        #expect(listing.isTruncated)
        #expect(listing.entries.map(\.name) == [[0x61, 0xff], [0x62]])
        #expect(listing.entries.map(\.size) == [nil, 3])
    }

    @Test("are read as they are asked for, and closed")
    func read() async throws {
        let left = Mutex(3 << 20)
        let guest = FakeGuest { guest, packet in
            let type = guest.type(of: packet.stream)
            if packet.kind == .open, type == "open" { return guest.answer(packet.stream, Self.opened) }
            if type == "close" { return guest.answer(packet.stream) }
            guard type == "read" else { return }
            // A window at first, then as much as is granted.
            let granted =
                packet.kind == .credit
                ? Int(
                    packet.payload.getInteger(at: packet.payload.readerIndex, endianness: .little, as: UInt32.self) ?? 0
                )
                : Packet.window
            var size = left.withLock { left in
                let size = min(left, granted)
                left -= size
                return size
            }
            if size == 0 { return }
            while size > 0 {
                let piece = min(size, 100_000)
                guest.say(.data, packet.stream, ByteBuffer(repeating: 1, count: piece))
                size -= piece
            }
            if left.withLock({ $0 }) == 0 { guest.answer(packet.stream) }
        }
        do {
            let file = try await Self.tree(guest).open(Self.path("a"))
            #expect(file.modified == TreeTime(seconds: -1, nanoseconds: 999_999_999))
            #expect(try await Self.read(file, 3 << 20) == 3 << 20)
        }
        #expect(guest.connection.ending == nil)
        #expect(await eventually { guest.arrived(.open).contains { guest.type(of: $0.stream) == "close" } })
    }

    @Test("are written within the credit of the guest")
    func write() async throws {
        let received = Mutex(0)
        let guest = FakeGuest { guest, packet in
            if packet.kind == .data {
                received.withLock { $0 += packet.payload.readableBytes }
                guest.grant(packet.payload.readableBytes, packet.stream)
            }
            if packet.kind == .end { guest.answer(packet.stream, #"{"new":true,"tag":"\"0\""}"#) }
        }
        let pieces = (0..<30).map { ByteBuffer(repeating: UInt8($0), count: 100_000) }
        #expect(try await Self.write(guest, pieces) == TreeWritten(isNew: true, entityTag: "\"0\""))
        #expect(received.withLock { $0 } == 3_000_000)
    }

    @Test("that are not wanted after all are sent no further")
    func earlyAnswer() async throws {
        let refusal = ByteBuffer(string: #"{"error":"conditionFailed","message":"x"}"#)
        let guest = Self.saying("write", [(.answer, refusal)])
        let pieces = (0..<60).map { _ in ByteBuffer(repeating: 1, count: 100_000) }
        await #expect(throws: WorkspaceTreeError.conditionFailed) { try await Self.write(guest, pieces) }
        #expect(guest.connection.ending == nil)
    }

    @Test("that are too long, or whose content fails, are given up")
    func tooLong() async throws {
        let guest = FakeGuest(FakeGuest.helpful())
        await #expect(throws: WorkspaceTreeError.tooLarge(maxBytes: 5)) {
            try await Self.write(guest, [ByteBuffer(string: "123456")], limit: 5)
        }
        struct Odd: Error {}
        let failing = AsyncThrowingStream<ByteBuffer, any Error> { throw Odd() }
        await #expect(throws: Odd.self) {
            try await Self.tree(guest).write(Self.path("a"), content: failing, limit: 5, condition: .none)
        }
        #expect(await eventually { guest.arrived(.cancel).count == 2 })
        #expect(guest.arrived(.end).isEmpty)
    }

    static let refusals: [(String, WorkspaceTreeError)] = [
        ("notFound", .notFound), ("isADirectory", .isADirectory), ("outsideWorkspace", .outsideWorkspace),
        ("full", .full), ("busy", .busy), ("permissionDenied", .permissionDenied), ("mood", .failed("mood: a b")),
    ]

    @Test("that cannot be had say why", arguments: refusals)
    func refusal(word: String, error: WorkspaceTreeError) async throws {
        let guest = Self.saying("remove", [(.answer, ByteBuffer(string: #"{"error":"\#(word)","message":"a\nb"}"#))])
        await #expect(throws: error) { try await Self.tree(guest).remove(Self.path("a")) }
        #expect(guest.connection.ending == nil)
    }

    // MARK: What others do

    private static let line = #"{"name":"62","directory":false,"size":3,"seconds":1,"nanoseconds":2}"#

    static let badListings = [
        line + "\n" + line + "\n" + line + "\n", "x\n", "\n", "{}\n", String(repeating: " ", count: 17 << 10),
        String(repeating: " ", count: 17 << 10) + "\n",
        line.replacing("62", with: "6"), line.replacing("62", with: "zz") + "\n", line.replacing("62", with: "") + "\n",
        line.replacing("62", with: "612f62") + "\n", line.replacing("62", with: "00") + "\n",
        line.replacing("62", with: String(repeating: "61", count: 256)) + "\n",
        line.replacing(":3", with: ":-3") + "\n", line.replacing(":2", with: ":1000000000") + "\n",
        line.replacing(":2", with: ":-1") + "\n", line.replacing("false", with: "0") + "\n",
    ]

    @Test("of a guest that lists nonsense are given up with it", arguments: badListings)
    func badListing(lines: String) async throws {
        let guest = Self.saying(
            "list",
            [(.data, ByteBuffer(string: lines)), (.answer, ByteBuffer(string: #"{"result":{}}"#))]
        )
        await #expect { try await Self.tree(guest).list(Self.path(""), limit: 2) } throws: { error in
            guard case WorkspaceTreeError.failed = error else { return false }
            return true
        }
        #expect(await guest.isGivenUp())
    }

    static let badOpenings = [
        "{}", #"{"size":-1,"seconds":1,"nanoseconds":1,"tag":"\"a\""}"#,
        #"{"size":1,"seconds":1,"nanoseconds":1,"tag":"a"}"#,
        #"{"size":1,"seconds":1,"nanoseconds":1,"tag":"\"a\r\nX: y\""}"#,
        #"{"size":1,"seconds":1,"nanoseconds":1,"tag":"\"\""}"#,
        #"{"size":1,"seconds":1,"nanoseconds":-9223372036854775808,"tag":"\"a\""}"#,
        #"{"size":99999999999999999999,"seconds":1,"nanoseconds":1,"tag":"\"a\""}"#,
    ]

    @Test("that a guest opens with nonsense are given up with it", arguments: badOpenings)
    func badOpening(answer: String) async throws {
        let guest = FakeGuest { guest, packet in if packet.kind == .open { guest.answer(packet.stream, answer) } }
        await #expect(throws: WorkspaceTreeError.self) { try await Self.tree(guest).open(Self.path("a")) }
        #expect(await guest.isGivenUp())
    }

    static let badAnswers = [
        "", "[]", "{}", #"{"result":1}"#, #"{"error":1}"#, #"{"error":"\#(String(repeating: "x", count: 65))"}"#,
    ]

    @Test("that a guest answers nonsense about are given up with it", arguments: badAnswers)
    func badAnswer(answer: String) async throws {
        let guest = Self.saying("remove", [(.answer, ByteBuffer(string: answer))])
        await #expect(throws: WorkspaceTreeError.self) { try await Self.tree(guest).remove(Self.path("a")) }
        #expect(await guest.isGivenUp())
    }

    @Test("never bring more than was asked for")
    func tooMuch() async throws {
        let guest = Self.saying(
            "read",
            [(.data, ByteBuffer(string: "12345678901")), (.answer, ByteBuffer(string: #"{"result":{}}"#))]
        )
        let file = try await Self.tree(guest).open(Self.path("a"))
        await #expect(throws: WorkspaceTreeError.self) { try await Self.read(file, 10) }
        #expect(await guest.isGivenUp())
    }

    @Test("of a guest that sends more than was granted are given up with it")
    func noCredit() async throws {
        let data = (0..<5).map { _ in (Packet.Kind.data, ByteBuffer(repeating: 1, count: 256 << 10)) }
        let guest = Self.saying("read", data)
        let file = try await Self.tree(guest).open(Self.path("a"))
        await #expect(throws: WorkspaceTreeError.self) { try await Self.read(file, 10 << 20) }
        #expect(await guest.isGivenUp())
    }

    @Test("of a guest that grants what nobody needs are given up with it", arguments: [0, 1, UInt32.max])
    func badCredit(bytes: UInt32) async throws {
        let guest = Self.saying("remove", [(.credit, ByteBuffer(integer: bytes, endianness: .little))])
        await #expect(throws: WorkspaceTreeError.self) { try await Self.tree(guest).remove(Self.path("a")) }
        #expect(await guest.isGivenUp())
    }

    @Test("of a guest that never answers are not waited for for ever")
    func silence() async throws {
        let guest = FakeGuest(patience: .milliseconds(30))
        await #expect(throws: WorkspaceTreeError.failed("the sandbox was lost: it does not answer")) {
            try await withoutHanging("an end") { try await Self.tree(guest).remove(Self.path("a")) }
        }
        #expect(await guest.isGivenUp())
    }

    @Test("of a guest that says a little now and then are not waited for for ever either")
    func drops() async throws {
        let guest = FakeGuest(patience: .milliseconds(200))
        let dripping = Task {
            let stream = try await guest.stream("list")
            while guest.connection.ending == nil {
                guest.say(.data, stream, " ")
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        defer { dripping.cancel() }
        await #expect(throws: WorkspaceTreeError.failed("the sandbox was lost: it does not answer")) {
            try await withoutHanging("an end") { try await Self.tree(guest).list(Self.path(""), limit: 1) }
        }
    }

    // MARK: Callers that go away

    @Test("that nobody wants any longer are given up, and nothing of them is kept")
    func cancelled() async throws {
        let guest = FakeGuest()
        let listing = Task { try await Self.tree(guest).list(Self.path(""), limit: 10) }
        let stream = try await guest.stream("list")
        listing.cancel()
        await #expect(throws: CancellationError.self) {
            try await withoutHanging("an end") { try await listing.value }
        }
        #expect(guest.arrived(.cancel).map(\.stream) == [stream])
        // What was on its way is no crime, and what comes beyond the window is.
        for _ in 0..<4 { guest.say(.data, stream, ByteBuffer(repeating: 1, count: 256 << 10)) }
        #expect(guest.connection.ending == nil)
        guest.say(.answer, stream, #"{"error":"cancelled","message":""}"#)
        #expect(guest.connection.ending == nil)
        guest.say(.data, stream, "x")
        #expect(await guest.isGivenUp())
    }

    @Test("bring nothing any longer once they are given up")
    func nothingKept() async throws {
        let guest = FakeGuest()
        let request = try guest.connection.ask(GuestOrder.list(Self.path(""), limit: 1))
        let stream = UInt32(request.handle)
        guest.say(.data, stream, "before")
        request.cancel()
        guest.say(.data, stream, "after")
        guest.answer(stream)
        #expect(try await request.next() == nil)
        #expect(guest.connection.ending == nil)
    }

    @Test("that were opened for somebody who went away are closed")
    func cancelledOpening() async throws {
        let guest = FakeGuest()
        let opening = Task { try await Self.tree(guest).open(Self.path("a")) }
        let stream = try await guest.stream("open")
        opening.cancel()
        await #expect(throws: CancellationError.self) { try await opening.value }
        _ = try await guest.stream("close")
        guest.answer(stream, Self.opened)
        #expect(guest.connection.ending == nil)
    }

    @Test("that nobody reads to their end are given up")
    func abandonedReading() async throws {
        let guest = Self.saying("read", [(.data, ByteBuffer(string: "12345"))])
        do {
            let file = try await Self.tree(guest).open(Self.path("a"))
            for try await _ in file.read(0, 10) { break }
        }
        #expect(await eventually { guest.arrived(.cancel).count == 1 })
        _ = try await guest.stream("close")
    }

    @Test("are answered or cancelled, never both and never neither, however the two meet")
    func races() async throws {
        let guest = FakeGuest { guest, packet in
            if packet.kind == .open { guest.answer(packet.stream, #"{"truncated":false}"#) }
        }
        for _ in 0..<500 {
            let listing = Task { try await Self.tree(guest).list(Self.path(""), limit: 1) }
            let cancelling = Task.detached { listing.cancel() }
            do {
                let listing = try await withoutHanging("an end") { try await listing.value }
                #expect(listing.entries.isEmpty)
            } catch is CancellationError {
                // The other one was faster.
            }
            await cancelling.value
        }
        #expect(guest.connection.ending == nil)
    }

    @Test("end with their guest for everybody who waits")
    func lost() async throws {
        let guest = FakeGuest()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    await #expect(throws: WorkspaceTreeError.failed("the sandbox was lost: it went away")) {
                        try await Self.tree(guest).remove(Self.path("a"))
                    }
                }
            }
            #expect(await eventually(every: .milliseconds(1)) { guest.arrived(.open).count == 50 })
            guest.connection.end("it went away")
            try await group.waitForAll()
        }
    }
}
