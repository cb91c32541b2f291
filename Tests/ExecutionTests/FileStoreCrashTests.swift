import Foundation
import GRDB
import NIOCore
import Testing

@testable import Execution

@Suite("A crash loses no acknowledged file and leaves no orphan", .timeLimit(.minutes(5)))
struct FileStoreCrashTests {
    private struct Injected: Error {}

    /// A copy of the store's directory as it was at one step, and what was acknowledged then.
    private struct Snapshot: Sendable {
        var directory: String
        var step: FileStore.Step
        var acknowledged: [String: [UInt8]]
    }

    @Test("at every step of adding and removing, a restart finds all acknowledged files and nothing else")
    func everyStep() async throws {
        try await withTemporaryDirectory { directory in
            let live = directory + "/live"
            let acknowledged = Shared<[String: [UInt8]]>([:])
            let snapshots = Shared<[Snapshot]>([])
            var store: FileStore? = try await openStore(live) { step in
                let number = snapshots.withLock { $0.count }
                let copy = directory + "/copy\(number)"
                try copyDirectory(live, to: copy)
                snapshots.withLock {
                    $0.append(Snapshot(directory: copy, step: step, acknowledged: acknowledged.current))
                }
            }
            for number in 0..<3 {
                let bytes = [UInt8](repeating: UInt8(number), count: 2_500)
                let stored = try #require(try await store?.add("file \(number)", bytes))
                acknowledged.withLock { $0[stored.id] = bytes }
            }
            let victim = try #require(acknowledged.current.keys.first)
            // Asked to go, it is no longer promised; whether it is still there depends on the step.
            acknowledged.withLock { $0[victim] = nil }
            #expect(try await store?.remove(id: victim, tenant: .everyone) == true)
            store = nil
            #expect(Set(snapshots.current.map(\.step)) == Set(FileStore.Step.allCases))
            for snapshot in snapshots.current { try await check(snapshot) }
        }
    }

    private func check(_ snapshot: Snapshot) async throws {
        let store = try await openStore(snapshot.directory)
        let files = try await store.files(of: .everyone)
        for (id, bytes) in snapshot.acknowledged {
            let file = try #require(try await store.file(id: id, tenant: .everyone), "lost at \(snapshot.step)")
            #expect(try await collect(store.content(of: file)) == bytes)
        }
        for file in files {
            #expect(try await collect(store.content(of: file)).count == 2_500, "torn at \(snapshot.step)")
        }
        #expect(try blobNames(snapshot.directory) == files.map(\.id).sorted(), "an orphan of \(snapshot.step)")
        let unpromised = files.count - snapshot.acknowledged.count
        #expect(unpromised == (snapshot.step == .committed ? 1 : 0), "at \(snapshot.step)")
    }

    @Test("a failure at any step before the commit leaves nothing", arguments: FileStore.Step.allCases)
    func failures(_ failing: FileStore.Step) async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory) { if $0 == failing { throw Injected() } }
            if failing == .forgotten {
                let stored = try await store.add("a")
                await #expect(throws: Injected.self) { _ = try await store.remove(id: stored.id, tenant: .everyone) }
                #expect(try await store.file(id: stored.id, tenant: .everyone) == nil)
                return
            }
            await #expect(throws: Injected.self) { try await store.add("a") }
            let isCommitted = failing == .committed
            #expect(try await store.files(of: .everyone).count == (isCommitted ? 1 : 0))
            #expect(try blobNames(directory).count == (isCommitted ? 1 : 0))
        }
    }

    @Test(
        "a cancellation at any step before the commit leaves nothing; after it, the file is there",
        arguments: FileStore.Step.allCases
    )
    func cancellations(_ cancelling: FileStore.Step) async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory) { step in
                if step == cancelling { withUnsafeCurrentTask { $0?.cancel() } }
            }
            let result = await Task { try await store.add("a") }.result
            let isStored = [.committed, .forgotten].contains(cancelling)
            #expect(((try? result.get()) != nil) == isStored)
            #expect(try await store.files(of: .everyone).count == (isStored ? 1 : 0))
            #expect(try blobNames(directory).count == (isStored ? 1 : 0))
            guard cancelling == .forgotten, let stored = try? result.get() else { return }
            #expect(try await Task { try await store.remove(id: stored.id, tenant: .everyone) }.value)
            #expect(try blobNames(directory).isEmpty, "the blob stayed because its remover was cancelled")
        }
    }

    @Test("a start removes blobs and other things without a row, and rows without a blob")
    func repair() async throws {
        try await withTemporaryDirectory { directory in
            var store: FileStore? = try await openStore(directory)
            let kept = try #require(try await store?.add("kept"))
            let lost = try #require(try await store?.add("lost"))
            store = nil
            let folder = directory + "/blobs/a"
            try FileManager.default.removeItem(atPath: lost.blobPath)
            try Data("x".utf8).write(to: URL(filePath: folder + "/ab000000-0000-4000-8000-000000000000"))
            try Data("x".utf8).write(to: URL(filePath: folder + "/.tmp-123"))
            try FileManager.default.createDirectory(atPath: folder + "/folder/deep", withIntermediateDirectories: true)
            let repaired = try await openStore(directory)
            #expect(try await repaired.files(of: .everyone) == [kept])
            #expect(try blobNames(directory) == [kept.id])
        }
    }

    @Test("a removed file whose blob was still held is gone after a restart")
    func heldAtCrash() async throws {
        try await withTemporaryDirectory { directory in
            var store: FileStore? = try await openStore(directory)
            let stored = try #require(try await store?.add("a"))
            _ = try await store?.hold([stored.id], tenant: .everyone)
            #expect(try await store?.remove(id: stored.id, tenant: .everyone) == true)
            #expect(try blobNames(directory).count == 1)
            store = nil
            _ = try await openStore(directory)
            #expect(try blobNames(directory).isEmpty)
        }
    }

    @Test("the index waits for the disk at each commit")
    func synchronousCommits() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory)
            let settings = try await store.index.pool.writeWithoutTransaction { database in
                try ["journal_mode", "synchronous"].map { try String.fetchOne(database, sql: "PRAGMA \($0)") }
            }
            // 2 is FULL.
            #expect(settings == ["wal", "2"])
        }
    }
}
