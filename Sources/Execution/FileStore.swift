import FoundationEssentials
import GRDB
package import Logging
package import NIOCore
import NIOPosix
import _NIOFileSystem

/// Files of clients and of executions: blobs on disk, an index in SQLite.
///
/// A file is stored in this order: its blob is written and synchronised, gets its name, the name is synchronised, the row is committed. A file
/// whose row is there is whole; a blob without a row is an orphan of a crash and is removed at the next start.
package final class FileStore: Sendable {
    package struct Configuration: Sendable {
        /// Absolute; made if missing.
        package var directory: String
        /// Most bytes of one file.
        package var maxFileBytes: Int
        /// How long a file is kept after its upload; nil = for ever.
        package var timeToLive: Duration?
        package init(directory: String, maxFileBytes: Int, timeToLive: Duration?) {
            self.directory = directory
            self.maxFileBytes = maxFileBytes
            self.timeToLive = timeToLive
        }
    }

    /// What can be interrupted; tests look at the disk after each.
    enum Step: CaseIterable, Sendable {
        /// The blob is open and has no name.
        case created
        /// A chunk was written.
        case written
        /// The content is durable.
        case synchronized
        /// The blob has its name.
        case named
        /// The name is durable.
        case nameSynchronized
        /// The row is durable.
        case committed
        /// The row is durably gone.
        case forgotten
    }

    typealias StepHook = @Sendable (Step) async throws -> Void

    let configuration: Configuration
    let logger: Logger
    let blobs: BlobDirectory
    let index: FileIndex
    let retention = BlobRetention()
    /// Rings when a blob was released that has to be removed; ``run()`` listens.
    let doorbell = Doorbell()
    private let lock: StoreLock
    private let threadPool: NIOThreadPool
    private let wallClock: @Sendable () -> Double
    private let step: StepHook

    /// Opens the store, makes it if missing, and repairs what a crash left: no acknowledged file is missing, no orphan stays.
    ///
    /// - Throws: ``FileStoreError/storage(_:)``, also when another server uses the directory.
    package convenience init(configuration: Configuration, logger: Logger) async throws {
        try await self.init(
            configuration: configuration,
            logger: logger,
            wallClock: { Date().timeIntervalSince1970 },
            step: { _ in }
        )
    }

    /// For tests: with a wall clock, in seconds since 1970, and a hook that may look or throw.
    init(
        configuration: Configuration,
        logger: Logger,
        wallClock: @escaping @Sendable () -> Double,
        step: @escaping StepHook
    ) async throws {
        // fsync(2) blocks for milliseconds; four threads let that many share one commit of the file system's journal.
        let threadPool = NIOThreadPool(numberOfThreads: 4)
        threadPool.start()
        do {
            let root = FilePath(configuration.directory)
            let blobs = BlobDirectory(root: root.appending("blobs"), threadPool: threadPool)
            try await blobs.fileSystem.createDirectory(
                at: root,
                withIntermediateDirectories: true,
                permissions: [.ownerReadWriteExecute]
            )
            (lock, index) = try await threadPool.runIfActive {
                let lock = try StoreLock(path: root.appending("lock").string, directory: root.string)
                return (lock, try FileIndex(path: root.appending("index.sqlite").string))
            }
            try await blobs.prepare()
            self.blobs = blobs
        } catch {
            threadPool.shutdownGracefully { _ in }
            throw Self.translate(error)
        }
        self.configuration = configuration
        self.logger = logger
        self.threadPool = threadPool
        self.wallClock = wallClock
        self.step = step
        do { try await repair() } catch { throw Self.translate(error) }
    }

    deinit {
        threadPool.shutdownGracefully { _ in }
    }

    /// Most bytes of one file.
    package var maxFileBytes: Int { configuration.maxFileBytes }

    /// Files stored at this time, in seconds since 1970, or earlier are expired.
    var expiryTime: Double {
        guard let timeToLive = configuration.timeToLive else { return -.infinity }
        return wallClock() - timeToLive / .seconds(1)
    }

    /// Stores `content`, streamed to disk, and returns when it and its entry are durable. Nothing stays when this throws or is cancelled.
    ///
    /// - Throws: ``FileStoreError``, or what `content` throws.
    package func add<Content: AsyncSequence & Sendable>(
        filename: String,
        tenant: Tenant,
        content: Content
    ) async throws -> StoredFile where Content.Element == ByteBuffer {
        let id = UUID().uuidString.lowercased()
        do {
            let written = try await blobs.write(id, content: content, limit: configuration.maxFileBytes, step: step)
            let entry = FileIndex.Entry(
                id: id,
                filename: filename,
                size: written.size,
                sha256: written.sha256,
                uploadTime: wallClock(),
                tenant: tenant
            )
            try await publish(entry)
            return file(entry)
        } catch {
            throw Self.translate(error)
        }
    }

    /// The file of that id, nil where there is none, it expired, or it belongs to another tenant. Any text is a valid question.
    ///
    /// - Throws: ``FileStoreError/storage(_:)``, `CancellationError`.
    package func file(id: String, tenant: Tenant) async throws -> StoredFile? {
        guard Self.isWellFormed(id) else { return nil }
        do {
            return try await index.entries([id], tenant: tenant, newerThan: expiryTime)[id].map(file)
        } catch {
            throw Self.translate(error)
        }
    }

    /// Every file of the tenant, oldest first.
    ///
    /// - Throws: ``FileStoreError/storage(_:)``, `CancellationError`.
    package func files(of tenant: Tenant) async throws -> [StoredFile] {
        do {
            return try await index.entries(of: tenant, newerThan: expiryTime).map(file)
        } catch {
            throw Self.translate(error)
        }
    }

    /// Removes a file; whether there was one. A download under way goes on to its end.
    ///
    /// - Throws: ``FileStoreError/storage(_:)``.
    package func remove(id: String, tenant: Tenant) async throws -> Bool {
        guard Self.isWellFormed(id) else { return false }
        do {
            guard try await index.commit(.remove(id: id, tenant: tenant, newerThan: expiryTime)) else { return false }
            try await step(.forgotten)
            await removeBlobs([id])
            return true
        } catch {
            throw Self.translate(error)
        }
    }

    /// The content of a file, read on demand, at most 256 KiB at a time.
    ///
    /// - Throws: ``FileStoreError/storage(_:)``, also when the file was removed since it was looked up.
    package func content(of file: StoredFile) async throws -> AsyncThrowingStream<ByteBuffer, any Error> {
        do {
            let reader = try await blobs.open(file.id)
            return AsyncThrowingStream { try await reader.next() }
        } catch {
            throw Self.translate(error)
        }
    }
}

