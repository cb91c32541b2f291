import GRDB

/// Keeps a second server out of a store, for as long as this lives.
///
/// It is an empty SQLite database whose exclusive lock is never given back: the kernel frees it when the process ends, however it ends.
final class StoreLock: Sendable {
    private let database: DatabaseQueue

    /// - Throws: ``FileStoreError/storage(_:)`` when another server has the lock; blocks.
    init(path: String, directory: String) throws {
        var configuration = Configuration()
        configuration.busyMode = .immediateError
        do {
            database = try DatabaseQueue(path: path, configuration: configuration)
            try database.inDatabase { database in
                try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")
            }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
            throw FileStoreError.storage("another server uses the file store '\(directory)'")
        }
    }
}
