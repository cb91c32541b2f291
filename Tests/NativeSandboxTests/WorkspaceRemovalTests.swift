import Execution
import TestSupport
import Testing

@testable import NativeSandbox

@Suite("Removing directories of a workspace", .timeLimit(.minutes(5)))
struct WorkspaceRemovalTests {
    @Test("is done by few at a time, and who waits for that holds no thread")
    func waiting() async throws {
        try await TreeFixture.with { fixture in
            let removals = fixture.tree.workspace.removals
            try await fixture.write("d/a/f", "x")
            try await fixture.write("f", "x")
            for _ in 0..<Workspace.removalsAtOnce { try await removals.enter() }
            // More than the fixture has threads.
            let removing = (0..<16).map { _ in Task { try await fixture.remove("d") } }
            let areQueued = await eventually { removals.queued == removing.count }
            #expect(areQueued)
            #expect(try await fixture.names("d") == ["a/"])
            try await fixture.remove("f")
            #expect(try await fixture.names() == ["d/"], "files do not wait")
            for _ in 0..<Workspace.removalsAtOnce { removals.leave() }
            for task in removing { try await task.value }
            #expect(try await fixture.names() == [])
            #expect(removals.queued == 0)
        }
    }

    @Test("stops when its moment is over, and goes on where it stopped")
    func pauses() async throws {
        try await TreeFixture.with { fixture in
            for number in 0..<200 { try await fixture.write("d/\(number % 10)/\(number)/f", "x") }
            try await fixture.write("d/" + String(repeating: "x/", count: 40) + "f", "x")
            let path = try TreePath("d".utf8)
            let begun = try fixture.tree.workspace.beginRemoval(of: path, deadline: .now + .seconds(60))
            let removal = try #require(begun)
            let isGoneAtOnce = try removal.work(for: .zero)
            #expect(!isGoneAtOnce && fixture.exists("tree/d/9/199/f"))
            while try !removal.work(for: .milliseconds(1)) {}
            #expect(try await fixture.names() == [])
        }
    }

    @Test("is given up at its deadline")
    func deadline() async throws {
        try await TreeFixture.with { fixture in
            try await fixture.write("d/f", "x")
            let path = try TreePath("d".utf8)
            let begun = try fixture.tree.workspace.beginRemoval(of: path, deadline: .now)
            let removal = try #require(begun)
            #expect(throws: WorkspaceTreeError.busy) { try removal.work(for: .seconds(60)) }
            #expect(fixture.exists("tree/d/f"))
        }
    }
}
