import Foundation
import NIOCore
import Testing

@testable import Execution

@Suite("The file store keeps files", .timeLimit(.minutes(5)))
struct FileStoreTests {
    @Test("what is stored comes back as it was, also after a restart", arguments: [0, 1, 999, 1_000, 300_000])
    func roundTrip(_ size: Int) async throws {
        try await withTemporaryDirectory { directory in
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            var store: FileStore? = try await openStore(directory)
            let stored = try #require(try await store?.add("a b/ü\0\n\".txt", bytes))
            #expect(stored.size == size && stored.uploadTime == 1_000 && stored.filename == "a b/ü\0\n\".txt")
            #expect(FileStore.isWellFormed(stored.id))
            store = nil
            let again = try await openStore(directory)
            let found = try #require(try await again.file(id: stored.id, tenant: .everyone))
            #expect(found == stored)
            #expect(try await collect(again.content(of: found)) == bytes)
            #expect(try Data(contentsOf: URL(filePath: found.blobPath)) == Data(bytes))
        }
    }

    @Test("the hash is SHA-256 of the content")
    func hash() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory)
            let stored = try await store.add("abc", Array("abc".utf8))
            #expect(stored.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        }
    }

    @Test("content is given in chunks of at most 256 KiB")
    func chunkSize() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory)
            let stored = try await store.add("big", [UInt8](repeating: 7, count: 700_000))
            var sizes: [Int] = []
            for try await chunk in try await store.content(of: stored) { sizes.append(chunk.readableBytes) }
            #expect(sizes.reduce(0, +) == 700_000 && (sizes.max() ?? 0) <= 256 * 1024)
        }
    }

    @Test("files are listed oldest first, each tenant's for itself")
    func listing() async throws {
        try await withTemporaryDirectory { directory in
            let clock = TestClock(0)
            let store = try await openStore(directory, clock: clock)
            let other = Tenant(name: "other\0tenant")
            for (name, time) in [("c", 3.0), ("a", 1.0), ("b", 2.0), ("b2", 2.0)] {
                clock.withLock { $0 = time }
                try await store.add(name)
                try await store.add("not ours", tenant: other)
            }
            #expect(try await store.files(of: .everyone).map(\.filename) == ["a", "b", "b2", "c"])
            #expect(try await store.files(of: other).count == 4)
            #expect(try await store.files(of: Tenant(name: "other")).isEmpty)
        }
    }

    @Test("another tenant's file is not there, neither to be read nor to be removed")
    func tenants() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory)
            let stored = try await store.add("mine", tenant: Tenant(name: "a"))
            for other in [Tenant.everyone, Tenant(name: "b"), Tenant(name: "a\0"), Tenant(name: "A")] {
                #expect(try await store.file(id: stored.id, tenant: other) == nil)
                #expect(try await store.remove(id: stored.id, tenant: other) == false)
            }
            #expect(try await store.file(id: stored.id, tenant: Tenant(name: "a")) == stored)
        }
    }

    @Test("any text may be asked for, and only ids that exist are found")
    func strangeIDs() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory)
            let id = try await store.add("a").id
            let texts = [
                "", ".", "..", "/", "/etc/passwd", "../index.sqlite", "../../../../etc/passwd", "\(id)\0", "\(id)/..",
                " \(id)", id.uppercased(),
                String(id.dropLast()), id + "0", "%", "_", String(id.dropLast()) + "_", "' OR 1=1 --",
                String(repeating: "a", count: 1_000_000),
                "../../../../../../../../etc/passwd__", "🦉", "\u{0}", "00000000-0000-4000-8000-000000000000",
            ]
            for text in texts {
                #expect(try await store.file(id: text, tenant: .everyone) == nil)
                #expect(try await store.remove(id: text, tenant: .everyone) == false)
                #expect(try await store.hold([text], tenant: .everyone).files.isEmpty)
            }
            #expect(try await store.file(id: id, tenant: .everyone) != nil)
        }
    }

    @Test("a file above the limit is refused while it arrives, and leaves nothing")
    func tooLarge() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory, maxFileBytes: 10_000)
            try await store.add("fits", [UInt8](repeating: 1, count: 10_000))
            let given = Shared(0)
            let endless = AsyncThrowingStream<ByteBuffer, any Error> {
                given.withLock { $0 += 1 }
                return ByteBuffer(repeating: 1, count: 1_000)
            }
            await #expect(throws: FileStoreError.fileTooLarge(maxBytes: 10_000)) {
                _ = try await store.add(filename: "endless", tenant: .everyone, content: endless)
            }
            #expect(given.current == 11)
            #expect(try blobNames(directory).count == 1)
            #expect(try await store.files(of: .everyone).count == 1)
        }
    }

    @Test("an upload that breaks off or is cancelled leaves nothing")
    func brokenUploads() async throws {
        struct BrokenOff: Error {}
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory)
            let broken = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
                continuation.yield(ByteBuffer(string: "half"))
                continuation.finish(throwing: BrokenOff())
            }
            await #expect(throws: BrokenOff.self) {
                _ = try await store.add(filename: "broken", tenant: .everyone, content: broken)
            }
            // Such a stream ends without an error when its reader is cancelled.
            let (silent, continuation) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
            continuation.yield(ByteBuffer(string: "half"))
            let upload = Task { try await store.add(filename: "silent", tenant: .everyone, content: silent) }
            upload.cancel()
            await #expect(throws: CancellationError.self) { _ = try await upload.value }
            #expect(try blobNames(directory).isEmpty)
            #expect(try await store.files(of: .everyone).isEmpty)
        }
    }

    @Test("a removed file is gone at once; its download goes on to the end")
    func removal() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory)
            let bytes = [UInt8](repeating: 5, count: 900_000)
            let stored = try await store.add("a", bytes)
            let download = try await store.content(of: stored)
            #expect(try await store.remove(id: stored.id, tenant: .everyone))
            #expect(try await store.remove(id: stored.id, tenant: .everyone) == false)
            #expect(try await store.file(id: stored.id, tenant: .everyone) == nil)
            #expect(try blobNames(directory).isEmpty)
            #expect(try await collect(download) == bytes)
            await #expect(throws: FileStoreError.self) { _ = try await store.content(of: stored) }
        }
    }

    @Test("an expired file is invisible at once, and its blob goes soon after")
    func expiry() async throws {
        try await withTemporaryDirectory { directory in
            let clock = TestClock(1_000)
            let store = try await openStore(directory, timeToLive: .seconds(60), clock: clock)
            for number in 0..<250 { try await store.add("old \(number)") }
            clock.withLock { $0 = 1_030 }
            let young = try await store.add("young")
            clock.withLock { $0 = 1_060 }
            let old = try #require(try blobNames(directory).first { $0 != young.id })
            #expect(try await store.file(id: old, tenant: .everyone) == nil)
            #expect(try await store.files(of: .everyone) == [young])
            #expect(try await store.hold([old], tenant: .everyone).files.isEmpty)
            #expect(try await store.remove(id: old, tenant: .everyone) == false)
            let upkeep = Task { try await store.run() }
            try await eventually("all old blobs go, the young one stays") { try blobNames(directory) == [young.id] }
            upkeep.cancel()
            try await upkeep.value
        }
    }

    @Test("upkeep wakes for the next file that expires")
    func expiryInRealTime() async throws {
        try await withTemporaryDirectory { directory in
            let configuration = FileStore.Configuration(
                directory: directory,
                maxFileBytes: 100,
                timeToLive: .milliseconds(300)
            )
            let store = try await FileStore(configuration: configuration, logger: silentLogger)
            let upkeep = Task { try await store.run() }
            for number in 0..<3 { try await store.add("\(number)") }
            try await eventually("all expire") { try blobNames(directory).isEmpty }
            upkeep.cancel()
            try await upkeep.value
        }
    }

    @Test("a held blob outlives its file until it is released")
    func holding() async throws {
        try await withTemporaryDirectory { directory in
            let clock = TestClock(1_000)
            let store = try await openStore(directory, timeToLive: .seconds(60), clock: clock)
            let removed = try await store.add("removed")
            let expired = try await store.add("expired")
            let held = try await store.hold([removed.id, expired.id, removed.id, "no id"], tenant: .everyone)
            let second = try await store.hold([removed.id], tenant: .everyone)
            #expect(held.files == [removed.id: removed, expired.id: expired])
            #expect(try await store.remove(id: removed.id, tenant: .everyone))
            clock.withLock { $0 = 2_000 }
            let upkeep = Task { try await store.run() }
            #expect(try await store.file(id: removed.id, tenant: .everyone) == nil)
            #expect(FileManager.default.fileExists(atPath: removed.blobPath))
            try await eventually("both lost their rows") {
                try await store.index.ids(notNewerThan: 2_000, limit: 9).isEmpty
            }
            #expect(FileManager.default.fileExists(atPath: expired.blobPath))
            store.release(held)
            try await eventually("the expired one goes") { try !blobNames(directory).contains(expired.id) }
            #expect(FileManager.default.fileExists(atPath: removed.blobPath), "somebody still holds it")
            store.release(second)
            try await eventually("the removed one goes") { try !blobNames(directory).contains(removed.id) }
            upkeep.cancel()
            try await upkeep.value
        }
    }

    @Test("a second server on the same directory is refused until the first has ended")
    func secondServer() async throws {
        try await withTemporaryDirectory { directory in
            var first: FileStore? = try await openStore(directory)
            try await first?.add("a")
            let error = await #expect(throws: FileStoreError.self) { _ = try await openStore(directory) }
            guard case .storage(let message) = error else {
                Issue.record("not a storage error")
                return
            }
            #expect(message.contains("another server") && message.contains(directory))
            first = nil
            let second = try await openStore(directory)
            #expect(try await second.files(of: .everyone).count == 1)
        }
    }

    @Test("a directory that cannot be made or read is a storage error, not a crash")
    func unusableDirectory() async throws {
        try await withTemporaryDirectory { directory in
            let file = directory + "/file"
            try Data("not a database".utf8).write(to: URL(filePath: file))
            await #expect(throws: FileStoreError.self) { _ = try await openStore(file + "/below") }
            let damaged = directory + "/damaged"
            try FileManager.default.createDirectory(atPath: damaged, withIntermediateDirectories: true)
            try Data(repeating: 0x55, count: 10_000).write(to: URL(filePath: damaged + "/index.sqlite"))
            await #expect(throws: FileStoreError.self) { _ = try await openStore(damaged) }
        }
    }

    @Test("200 files stored side by side are all there")
    func concurrentAdds() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory)
            let stored = try await withThrowingTaskGroup(of: StoredFile.self) { group in
                for number in 0..<200 {
                    group.addTask { try await store.add("\(number)", Array("content \(number)".utf8)) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(stored.map(\.id)).count == 200)
            for file in stored {
                let content = try await collect(store.content(of: file))
                #expect(String(decoding: content, as: UTF8.self) == "content \(file.filename)")
            }
            #expect(try blobNames(directory) == stored.map(\.id).sorted())
        }
    }

    @Test("100 MB in and out need no more than 30 MB of memory")
    func largeFile() async {
        // In a process of its own: other tests run in this one at the same time, and what they hold would count.
        await #expect(processExitsWith: .success) { try await Self.measureLargeFile() }
    }

    private static func measureLargeFile() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory, maxFileBytes: 100_000_000)
            try await store.add("warm up")
            let before = try residentBytes()
            let most = Shared(0)
            let left = Shared(400)
            let content = AsyncThrowingStream<ByteBuffer, any Error> {
                guard
                    left.withLock({ left in
                        left -= 1
                        return left >= 0
                    })
                else { return nil }
                let resident = try residentBytes()
                most.withLock { $0 = max($0, resident) }
                return ByteBuffer(repeating: 3, count: 250_000)
            }
            let stored = try await store.add(filename: "large", tenant: .everyone, content: content)
            #expect(stored.size == 100_000_000)
            var size = 0
            for try await chunk in try await store.content(of: stored) {
                size += chunk.readableBytes
                let resident = try residentBytes()
                most.withLock { $0 = max($0, resident) }
            }
            #expect(size == 100_000_000)
            #expect(most.current - before < 30_000_000, "\((most.current - before) / 1_000_000) MB more")
        }
    }
}

/// What this process holds in memory.
private func residentBytes() throws -> Int {
    let statm = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    return (Int(statm.split(separator: " ")[1]) ?? 0) * 4_096
}
