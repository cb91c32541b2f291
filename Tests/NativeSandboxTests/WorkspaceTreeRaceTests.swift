import Execution
import Foundation
import Glibc
import NIOCore
import Testing

@testable import NativeSandbox

/// A process that exchanges directories, files and links as fast as it can while the server works on the same names.
///
/// It is not confined, so a link of it may lead anywhere: whatever the server does through one is seen in the folder outside.
@Suite("Workspace trees under attack", .serialized)
struct WorkspaceTreeRaceTests {
    /// Exchanges `tree/d`, a directory, with `tree/link`, a link out; `tree/f` with a link to a file outside; and moves `tree/deep/x/y` up and down, below which a
    /// link leads up.
    private static let attacker = """
        import ctypes, os, sys
        libc = ctypes.CDLL(None, use_errno=True)
        top = sys.argv[1].encode()
        def exchange(a, b):
            libc.renameat2(-100, top + a, -100, top + b, 2)
        def make(name, target):
            try: os.symlink(target, top + name)
            except OSError: pass
        pairs = [(b"/d", b"/link"), (b"/f", b"/flink"), (b"/d", b"/up"), (b"/f", b"/fup"), (b"/deep/x/y", b"/moved")]
        sys.stdout.write("ready\\n"); sys.stdout.flush()
        while True:
            for a, b in pairs:
                exchange(a, b)
            make(b"/d", b"../outside"); make(b"/f", b"../outside/secret")
            for name in (b"/d", b"/d2"):
                try: os.mkdir(top + name)
                except OSError: pass
            try:
                with open(top + b"/d/secret", "xb") as file: file.write(b"inside")
            except OSError: pass
        """

    private static let secret = "SECRET OUTSIDE"

    private func underAttack(_ body: (TreeFixture, _ end: ContinuousClock.Instant) async throws -> Void) async throws {
        try await TreeFixture.with { fixture in
            for name in ["secret", "kept"] { fixture.put("outside/\(name)", Self.secret) }
            try await fixture.write("d/secret", "inside")
            try await fixture.write("f", "inside")
            try await fixture.write("deep/x/y/z", "inside")
            try await fixture.write("moved/z", "inside")
            for (name, target) in [
                ("link", fixture.outside), ("up", "../outside"), ("flink", fixture.outside + "/secret"),
                ("fup", "../outside/secret"),
                ("deep/x/y/back", "../../../outside/secret"), ("moved/back", "../../../outside/secret"),
            ] {
                fixture.link("tree/\(name)", to: target)
            }
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/python3")
            process.arguments = ["-c", Self.attacker, fixture.inside]
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            // Ends with the attacker at the latest.
            #expect(output.fileHandleForReading.availableData == Data("ready\n".utf8))
            defer {
                // Nothing less: it has the signal mask of the test's thread.
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
            }
            try await body(fixture, .now + .seconds(4))
            #expect(process.isRunning, "the attacker ended")
            #expect(fixture.text("outside/secret") == Self.secret)
            #expect(fixture.text("outside/kept") == Self.secret)
            let outside = try FileManager.default.contentsOfDirectory(atPath: fixture.outside)
            #expect(Set(outside) == ["secret", "kept"])
        }
    }

    /// Counts how often something went well, and how often the attacker was in the way.
    private struct Tally {
        var done = 0
        var refused = 0

        mutating func count(_ body: () async throws -> Void) async throws {
            do {
                try await body()
                done += 1
            } catch is WorkspaceTreeError {
                refused += 1
            }
        }

        /// Without both there was no race.
        func expectBoth(_ what: String) { #expect(done > 0 && refused > 0, "\(what): \(self)") }
    }

    @Test("no byte from outside is read")
    func reading() async throws {
        try await underAttack { fixture, end in
            var tally = Tally()
            while ContinuousClock.now < end {
                for path in [
                    "d/secret", "f", "link/secret", "up/secret", "flink", "deep/x/y/z", "deep/x/y/back", "moved/back",
                    "moved/z",
                ] {
                    try await tally.count {
                        let text = try await fixture.read(path)
                        if text != "inside" { Issue.record("\(path): \(text)") }
                    }
                }
            }
            tally.expectBoth("reads")
        }
    }

    @Test("no name from outside is listed")
    func listing() async throws {
        try await underAttack { fixture, end in
            var tally = Tally()
            while ContinuousClock.now < end {
                for path in ["d", "link", "up"] {
                    try await tally.count {
                        let names = try await fixture.names(path)
                        if names.contains("kept") { Issue.record("\(path): \(names)") }
                    }
                }
                // What a link leads to is told of it, so nothing is told of what is outside.
                let root = try await fixture.tree.list(TreePath([]), limit: 100).entries
                if root.contains(where: { $0.size == Self.secret.utf8.count }) {
                    Issue.record("a file outside is described")
                }
            }
            tally.expectBoth("lists")
        }
    }

    @Test("nothing outside is written")
    func writing() async throws {
        try await underAttack { fixture, end in
            var tally = Tally()
            var number = 0
            while ContinuousClock.now < end {
                number += 1
                for path in ["d/secret", "d/new/\(number)", "f", "link/kept", "up/kept", "d/\(number)"] {
                    try await tally.count { try await fixture.write(path, "inside") }
                }
            }
            tally.expectBoth("writes")
        }
    }

    @Test("nothing outside is removed")
    func removing() async throws {
        try await underAttack { fixture, end in
            var tally = Tally()
            var number = 0
            while ContinuousClock.now < end {
                number += 1
                for path in ["d", "d/secret", "link", "up/kept", "f", "d2", "link/kept"] {
                    try await tally.count { try await fixture.remove(path) }
                }
                for path in ["d/secret", "d2/a/b/c/d", "f"] {
                    try await tally.count { try await fixture.write(path, "inside") }
                }
                if number % 10 == 0 {
                    fixture.link("tree/link", to: fixture.outside)
                    fixture.link("tree/up", to: "../outside")
                    fixture.link("tree/d2/a/out", to: "../../../outside")
                }
            }
            tally.expectBoth("removals")
        }
    }

    @Test("nothing outside is collected or staged over while an execution's files are")
    func collecting() async throws {
        try await underAttack { fixture, end in
            let workspace = fixture.tree.workspace
            let limits = ProducedFileLimits(count: 100, bytesPerFile: 1000, totalBytes: 10_000)
            var tally = Tally()
            while ContinuousClock.now < end {
                for path in ["d/secret", "f", "link/secret", "up/kept"] {
                    guard let (file, status) = Workspace.openRegular(path, in: workspace.root) else {
                        tally.refused += 1
                        continue
                    }
                    let text = String(buffer: try Workspace.chunk(of: file, at: 0, wanted: 100))
                    if text == Self.secret || status.st_size == Self.secret.utf8.count {
                        Issue.record("\(path): \(text)")
                    }
                    tally.done += 1
                }
                for path in ["d/secret", "d/kept", "f"] {
                    let bytes = ByteBuffer(string: "inside").readableBytesView
                    do {
                        try workspace.write(bytes, to: WorkspacePath(path))
                        tally.done += 1
                    } catch is SandboxError { tally.refused += 1 }
                }
                let files = workspace.produced(since: [:], limits: limits).files
                if files.contains(where: { $0.size == Self.secret.utf8.count }) { Issue.record("\(files)") }
            }
            tally.expectBoth("files")
        }
    }
}