// MARK: - Steps
extension FileStore {
    /// Makes a written blob a file, or removes it.
    private func publish(_ entry: FileIndex.Entry) async throws {
        do {
            try await step(.named)
            try await blobs.synchronizeName(of: entry.id)
            try await step(.nameSynchronized)
            try Task.checkCancellation()
            _ = try await index.commit(.insert(entry))
        } catch {
            await removeBlobs([entry.id])
            throw error
        }
        // From here on the file exists, and who is cancelled now gets it all the same.
        try await step(.committed)
    }

    /// Removes the blobs of files that have no row (any more), unless somebody holds them: those go when they are released.
    func removeBlobs(_ ids: [String]) async {
        for id in ids where retention.mayRemove(id) {
            do {
                try await blobs.remove(id)
            } catch {
                logger.error("A blob could not be removed; the next start will.", metadata: ["error": "\(error)"])
            }
        }
    }

    func file(_ entry: FileIndex.Entry) -> StoredFile {
        StoredFile(
            id: entry.id,
            filename: entry.filename,
            size: entry.size,
            sha256: entry.sha256,
            uploadTime: entry.uploadTime,
            tenant: entry.tenant,
            blobPath: blobs.path(of: entry.id).string
        )
    }

    /// Whether a text is an id as we make them: only such texts ever become part of a path.
    static func isWellFormed(_ id: String) -> Bool {
        guard id.utf8.count == 36 else { return false }
        return id.utf8.enumerated().allSatisfy { index, byte in
            switch index {
            case 8, 13, 18, 23: byte == UInt8(ascii: "-")
            default: (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
            }
        }
    }

    /// Gives errors of the disk and of SQLite the name callers know.
    static func translate(_ error: any Error) -> any Error {
        switch error {
        case let error as FileSystemError: FileStoreError.storage("\(error)")
        case let error as DatabaseError: FileStoreError.storage("\(error)")
        case let error as Errno: FileStoreError.storage("\(error)")
        default: error
        }
    }
}

/// What the store refuses.
package enum FileStoreError: Error, Sendable, Equatable {
    case fileTooLarge(maxBytes: Int)
    /// The disk is full or failing.
    case storage(String)
}
