import Crypto
import NIOCore
import NIOPosix
import _NIOFileSystem

/// The contents of files on disk: one blob each, named by its id, in 16 folders by the id's first digit.
///
/// More folders would make every start look through more of them, and let fewer uploads share the synchronisation of one.
///
/// A blob has no name before all of it is on disk (O_TMPFILE and linkat(2); where the file system has no O_TMPFILE, another name in the same
/// folder, which no id has), so a name that no entry of the index knows is an orphan.
struct BlobDirectory: Sendable {
    let root: FilePath
    let fileSystem: FileSystem
    let threadPool: NIOThreadPool

    /// What was written.
    struct Written: Sendable {
        var size: Int
        var sha256: String
    }

    init(root: FilePath, threadPool: NIOThreadPool) {
        self.root = root
        self.threadPool = threadPool
        self.fileSystem = FileSystem(threadPool: threadPool)
    }

    /// `id` is a well-formed one: 36 bytes.
    func path(of id: String) -> FilePath { folder(of: id).appending(id) }

    private func folder(of id: String) -> FilePath { root.appending(String(id.prefix(1))) }

    /// Makes the folders where they are missing, durably.
    func prepare() async throws {
        // Made in order: where the last one is, all are.
        if try await fileSystem.info(forFileAt: root.appending("f")) == nil {
            for shard in Self.shards {
                try await fileSystem.createDirectory(
                    at: root.appending(shard),
                    withIntermediateDirectories: true,
                    permissions: [.ownerReadWriteExecute]
                )
            }
        }
        let store = root.removingLastComponent()
        try await synchronize(root)
        try await synchronize(store)
        // The store itself may be new. Where its parent may not be read, somebody else made it, long ago.
        try? await synchronize(store.removingLastComponent())
    }

    /// Writes `content` under the name of `id` and waits until it is on disk; its name is only durable after ``synchronizeName(of:)``.
    ///
    /// - Throws: ``FileStoreError/fileTooLarge(maxBytes:)``, or what `content` or the disk throws. Nothing stays then.
    func write<Content: AsyncSequence & Sendable>(
        _ id: String,
        content: Content,
        limit: Int,
        step: FileStore.StepHook
    ) async throws -> Written where Content.Element == ByteBuffer {
        var options = OpenOptions.Write.newFile(replaceExisting: false, permissions: [.ownerReadWrite])
        options.closeOnExec = true
        do {
            return try await fileSystem.withFileHandle(forWritingAt: path(of: id), options: options) { handle in
                try await step(.created)
                var hash = SHA256()
                var size = 0
                for try await chunk in content where chunk.readableBytes > 0 {
                    if chunk.readableBytes > limit - size { throw FileStoreError.fileTooLarge(maxBytes: limit) }
                    chunk.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
                    try await handle.write(contentsOf: chunk.readableBytesView, toAbsoluteOffset: Int64(size))
                    size += chunk.readableBytes
                    try await step(.written)
                }
                // Streams end early and without an error when their reader is cancelled.
                try Task.checkCancellation()
                try await handle.synchronize()
                try await step(.synchronized)
                return Written(size: size, sha256: Self.hexadecimal(hash.finalize()))
            }
        } catch {
            // Closing may have failed after the name was made. What cannot be removed now, the next start removes.
            try? await remove(id)
            throw error
        }
    }

    /// Makes the name of a blob durable.
    func synchronizeName(of id: String) async throws { try await synchronize(folder(of: id)) }

    /// Removes a blob, cancelled or not. No error when there is none.
    func remove(_ id: String) async throws {
        let path = path(of: id)
        // Unstructured only because cleaning up is not cancellable; it is awaited right here.
        try await Task { _ = try await fileSystem.removeItem(at: path, strategy: .sequential, recursively: false) }
            .value
    }

    /// What lies in one of ``shards``: ids, and whatever else.
    func names(in shard: String) async throws -> Set<String> {
        try await fileSystem.withDirectoryHandle(atPath: root.appending(shard), options: Self.directoryOptions) {
            folder in
            var names: Set<String> = []
            for try await batch in folder.listContents().batched() {
                names.formUnion(batch.map(\.name.string))
            }
            return names
        }
    }

    /// Removes something from one of ``shards`` that is no blob of ours.
    func removeOrphan(_ name: String, in shard: String) async throws {
        _ = try await fileSystem.removeItem(
            at: root.appending(shard).appending(name),
            strategy: .sequential,
            recursively: true
        )
    }

    func open(_ id: String) async throws -> BlobReader {
        let options = OpenOptions.Read(followSymbolicLinks: false, closeOnExec: true)
        let handle = try await fileSystem.openFile(forReadingAt: path(of: id), options: options)
        return BlobReader(takingOwnershipOf: try handle.detachUnsafeFileDescriptor(), threadPool: threadPool)
    }

    static let shards: [String] = "0123456789abcdef".map { String($0) }

    private static var directoryOptions: OpenOptions.Directory { OpenOptions.Directory(closeOnExec: true) }

    private func synchronize(_ directory: FilePath) async throws {
        try await fileSystem.withDirectoryHandle(atPath: directory, options: Self.directoryOptions) { handle in
            try await handle.synchronize()
        }
    }

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
