import Execution
import Glibc
import NIOCore
import NIOPosix
import Testing

@testable import NativeSandbox

/// A folder as a workspace, a folder beside it that must stay as it is, and threads for calls that block.
final class TreeFixture: Sendable {
    let path: String
    let tree: LinuxWorkspaceTree
    private let threads = NIOThreadPool(numberOfThreads: 4)

    var inside: String { path + "/tree" }
    var outside: String { path + "/outside" }

    init() throws {
        // In memory, as workspaces are: who else writes to disks does not make it slow.
        var template = Array("/dev/shm/code-interpreter-tree-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", code: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for name in ["/tree", "/outside"] { try systemCall("mkdir") { [path] in mkdir(path + name, 0o755) } }
        let root = try systemCall("open") { [path] in Glibc.open(path + "/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        // Beside other tests on a busy machine everything takes long.
        let workspace = Workspace(root: Descriptor(owning: root), removalTime: .seconds(200))
        tree = LinuxWorkspaceTree(workspace: workspace, threads: threads)
        threads.start()
    }

    func close() async {
        try? await threads.shutdownGracefully()
        Self.remove(path)
    }

    static func with(_ body: (TreeFixture) async throws -> Void) async throws {
        let fixture = try TreeFixture()
        do { try await body(fixture) } catch {
            await fixture.close()
            throw error
        }
        await fixture.close()
    }

    /// Writes a file by its plain path.
    func put(_ name: String, _ text: String) {
        let file = Glibc.open(path + "/" + name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        _ = Array(text.utf8).withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        Glibc.close(file)
    }

    func makeDirectory(_ name: String) { mkdir(path + "/" + name, 0o755) }

    func link(_ name: String, to target: String) { symlink(target, path + "/" + name) }

    /// The content of a file by its plain path; nil where there is none.
    func text(_ name: String) -> String? { SmallFile.read(path + "/" + name) }

    func exists(_ name: String) -> Bool {
        var status = stat()
        return lstat(path + "/" + name, &status) == 0
    }

    private static func remove(_ path: String) {
        if unlink(path) == 0 { return }
        guard let directory = opendir(path) else { return }
        var names: [String] = []
        while let entry = readdir(directory) {
            // Safety: the kernel ends the name with a NUL within the record.
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        closedir(directory)
        for name in names { remove(path + "/" + name) }
        rmdir(path)
    }

    // MARK: What routes do

    func read(_ path: String, from offset: Int = 0, length: Int? = nil) async throws -> String {
        let file = try await tree.open(TreePath(path.utf8))
        var bytes = ByteBuffer()
        for try await piece in file.read(offset, length ?? file.size) { bytes.writeImmutableBuffer(piece) }
        return String(buffer: bytes)
    }

    @discardableResult
    func write(_ path: String, _ text: String, limit: Int = 1 << 30, _ condition: TreeCondition = .none) async throws
        -> TreeWritten
    {
        let content = AsyncThrowingStream<ByteBuffer, any Error> {
            for piece in text.split(separator: "|", omittingEmptySubsequences: false) {
                $0.yield(ByteBuffer(string: String(piece)))
            }
            $0.finish()
        }
        return try await tree.write(TreePath(path.utf8), content: content, limit: limit, condition: condition)
    }

    func remove(_ path: String) async throws { try await tree.remove(TreePath(path.utf8)) }

    func names(_ path: String = "", limit: Int = 1000) async throws -> [String] {
        try await tree.list(TreePath(path.utf8), limit: limit).entries
            .map { String(decoding: $0.name, as: UTF8.self) + ($0.isDirectory ? "/" : "") }
    }
}

@Suite("Workspace trees")
struct WorkspaceTreeTests {
    private func expect(_ expected: WorkspaceTreeError, _ body: () async throws -> Void) async {
        await #expect(throws: expected) { try await body() }
    }

    @Test("a file is written with its parents, read whole and in parts, replaced, and removed")
    func lifeOfAFile() async throws {
        try await TreeFixture.with { fixture in
            #expect(try await fixture.write("a/b/c.txt", "one |two").isNew)
            #expect(try await fixture.read("a/b/c.txt") == "one two")
            #expect(try await fixture.read("/home/user/a/b/c.txt", from: 4, length: 2) == "tw")
            #expect(try await !fixture.write("a/b/c.txt", "").isNew)
            #expect(try await fixture.read("a/b/c.txt") == "")
            #expect(try await fixture.names("a/b") == ["c.txt"])
            try await fixture.remove("a/b/c.txt")
            #expect(try await fixture.names("a/b") == [])
        }
    }

    @Test("directories come first, then names byte by byte, hidden ones too; more than the limit is told")
    func listings() async throws {
        try await TreeFixture.with { fixture in
            for name in ["b", "a", "Z", ".hidden", "é", "字"] { fixture.put("tree/\(name)", name) }
            fixture.makeDirectory("tree/z")
            fixture.makeDirectory("tree/.d")
            #expect(try await fixture.names() == [".d/", "z/", ".hidden", "Z", "a", "b", "é", "字"])
            let listing = try await fixture.tree.list(TreePath("".utf8), limit: 3)
            #expect(listing.entries.count == 3 && listing.isTruncated)
            #expect(try await !fixture.tree.list(TreePath("".utf8), limit: 8).isTruncated)
            await expect(.notADirectory) { _ = try await fixture.names("a") }
            await expect(.notFound) { _ = try await fixture.names("missing") }
        }
    }

    @Test("links inside are followed for reading, links that lead out are not, and none is for removing")
    func links() async throws {
        try await TreeFixture.with { fixture in
            fixture.put("outside/secret", "SECRET")
            try await fixture.write("d/f", "inside")
            for (name, target) in [
                ("file", "d/f"), ("folder", "d"), ("hop", "file"), ("up", "../outside"), ("absolute", fixture.outside),
                ("own", fixture.inside + "/d/f"),
                ("root", "/"), ("proc", "/proc/self/root"), ("dangling", "nowhere"), ("loop", "loop"),
                ("d/back", "../file"),
            ] {
                fixture.link("tree/\(name)", to: target)
            }
            for path in ["file", "folder/f", "hop", "d/back", "folder/back"] {
                #expect(try await fixture.read(path) == "inside", "\(path)")
            }
            for path in ["up/secret", "absolute/secret", "own", "root/etc/passwd", "proc/etc/passwd", "up"] {
                await expect(.outsideWorkspace) { _ = try await fixture.read(path) }
            }
            for path in ["up", "absolute", "root", "proc"] {
                await expect(.outsideWorkspace) { _ = try await fixture.names(path) }
                await expect(.outsideWorkspace) { try await fixture.write(path + "/new", "x") }
                await expect(.outsideWorkspace) { try await fixture.remove(path + "/secret") }
            }
            for path in ["dangling", "loop"] { await expect(.notFound) { _ = try await fixture.read(path) } }
            #expect(
                try await fixture.names() == [
                    "d/", "folder/", "absolute", "dangling", "file", "hop", "loop", "own", "proc", "root", "up",
                ]
            )
            try await fixture.write("folder/new", "x")
            #expect(fixture.text("tree/d/new") == "x")
            #expect(try await !fixture.write("up", "a file now").isNew)
            for path in ["absolute", "root", "folder", "dangling"] { try await fixture.remove(path) }
            #expect(fixture.text("outside/secret") == "SECRET" && fixture.text("tree/d/f") == "inside")
        }
    }

    @Test("a directory is removed with all it holds, links in it without what they lead to")
    func removesDirectories() async throws {
        try await TreeFixture.with { fixture in
            fixture.put("outside/kept", "kept")
            for path in ["d/a/b/c/d/e", "d/a/f", "d/g"] { try await fixture.write(path, "x") }
            fixture.link("tree/d/a/out", to: fixture.outside)
            fixture.link("tree/d/a/b/up", to: "../../..")
            mkfifo(fixture.inside + "/d/fifo", 0o600)
            chmod(fixture.inside + "/d/a/b", 0)
            chmod(fixture.inside + "/d/a", 0o500)
            try await fixture.remove("d")
            #expect(try await fixture.names() == [])
            #expect(fixture.text("outside/kept") == "kept")
        }
    }

    @Test("a directory five thousand levels deep is removed")
    func removesDeepDirectories() async throws {
        try await TreeFixture.with { fixture in
            var directory = try fixture.tree.workspace.openTree([], flags: O_RDONLY | O_DIRECTORY)
            for _ in 0..<5000 {
                mkdirat(directory.raw, "d", 0o755)
                directory = Descriptor(owning: openat(directory.raw, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
            }
            try await fixture.remove("d")
            #expect(try await fixture.names() == [])
        }
    }

    @Test("what is no file and no directory is refused at once")
    func specialFiles() async throws {
        try await TreeFixture.with { fixture in
            mkfifo(fixture.inside + "/fifo", 0o600)
            let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let name = Array((fixture.inside + "/socket").utf8CString)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name.map { UInt8(bitPattern: $0) }) }
            // Safety: bind(2) gets the address and its true size, and does not keep the pointer.
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            #expect(bound == 0)
            for name in ["fifo", "socket"] {
                await expect(.notARegularFile) { _ = try await fixture.read(name) }
                await expect(.notARegularFile) { try await fixture.write(name, "x") }
                await expect(.notADirectory) { _ = try await fixture.names(name) }
            }
            #expect(try await fixture.tree.list(TreePath("".utf8), limit: 9).entries.allSatisfy { $0.size == nil })
            for name in ["fifo", "socket"] { try await fixture.remove(name) }
            Glibc.close(socket)
        }
    }

    @Test("directories are no files, files no directories, and the root is neither")
    func wrongKinds() async throws {
        try await TreeFixture.with { fixture in
            try await fixture.write("d/f", "x")
            for path in ["d", ".", ""] {
                await expect(.isADirectory) { _ = try await fixture.read(path) }
                await expect(.isADirectory) { try await fixture.write(path, "x") }
            }
            for path in ["", ".", "/home/user", "/workspace/", "d/.."] {
                await expect(.isRoot) { try await fixture.remove(path) }
            }
            for path in ["d/f/", "d/f/x"] {
                await expect(.notADirectory) { _ = try await fixture.read(path) }
                await expect(.notADirectory) { try await fixture.remove(path) }
            }
            await expect(.notADirectory) { try await fixture.write("d/f/x", "x") }
            await expect(.notADirectory) { try await fixture.write("d/f/x/y", "x") }
            await expect(.isADirectory) { try await fixture.write("new/", "x") }
            await expect(.notFound) { try await fixture.remove("missing") }
            await expect(.notFound) { try await fixture.remove("missing/x") }
            #expect(!fixture.exists("tree/new"))
        }
    }

    @Test("a write that fails leaves the old file and no trace")
    func failedWrites() async throws {
        try await TreeFixture.with { fixture in
            try await fixture.write("f", "old")
            await expect(.tooLarge(maxBytes: 5)) { try await fixture.write("f", "123|456", limit: 5) }
            await expect(.tooLarge(maxBytes: 5)) { try await fixture.write("g/h", "123|456", limit: 5) }
            struct Gone: Error {}
            let broken = AsyncThrowingStream<ByteBuffer, any Error> {
                $0.yield(ByteBuffer(string: "new"))
                $0.finish(throwing: Gone())
            }
            await #expect(throws: Gone.self) {
                try await fixture.tree.write(TreePath("f".utf8), content: broken, limit: 9, condition: .none)
            }
            #expect(try await fixture.read("f") == "old")
            #expect(try await fixture.names() == ["f"])
        }
    }

    @Test("conditions are about the file that is there")
    func conditions() async throws {
        try await TreeFixture.with { fixture in
            await expect(.conditionFailed) { try await fixture.write("a/f", "x", .exists) }
            await expect(.conditionFailed) { try await fixture.write("a/f", "x", .hasTag(["\"1\""])) }
            #expect(!fixture.exists("tree/a"))
            let first = try await fixture.write("f", "1", .isMissing)
            #expect(try await fixture.tree.open(TreePath("f".utf8)).entityTag == first.entityTag)
            await expect(.conditionFailed) { try await fixture.write("f", "2", .isMissing) }
            let second = try await fixture.write("f", "2", .hasTag(["\"x\"", first.entityTag]))
            #expect(second.entityTag != first.entityTag)
            await expect(.conditionFailed) { try await fixture.write("f", "3", .hasTag([first.entityTag])) }
            #expect(try await fixture.read("f") == "2")
        }
    }

    @Test("of many writers with the same condition one wins, and readers see whole files")
    func concurrentWriters() async throws {
        try await TreeFixture.with { fixture in
            let tag = try await fixture.write("f", "start").entityTag
            let winners = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<50 {
                    group.addTask { (try? await fixture.write("f", "writer \(number)|", .hasTag([tag]))) != nil }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(winners == 1)
            let texts = (0..<8).map { String(repeating: "\($0)", count: 100_000) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for text in texts {
                    group.addTask {
                        for _ in 0..<10 {
                            try await fixture.write("f", text.prefix(50_000) + "|" + text.suffix(50_000))
                        }
                    }
                }
                for _ in 0..<200 {
                    let seen = try await fixture.read("f")
                    #expect(texts.contains(seen) || seen.hasPrefix("writer"))
                }
                try await group.waitForAll()
            }
            #expect(try await fixture.names() == ["f"])
        }
    }

    @Test(
        "a file that shrinks gives fewer bytes, one that grows no more than asked for, one that is replaced the old ones"
    )
    func changesWhileReading() async throws {
        try await TreeFixture.with { fixture in
            try await fixture.write("f", String(repeating: "x", count: 1_000_000))
            let path = try TreePath("f".utf8)
            func count(_ change: () async throws -> Void) async throws -> Int {
                let file = try await fixture.tree.open(path)
                try await change()
                return try await file.read(0, file.size).reduce(0) { $0 + $1.readableBytes }
            }
            #expect(try await count { truncate(fixture.inside + "/f", 10) } == 10)
            #expect(try await count { truncate(fixture.inside + "/f", 5000) } == 10)
            #expect(try await count { try await fixture.write("f", "new") } == 5000)
            #expect(try await count { try await fixture.remove("f") } == 3)
        }
    }

    @Test("what its owner may not read, write or enter")
    func modes() async throws {
        try await TreeFixture.with { fixture in
            try await fixture.write("d/f", "x")
            chmod(fixture.inside + "/d/f", 0)
            #expect(try await fixture.read("d/f") == "x")
            chmod(fixture.inside + "/d", 0)
            #expect(try await fixture.names("d") == ["f"])
        }
    }

    @Test("names of any bytes are listed and opened")
    func strangeNames() async throws {
        try await TreeFixture.with { fixture in
            for name in [
                [0xFF, 0xFE], Array("a\nb\u{1b}[31m".utf8), Array("🦊".utf8), Array("\\".utf8),
                Array(String(repeating: "x", count: 255).utf8),
            ] {
                let path = try TreePath(name)
                let content = AsyncThrowingStream<ByteBuffer, any Error> { $0.finish() }
                _ = try await fixture.tree.write(path, content: content, limit: 1, condition: .none)
                #expect(try await fixture.tree.list(TreePath([]), limit: 9).entries.contains { $0.name == name })
                #expect(try await fixture.tree.open(path).size == 0)
            }
        }
    }
}
