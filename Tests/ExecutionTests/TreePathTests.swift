import Execution
import Testing

@Suite("Paths of a tree")
struct TreePathTests {
    @Test(
        "what a client may write",
        arguments: [
            ("", "", true), (".", "", true), ("./", "", true), ("/workspace", "", true), ("/home/user/", "", true),
            ("a", "a", false),
            ("a/b", "a/b", false), ("a//b", "a/b", false), ("./a/./b", "a/b", false), ("a/b/", "a/b", true),
            ("a/.", "a", true),
            ("a/../b", "b", false), ("a/..", "", true), ("a/b/..", "a", true), ("/home/user/a", "a", false),
            ("/workspace/a/../b", "b", false),
            ("//home//user//a", "a", false), ("/home/user/../user/a", "a", false),
            ("/home/user/../../workspace/a", "a", false),
            ("/../home/user/a", "a", false), ("home/user/a", "home/user/a", false), ("a\\..\\b", "a\\..\\b", false),
            ("..a", "..a", false),
            ("...", "...", false), ("%2e%2e", "%2e%2e", false), ("a\nb", "a\nb", false), ("漢/字", "漢/字", false),
        ]
    )
    func accepted(text: String, expected: String, mustBeDirectory: Bool) throws {
        let path = try TreePath(text.utf8)
        #expect(path.components.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/") == expected)
        #expect(path.mustBeDirectory == mustBeDirectory)
        #expect(path.description == text)
    }

    @Test(
        "what leads out",
        arguments: [
            "..", "../", "../a", "a/../..", "a/../../b", "./..", "/", "/etc/passwd", "/home", "/home/user2",
            "/home/user2/a", "/home/user/..",
            "/home/user/../user2", "/workspace2", "/workspace/../etc/passwd", "/home/users/a",
            "/proc/self/root/home/user", "/HOME/user/a", "//",
        ]
    )
    func outside(text: String) {
        #expect(throws: WorkspaceTreeError.outsideWorkspace) { try TreePath(text.utf8) }
    }

    @Test("NUL, and names the kernel could not take")
    func impossible() throws {
        #expect(throws: WorkspaceTreeError.invalidPath) { try TreePath("a\0b".utf8) }
        #expect(throws: WorkspaceTreeError.nameTooLong) { try TreePath(String(repeating: "x", count: 256).utf8) }
        #expect(throws: WorkspaceTreeError.nameTooLong) { try TreePath(String(repeating: "x/", count: 2049).utf8) }
        _ = try TreePath(String(repeating: "x", count: 255).utf8)
    }

    @Test("names need not be UTF-8")
    func bytes() throws {
        #expect(try TreePath([0xFF, 0x2F, 0x80]).components == [[0xFF], [0x80]])
    }
}
