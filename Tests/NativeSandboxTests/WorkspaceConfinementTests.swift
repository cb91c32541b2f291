import Execution
import Glibc
import NIOCore
import Testing

@testable import NativeSandbox

/// What an execution's files are staged and collected through. Over HTTP other walls stand before this one: links are no produced files, and no process of the
/// sandbox lives any more when they are collected. Here it stands alone.
@Suite("Confinement of a workspace")
struct WorkspaceConfinementTests {
    @Test("nothing is staged or collected through a link, wherever on the path it is")
    func links() async throws {
        try await TreeFixture.with { fixture in
            fixture.put("outside/secret", "SECRET")
            fixture.makeDirectory("tree/d")
            let links = [
                ("final", fixture.outside + "/secret"), ("relative", "../outside/secret"), ("hop", "final"),
                ("folder", fixture.outside),
                ("up", "../outside"), ("d/up", "../../outside"), ("root", "/"), ("proc", "/proc/self/root"),
            ]
            for (name, target) in links { fixture.link("tree/\(name)", to: target) }
            let workspace = fixture.tree.workspace
            let secret = String(fixture.outside.dropFirst()) + "/secret"
            for path in [
                "final", "relative", "hop", "folder/secret", "up/secret", "d/up/secret", "root/" + secret,
                "proc/" + secret,
            ] {
                #expect(Workspace.openRegular(path, in: workspace.root) == nil, "\(path)")
                let staged = StagedFile(path: try WorkspacePath(path), content: .bytes(ByteBuffer(string: "written")))
                #expect(throws: SandboxError.self, "\(path)") { try workspace.stage([staged]) }
            }
            for path in ["..", "../outside", "folder", "d/../../outside", "/", fixture.outside] {
                #expect(Workspace.openDirectory(path, in: workspace.root) == nil, "\(path)")
            }
            #expect(Workspace.openRegular("../outside/secret", in: workspace.root) == nil)
            #expect(
                workspace.produced(
                    since: [:],
                    limits: ProducedFileLimits(count: 100, bytesPerFile: 1000, totalBytes: 10_000)
                ).files == []
            )
            #expect(fixture.text("outside/secret") == "SECRET")
        }
    }
}
