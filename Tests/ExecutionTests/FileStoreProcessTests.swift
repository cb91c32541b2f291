import Foundation
import NIOCore
import Testing

@testable import Execution

@Suite("The file store and other processes", .timeLimit(.minutes(5)))
struct FileStoreProcessTests {
    @Test("kill -9 at any moment loses no acknowledged file and leaves no orphan", arguments: 0..<6)
    func killed(_ round: Int) async throws {
        try await withTemporaryDirectory { directory in
            let delay = Int.random(in: 5...150)
            print("killed after \(delay) ms")
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [directory = directory as String, delay = delay as Int] in
                let store = try await openStore(directory + "/store")
                let book = try AcknowledgementBook(directory)
                async let _ = killSelf(after: delay)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for worker in 0..<8 {
                        group.addTask { try await addAndRemove(store, worker: worker, book: book) }
                    }
                    try await group.waitForAll()
                }
            }
            let store = try await openStore(directory + "/store")
            let promised = try AcknowledgementBook.promised(directory)
            let files = try await store.files(of: .everyone)
            #expect(
                promised.stored.subtracting(promised.removing).subtracting(files.map(\.id)).isEmpty,
                "acknowledged and lost"
            )
            #expect(promised.removed.intersection(files.map(\.id)).isEmpty, "removed and back again")
            #expect(try blobNames(directory + "/store") == files.map(\.id).sorted(), "orphans")
            for file in files {
                let content = try await collect(store.content(of: file))
                #expect(String(decoding: content, as: UTF8.self) == "content of \(file.filename)")
            }
        }
    }

    @Test("a second server process on the same directory is refused")
    func secondProcess() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await openStore(directory)
            try await store.add("a")
            await #expect(processExitsWith: .exitCode(42)) { [directory = directory as String] in
                do {
                    _ = try await openStore(directory)
                } catch {
                    exit("\(error)".contains("another server") ? 42 : 1)
                }
            }
            #expect(try await store.files(of: .everyone).count == 1)
        }
    }
}

/// What a process was told by its store, written so that it survives the process.
private struct AcknowledgementBook: Sendable {
    private let file: FileHandle

    init(_ directory: String) throws {
        let path = directory + "/book"
        try Data().write(to: URL(filePath: path))
        file = try #require(FileHandle(forWritingAtPath: path))
    }

    /// One write(2): whole or not there.
    func note(_ what: String, _ id: String) throws {
        try file.write(contentsOf: Data("\(what) \(id)\n".utf8))
    }

    static func promised(_ directory: String) throws -> (
        stored: Set<String>, removing: Set<String>, removed: Set<String>
    ) {
        let text = (try? String(contentsOfFile: directory + "/book", encoding: .utf8)) ?? ""
        var notes: [Substring: Set<String>] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            notes[words[0], default: []].insert(String(words[1]))
        }
        return (notes["stored"] ?? [], notes["removing"] ?? [], notes["removed"] ?? [])
    }
}

/// Adds files, and removes every third one again, until the process ends.
private func addAndRemove(_ store: FileStore, worker: Int, book: AcknowledgementBook) async throws {
    for number in 0... {
        let name = "\(worker)-\(number)"
        let stored = try await store.add(name, Array("content of \(name)".utf8))
        try book.note("stored", stored.id)
        if number % 3 > 0 { continue }
        try book.note("removing", stored.id)
        _ = try await store.remove(id: stored.id, tenant: .everyone)
        try book.note("removed", stored.id)
    }
}

private func killSelf(after milliseconds: Int) async {
    try? await Task.sleep(for: .milliseconds(milliseconds))
    kill(getpid(), SIGKILL)
}
