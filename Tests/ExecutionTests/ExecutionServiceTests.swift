import Foundation
import NIOCore
import Synchronization
import Testing

@testable import Execution

@Suite("The service takes a request from admission to its answer", .timeLimit(.minutes(5)))
struct ExecutionServiceTests {
    @Test("a program runs, its output and outcome are given, and all is given back")
    func runs() async throws {
        try await withService { fixture in
            let admitted = try await fixture.admit("print(1)")
            #expect(fixture.service.gate.running == 1)
            let output = Shared("")
            let result = try await admitted.run { stream, bytes in
                output.withLock { $0 += "\(stream.rawValue):\(String(buffer: bytes))" }
            }
            #expect(result.outcome.ending == .exited(0) && result.files.isEmpty && result.omittedFiles == 0)
            #expect(output.current == "stdout:print(1)")
            await fixture.expectAllGivenBack()
            await eventually("the used sandbox is destroyed") { fixture.backend.destroyed == 1 }
        }
    }

    @Test("the imports choose the kind")
    func kinds() async throws {
        try await withService { fixture in
            for (code, kind) in [("import os", SandboxKind.bare), ("import numpy", .full)] {
                let admitted = try await fixture.admit(code)
                #expect(fixture.service.pool.contents.withLock { $0.taken.values.map(\.kind) } == [kind])
                await admitted.abandon()
            }
            await fixture.expectAllGivenBack()
        }
    }

