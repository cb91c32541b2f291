import Execution
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("What goes into a container and comes out")
struct ContainerFilesTests {
    private static let limits = ProducedFileLimits(count: 2, bytesPerFile: 10, totalBytes: 15)

    private static func line(_ path: String, _ size: Int) -> String {
        #"{"path":"\#(HexadecimalName.encode(path.utf8))","size":\#(size)}"# + "\n"
    }

    private static func producing(_ lines: String, _ result: String = #"{"omitted":0}"#) async throws -> FakeSandbox {
        let guest = FakeGuest(
            FakeGuest.helpful { guest, packet in
                guard packet.kind == .open, guest.type(of: packet.stream) == "produced" else { return }
                if !lines.isEmpty { guest.say(.data, packet.stream, lines) }
                guest.answer(packet.stream, result)
            }
        )
        return try await FakeSandbox(guest)
    }

    @Test("is what the guest says was produced")
    func produced() async throws {
        let fake = try await Self.producing(Self.line("a", 10) + Self.line("b/ü", 5), #"{"omitted":3}"#)
        let produced = try await fake.sandbox.producedFiles(limits: Self.limits)
        #expect(produced.files.map(\.path.string) == ["a", "b/ü"])
        #expect(produced.files.map(\.size) == [10, 5] && produced.omitted == 3)
    }

    static let nonsense = [
        (line("a", 11), #"{"omitted":0}"#), (line("a", 10) + line("b", 6), #"{"omitted":0}"#),
        (line("a", 1) + line("b", 1) + line("c", 1), #"{"omitted":0}"#), (line("a", -1), #"{"omitted":0}"#),
        (line("../a", 1), #"{"omitted":0}"#), (line("/a", 1), #"{"omitted":0}"#), (line("", 1), #"{"omitted":0}"#),
        ("{\"path\":\"ff\",\"size\":1}\n", #"{"omitted":0}"#), ("{\"path\":\"6\",\"size\":1}\n", #"{"omitted":0}"#),
        ("", "{}"), ("", #"{"omitted":-1}"#), ("", #"{"omitted":9223372036854775807}"#), ("", #"{"omitted":1.5}"#),
        (String(repeating: "x", count: 20_000), #"{"omitted":0}"#),
    ]

    @Test("is nothing when the guest speaks nonsense", arguments: nonsense)
    func unexpected(lines: String, result: String) async throws {
        let fake = try await Self.producing(lines, result)
        await #expect(throws: SandboxError.lost("it answered what was not asked")) {
            try await fake.sandbox.producedFiles(limits: Self.limits)
        }
        #expect(await fake.guest.isGivenUp())
    }

    @Test("is staged within the guest's credit, from memory and from the disk")
    func staging() async throws {
        let guest = FakeGuest(FakeGuest.helpful())
        let fake = try await FakeSandbox(guest)
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let content = ByteBuffer(repeating: 7, count: 3 << 20)
        let blob = try folder.file("blob", content.readableBytesView)
        try await fake.sandbox.stage([
            StagedFile(path: WorkspacePath("a"), content: .bytes(content)),
            StagedFile(path: WorkspacePath("b"), content: .blob(path: blob, size: 3 << 20, sha256: "00")),
        ])
        let sent = guest.arrived(.data).reduce(0) { $0 + $1.payload.readableBytes }
        #expect(sent == 6 << 20)
        #expect(guest.connection.ending == nil && !guest.isBroken)
        // A blob that is not there leaves no stream behind.
        let streams = guest.arrived(.open).count
        await #expect(throws: (any Error).self) {
            try await fake.sandbox.stage([
                StagedFile(path: WorkspacePath("c"), content: .blob(path: blob + "x", size: 1, sha256: ""))
            ])
        }
        #expect(guest.arrived(.open).count == streams)
    }

    static let refusals: [(String, SandboxError)] = [
        ("full", .workspaceFull(path)), ("notADirectory", .notARegularFile(path)),
        ("failed", .setup("__main__.py: failed: why")),
    ]
    private static let path = WorkspacePath.entrypoint

    @Test("is refused for a reason", arguments: refusals)
    func refused(word: String, error: SandboxError) async throws {
        let guest = FakeGuest { guest, packet in
            if guest.type(of: packet.stream) == "process" { guest.frame(packet.stream, #"{"type":"ready"}"#) }
            if packet.kind == .open, guest.type(of: packet.stream) == "stage" {
                guest.say(.answer, packet.stream, #"{"error":"\#(word)","message":"why"}"#)
            }
        }
        let fake = try await FakeSandbox(guest)
        await #expect(throws: error) {
            try await fake.sandbox.stage([
                StagedFile(path: Self.path, content: .bytes(ByteBuffer(repeating: 1, count: 5 << 20)))
            ])
        }
    }

    @Test("is read no further than was asked")
    func reading() async throws {
        let guest = FakeGuest(
            FakeGuest.helpful { guest, packet in
                guard packet.kind == .open else { return }
                switch guest.type(of: packet.stream) {
                case "open": guest.answer(packet.stream, #"{"size":9,"seconds":1,"nanoseconds":1,"tag":"\"a\""}"#)
                case "read": guest.say(.data, packet.stream, "123456789")
                default: break
                }
            }
        )
        let fake = try await FakeSandbox(guest)
        await #expect(throws: SandboxError.lost("it answered what was not asked")) {
            for try await _ in try await fake.sandbox.read(Self.path, limit: 8) {}
        }
    }
}
