import Execution
import Glibc
import NIOCore
import TestSupport
import Testing

@testable import NativeSandbox

@Suite("Staging into a workspace")
struct StagingTests {
    @Test("ends before the next file when nobody wants it any more")
    func cancelled() async throws {
        try await TreeFixture.with { fixture in
            let files = [try StagedFile("a", "1"), try StagedFile("b", "2"), try StagedFile("c", "3")]
            #expect(throws: CancellationError.self) {
                try fixture.tree.workspace.stage(files) { fixture.exists("tree/b") }
            }
            #expect(fixture.text("tree/a") == "1" && fixture.text("tree/b") == "2")
            #expect(!fixture.exists("tree/c"))
        }
    }
}

@Suite(
    "Staging into a real sandbox",
    .tags(.kernel),
    .realBackend,
    .enabled(if: RealHost.obstacle == nil, "\(RealHost.obstacle ?? "")")
)
struct RealStagingTests {
    @Test("ends with its task")
    func cancelled() async throws {
        try await TreeFixture.with { fixture in
            // Copying from a pipe takes as long as the test wants.
            let pipe = fixture.outside + "/pipe"
            try systemCall("mkfifo") { mkfifo(pipe, 0o600) }
            let slow = StagedFile(
                path: try WorkspacePath("slow"),
                content: .blob(path: pipe, size: 1, sha256: String(repeating: "0", count: 64))
            )
            let files = [slow, try StagedFile("next", "x")]
            try await withSandbox { sandbox in
                let staging = Task { try await sandbox.stage(files) }
                let feed = try await Self.feed(of: pipe)
                staging.cancel()
                let written = write(feed, [UInt8(ascii: "x")], 1)
                close(feed)
                #expect(written == 1)
                await #expect(throws: CancellationError.self) { try await staging.value }
            }
        }
    }

    /// The end of a pipe that is written to, as soon as somebody has opened the other one.
    private static func feed(of path: String) async throws -> Int32 {
        var feed: Int32 = -1
        let isOpen = await eventually(within: .seconds(60), every: .milliseconds(1)) {
            feed = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
            return feed >= 0
        }
        try #require(isOpen, "nobody reads the pipe")
        return feed
    }
}
