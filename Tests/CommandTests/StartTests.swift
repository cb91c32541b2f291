import Execution
import Foundation
import Glibc
import NIOCore
import Settings
import Testing

@testable import code_interpreter

@Suite("What happens before the server starts")
struct StartTests {
    /// A folder of this test's own.
    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "command-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder.path)
    }

    private func owner(of path: String) -> UInt32 {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_uid : .max
    }

    private var ourselves: ServerIdentity { ServerIdentity(uid: geteuid(), gid: getegid()) }

    @Test("files lie where the one who runs the server may write")
    func storagePaths() {
        var settings = Settings()
        let environment = ["HOME": "/home/x", "XDG_STATE_HOME": "/state"]
        #expect(StorageDirectory.path(settings, environment: environment, isRoot: true) == "/var/lib/code-interpreter")
        #expect(StorageDirectory.path(settings, environment: environment, isRoot: false) == "/state/code-interpreter")
        #expect(
            StorageDirectory.path(settings, environment: ["HOME": "/home/x"], isRoot: false)
                == "/home/x/.local/state/code-interpreter"
        )
        settings.fileStorageDirectory = "files"
        let current = FileManager.default.currentDirectoryPath
        #expect(StorageDirectory.path(settings, environment: environment, isRoot: true) == current + "/files")
    }

    @Test("the storage directory is made for its owner alone, and found again")
    func storageIsMade() async throws {
        try await withFolder { folder in
            let path = folder + "/a/b/storage"
            try StorageDirectory.prepare(path, owner: ourselves)
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o700)
            try StorageDirectory.prepare(path, owner: ourselves)
        }
    }

    @Test("only an empty directory of root's is given away", .enabled(if: geteuid() == 0, "needs root"))
    func storageIsNotTaken() async throws {
        let other = ServerIdentity(uid: 99_999, gid: 99_999)
        try await withFolder { folder in
            try StorageDirectory.prepare(folder + "/new", owner: other)
            #expect(owner(of: folder + "/new") == 99_999)
            try StorageDirectory.prepare(folder + "/full/inside", owner: ourselves)
            #expect(throws: StartFailure.self) { try StorageDirectory.prepare(folder + "/full", owner: other) }
            #expect(owner(of: folder + "/full") == geteuid())
        }
    }

    @Test("a storage directory that cannot be made is named")
    func storageFails() {
        #expect(throws: StartFailure.self) { try StorageDirectory.prepare("/dev/null/storage", owner: ourselves) }
    }

    @Test("a user is given by numbers or names, and must exist")
    func identities() throws {
        #expect(try ServerIdentity.parse("12") == ServerIdentity(uid: 12, gid: 12))
        #expect(try ServerIdentity.parse("12:34") == ServerIdentity(uid: 12, gid: 34))
        #expect(try ServerIdentity.parse("daemon") == ServerIdentity(uid: 1, gid: 1))
        #expect(try ServerIdentity.parse("12:daemon") == ServerIdentity(uid: 12, gid: 1))
        #expect(throws: StartFailure.self) { try ServerIdentity.parse("nobody-of-that-name") }
        #expect(throws: StartFailure.self) { try ServerIdentity.parse("12:no-group-of-that-name") }
    }

    @Test(
        "addresses of the loopback interface are known",
        arguments: [
            ("127.0.0.1", true), ("127.8.9.1", true), ("localhost", true), ("::1", true), ("0.0.0.0", false),
            ("::", false),
            ("127.evil.example", false), ("10.0.0.1", false),
        ]
    )
    func loopback(host: String, expected: Bool) {
        #expect(Loopback.contains(host) == expected)
    }

    @Test("the help names every setting and fits a terminal")
    func help() {
        let lines = SettingsHelp.text.split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 80 })
        for setting in Setting.all {
            #expect(
                lines.contains { $0.hasPrefix(setting.isSecret ? "  no flag: \(setting.name)" : "  \(setting.flag)") }
            )
        }
    }

    @Test("two files of one name, and the name of the program, cannot be staged")
    func stagedNames() throws {
        #expect(throws: StartFailure.self) {
            try ProgramFiles.load(code: "", paths: ["/etc/passwd", "/etc/../etc/passwd"], limitMB: 1)
        }
        #expect(throws: StartFailure.self) { try ProgramFiles.load(code: "", paths: ["/x/__main__.py"], limitMB: 1) }
        #expect(throws: StartFailure.self) { try ProgramFiles.load(code: "", paths: ["/does/not/exist"], limitMB: 1) }
        #expect(throws: StartFailure.self) { try ProgramFiles.load(code: "", paths: ["/dev/zero"], limitMB: 1) }
    }

    @Test("produced files are written with their folders, over what was there, but not through links")
    func outputDirectory() async throws {
        try await withFolder { folder in
            let output = OutputDirectory(path: folder + "/out")
            let content = AsyncStream<ByteBuffer> {
                $0.yield(ByteBuffer(string: "new")); $0.finish()
            }
            let place = try WorkspacePath("a/b.txt")
            try await output.write(content, to: place)
            #expect(try String(contentsOfFile: folder + "/out/a/b.txt", encoding: .utf8) == "new")
            try FileManager.default.createSymbolicLink(atPath: folder + "/out/link", withDestinationPath: "/dev/null")
            let link = try WorkspacePath("link")
            await #expect(throws: StartFailure.self) { try await output.write(content, to: link) }
        }
    }
}