    @Test("what is wrong with a request is found in the order of the contract, before anything is taken")
    func orderOfChecks() async throws {
        try await withService { fixture in
            let id = try await fixture.files.add("a").id
            let cases: [(timeout: Duration, files: [(String, String)], refusal: ExecutionRefusal)] = [
                (.seconds(61), [("/x", "no")], .timeoutAboveMaximum(milliseconds: 60_000)),
                (.seconds(60), [("/x", id), ("y", "no")], .unknownFile(id: "no", path: "y")),
                (.seconds(1), [("/x", id), ("../y", id)], .invalidPath(.absolute, path: "/x")),
                (.seconds(1), [("a/../y", id)], .invalidPath(.leavesWorkspace, path: "a/../y")),
                (.seconds(1), [("", id)], .invalidPath(.empty, path: "")),
                (.seconds(1), [("./", id)], .invalidPath(.empty, path: "./")),
                (.seconds(1), [("a\0", id)], .invalidPath(.containsNUL, path: "a\0")),
                (
                    .seconds(1), [(String(repeating: "a", count: 256), id)],
                    .invalidPath(.tooLong, path: String(repeating: "a", count: 256))
                ),
                (.seconds(1), [("ok", id), ("./__main__.py", id)], .reservedPath(path: "./__main__.py")),
            ]
            for (timeout, files, refusal) in cases {
                await #expect(throws: refusal) {
                    _ = try await fixture.admit("1", timeout: timeout, files: files)
                }
            }
            #expect(fixture.metrics.snapshot().rejected.isEmpty, "only want of room is counted as rejected")
            await fixture.expectAllGivenBack()
        }
    }

    @Test("files are staged by their blob, and survive their removal until the program ended")
    func staging() async throws {
        let isStaging = Latch()
        let isRemoved = Latch()
        let staged = Shared<[String: Data]>([:])
        try await withService({ state in
            state.behaviour.onStage = { _, files in
                await isStaging.open()
                await isRemoved.wait()
                for file in files {
                    guard case .blob(let path, let size, _) = file.content else { continue }
                    let data = try Data(contentsOf: URL(filePath: path))
                    #expect(data.count == size)
                    staged.withLock { $0[file.path.string] = data }
                }
            }
        }) { fixture in
            let file = try await fixture.files.add("a", Array("hello".utf8))
            let admitting = Task { try await fixture.admit("1", files: [("x/y.txt", file.id), ("z", file.id)]) }
            await isStaging.wait()
            #expect(try await fixture.files.remove(id: file.id, tenant: .everyone))
            await isRemoved.open()
            _ = try await admitting.value.run { _, _ in }
            #expect(staged.current == ["x/y.txt": Data("hello".utf8), "z": Data("hello".utf8)])
            try await eventually("the blob goes when the execution ended") { try blobNames(fixture.directory).isEmpty }
        }
    }

    @Test("of the files with one path, however it is written, only the last is staged")
    func stagedTwice() async throws {
        let staged = Shared<[String]>([])
        try await withService({ state in
            state.behaviour.onStage = { _, files in
                for file in files {
                    guard case .blob(_, let size, _) = file.content else { continue }
                    staged.withLock { $0.append("\(file.path) \(size)") }
                }
            }
        }) { fixture in
            let first = try await fixture.files.add("first", [1]).id
            let last = try await fixture.files.add("last", [1, 2]).id
            let paths = ["a", "./a", "b", "x/y", "a", "a//", "x//y"]
            let files = paths.map { ($0, first) } + [("./b", last), ("a", last)]
            try await fixture.admit("1", files: files).abandon()
            #expect(staged.current == ["x/y 1", "b 2", "a 2"])
            await fixture.expectAllGivenBack()
        }
    }

    @Test("files that are more together than a workspace holds are refused before a place is taken")
    func moreThanAWorkspace() async throws {
        try await withService(
            { _ in },
            {
                $0.workspaceBytes = 250
                $0.maxConcurrentExecutions = 1
                $0.maxQueuedExecutions = 0
            }
        ) { fixture in
            let id = try await fixture.files.add("a", [UInt8](repeating: 1, count: 100)).id
            let running = try await fixture.admit("1", files: [("a", id), ("b", id), ("./a", id)])
            await #expect(throws: ExecutionRefusal.filesTooLarge(path: "c")) {
                _ = try await fixture.admit("2", files: [("a", id), ("b", id), ("c", id)])
            }
            #expect(fixture.metrics.snapshot().rejected.isEmpty, "it did not ask for the place")
            await running.abandon()
            await fixture.expectAllGivenBack()
        }
    }

    @Test("another tenant's file is unknown")
    func tenants() async throws {
        try await withService { fixture in
            let file = try await fixture.files.add("a", tenant: Tenant(name: "other"))
            await #expect(throws: ExecutionRefusal.unknownFile(id: file.id, path: "x")) {
                _ = try await fixture.admit("1", files: [("x", file.id)])
            }
        }
    }

    @Test("what the program left is stored under its path, in order, and belongs to the tenant")
    func producedFiles() async throws {
        let tenant = Tenant(name: "t")
        try await withService({ state in
            state.behaviour.omitted = 2
            state.behaviour.produced = ["b.txt": Array("bb".utf8), "a/ü.png": Array("a".utf8), "empty": []]
        }) { fixture in
            let result = try await fixture.admit("1", tenant: tenant).run { _, _ in }
            #expect(result.files.map(\.filename) == ["a/ü.png", "b.txt", "empty"])
            #expect(result.omittedFiles == 2)
            #expect(try await fixture.files.files(of: tenant).count == 3)
            let content = try await collect(fixture.files.content(of: result.files[1]))
            #expect(content == Array("bb".utf8))
        }
    }

    @Test("limits on what is given back hold, whatever the backend says")
    func producedFileLimits() async throws {
        try await withService(
            { state in
                state.behaviour.produced = [
                    "1": [UInt8](repeating: 1, count: 60), "2": [UInt8](repeating: 2, count: 101),
                    "3": [UInt8](repeating: 3, count: 50),
                    "4": [UInt8](repeating: 4, count: 40), "5": [1], "6": [1],
                ]
            },
            { $0.producedFiles = ProducedFileLimits(count: 3, bytesPerFile: 100, totalBytes: 109) }
        ) { fixture in
            let result = try await fixture.admit("1").run { _, _ in }
            // 2 is too large for one file, 3 for what is left, 6 one too many.
            #expect(result.files.map(\.filename) == ["1", "4", "5"])
            #expect(result.omittedFiles == 3)
        }
    }

    @Test("a produced file that vanishes or turns into a link is left out")
    func vanishingFiles() async throws {
        try await withService({ state in
            state.behaviour.produced = ["a": [1], "b": [2], "c": [3]]
            state.behaviour.onRead = { _, path in
                if path.string == "b" { throw SandboxError.notARegularFile(path) }
            }
        }) { fixture in
            let result = try await fixture.admit("1").run { _, _ in }
            #expect(result.files.map(\.filename) == ["a", "c"] && result.omittedFiles == 1)
        }
    }

    @Test("when storing fails, the execution fails and nothing of it stays")
    func storingFails() async throws {
        try await withService({ state in
            state.behaviour.produced = Dictionary(uniqueKeysWithValues: (0..<20).map { ("\($0)", [UInt8($0)]) })
            state.behaviour.onRead = { _, path in
                if path.string == "9" { throw FileStoreError.storage("disk full") }
            }
        }) { fixture in
            await #expect(throws: FileStoreError.storage("disk full")) {
                _ = try await fixture.admit("1").run { _, _ in }
            }
            let files = try await fixture.files.files(of: .everyone)
            #expect(files.isEmpty)
            #expect(try blobNames(fixture.directory).isEmpty)
            #expect(fixture.metrics.snapshot().completed[.init(operation: .execute, outcome: "failed")] == 1)
            await fixture.expectAllGivenBack()
        }
    }

    @Test("files that do not fit are refused, and the sandbox is not used")
    func filesTooLarge() async throws {
        try await withService({ state in
            state.behaviour.onStage = { _, files in throw SandboxError.workspaceFull(files[0].path) }
        }) { fixture in
            let id = try await fixture.files.add("a").id
            await #expect(throws: ExecutionRefusal.filesTooLarge(path: "x")) {
                _ = try await fixture.admit("1", files: [("x", id)])
            }
            await fixture.expectAllGivenBack()
            await eventually("it is destroyed") { fixture.backend.destroyed == 1 }
        }
    }
}
