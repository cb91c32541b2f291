import Testing

@testable import Execution

@Suite("A workspace path cannot leave the workspace by its text")
struct WorkspacePathTests {
    @Test(
        "good paths keep their components",
        arguments: [
            ("a", "a"), ("a/b.txt", "a/b.txt"), ("a//b", "a/b"), ("./a", "a"), ("a/./b/", "a/b"),
            ("..a/b..", "..a/b.."), ("...", "..."),
            (" ", " "), ("a\\..\\b", "a\\..\\b"), ("%2e%2e/a", "%2e%2e/a"), ("ü/🦉", "ü/🦉"), (".env", ".env"),
            ("a\nb", "a\nb"),
        ]
    )
    func good(_ text: String, _ expected: String) throws {
        #expect(try WorkspacePath(text).string == expected)
    }

    @Test(
        "bad paths are refused with the reason",
        arguments: [
            ("", WorkspacePath.Invalid.empty), (".", .empty), ("./", .empty), ("././.", .empty),
            ("/", .absolute), ("/etc/passwd", .absolute), ("//a", .absolute), ("/\u{301}etc", .absolute),
            ("..", .leavesWorkspace), ("../a", .leavesWorkspace), ("a/../b", .leavesWorkspace),
            ("a/..", .leavesWorkspace),
            ("a/\u{301}/..", .leavesWorkspace), ("../\u{301}a", .leavesWorkspace), ("a/../\u{301}", .leavesWorkspace),
            ("a\0b", .containsNUL), ("..\0", .containsNUL),
            (String(repeating: "a", count: 256), .tooLong), (String(repeating: "ü", count: 128), .tooLong),
            (String(repeating: "a/", count: 2_049), .tooLong),
        ]
    )
    func bad(_ text: String, _ reason: WorkspacePath.Invalid) {
        #expect(throws: reason) { _ = try WorkspacePath(text) }
    }

    @Test("two spellings of one letter are two paths, as they are two files")
    func spellings() throws {
        let composed = try WorkspacePath("\u{E9}")
        let decomposed = try WorkspacePath("e\u{301}")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(try WorkspacePath("a//b") == WorkspacePath("a/b"))
    }

    @Test("the longest path and component are taken")
    func longest() throws {
        #expect(try WorkspacePath(String(repeating: "a", count: 255)).string.utf8.count == 255)
        #expect(try WorkspacePath(String(repeating: "a/", count: 2_048)).string.utf8.count == 4_095)
    }

    @Test("random texts are refused or stay inside")
    func randomTexts() async {
        await withRandomSeed { random in
            let parts = ["/", "/", ".", "..", "a", "\u{301}", "\u{200D}", "\0", "🦉", " ", "\\"]
            for _ in 0..<5_000 {
                let text = (0..<Int.random(in: 0...8, using: &random)).compactMap { _ in
                    parts.randomElement(using: &random)
                }.joined()
                guard let path = try? WorkspacePath(text) else { continue }
                let components = path.string.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
                #expect(!components.isEmpty)
                for component in components {
                    #expect(
                        !component.isEmpty && !component.elementsEqual(".".utf8) && !component.elementsEqual("..".utf8)
                    )
                }
            }
        }
    }
}
