package import Execution
package import NIOCore
import Synchronization

/// A workspace in the memory of the test: files by path, directories only as their parents.
package final class FakeTree: WorkspaceTree {
    package typealias Stream = @Sendable (_ offset: Int, _ length: Int) -> AsyncThrowingStream<ByteBuffer, any Error>

    private let state: Mutex<[String: (content: [UInt8], version: Int)]>
    private let failure = Mutex<WorkspaceTreeError?>(nil)
    private let whileWriting = Mutex<(@Sendable (Int) async -> Void)?>(nil)
    private let streams = Mutex<[String: (size: Int, body: Stream)]>([:])

    package init(_ files: [String: [UInt8]] = [:]) { state = Mutex(files.mapValues { ($0, 1) }) }

    package subscript(_ path: String) -> [UInt8]? { state.withLock { $0[path]?.content } }

    /// Every call ends that way from then on.
    package func fail(_ error: WorkspaceTreeError?) { failure.withLock { $0 = error } }

    /// Called after each piece that is written, with the bytes so far.
    package func slowDown(_ body: @escaping @Sendable (Int) async -> Void) { whileWriting.withLock { $0 = body } }

    /// What reading a file gives, instead of its content.
    package func stream(
        _ path: String,
        size: Int,
        _ body: @escaping Stream
    ) {
        streams.withLock { $0[path] = (size, body) }
    }

    package func list(_ path: TreePath, limit: Int) async throws -> TreeListing {
        try check()
        let prefix = path.isRoot ? "" : Self.text(path) + "/"
        let names = state.withLock {
            $0.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        }
        if names.isEmpty, !path.isRoot {
            throw self[Self.text(path)] == nil ? WorkspaceTreeError.notFound : .notADirectory
        }
        let entries = Set(
            names.map { $0.split(separator: "/").count > 1 ? $0.split(separator: "/")[0] + "/" : $0[...] }
        )
        .map { name in
            TreeEntry(
                name: Array(name.utf8.filter { $0 != UInt8(ascii: "/") }),
                isDirectory: name.hasSuffix("/"),
                size: self[prefix + name]?.count,
                modified: TreeTime(seconds: 1_700_000_000, nanoseconds: 500_000_000)
            )
        }
        .sorted {
            ($0.isDirectory ? 0 : 1, String(decoding: $0.name, as: UTF8.self)) < (
                $1.isDirectory ? 0 : 1, String(decoding: $1.name, as: UTF8.self)
            )
        }
        return TreeListing(entries: Array(entries.prefix(limit)), isTruncated: entries.count > limit)
    }

    package func open(_ path: TreePath) async throws -> TreeFile {
        try check()
        if path.isRoot { throw WorkspaceTreeError.isADirectory }
        let name = Self.text(path)
        guard let (content, version) = state.withLock({ $0[name] }) else { throw WorkspaceTreeError.notFound }
        let stream = streams.withLock { $0[name] }
        let time = TreeTime(seconds: 784_111_777, nanoseconds: 0)
        return TreeFile(size: stream?.size ?? content.count, modified: time, entityTag: "\"\(version)\"") {
            offset,
            length in
            if let stream { return stream.body(offset, length) }
            return AsyncThrowingStream {
                $0.yield(ByteBuffer(bytes: content[offset..<(offset + length)]))
                $0.finish()
            }
        }
    }

    package func write(
        _ path: TreePath,
        content: any AsyncSequence<ByteBuffer, any Error> & Sendable,
        limit: Int,
        condition: TreeCondition
    ) async throws -> TreeWritten {
        try check()
        if path.mustBeDirectory { throw WorkspaceTreeError.isADirectory }
        let slow = whileWriting.withLock { $0 }
        var bytes: [UInt8] = []
        for try await piece in content {
            bytes += piece.readableBytesView
            if bytes.count > limit { throw WorkspaceTreeError.tooLarge(maxBytes: limit) }
            await slow?(bytes.count)
        }
        return try state.withLock { [bytes] files in
            let old = files[Self.text(path)]?.version
            guard condition.holds(for: old.map { "\"\($0)\"" }) else { throw WorkspaceTreeError.conditionFailed }
            files[Self.text(path)] = (bytes, (old ?? 0) + 1)
            return TreeWritten(isNew: old == nil, entityTag: "\"\((old ?? 0) + 1)\"")
        }
    }

    package func remove(_ path: TreePath) async throws {
        try check()
        if path.isRoot { throw WorkspaceTreeError.isRoot }
        let name = Self.text(path)
        let isThere = state.withLock { files in
            let doomed = files.keys.filter { $0 == name || $0.hasPrefix(name + "/") }
            for key in doomed { files[key] = nil }
            return !doomed.isEmpty
        }
        if !isThere { throw WorkspaceTreeError.notFound }
    }

    private func check() throws { if let error = failure.withLock({ $0 }) { throw error } }

    private static func text(_ path: TreePath) -> String {
        path.components.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
    }
}
