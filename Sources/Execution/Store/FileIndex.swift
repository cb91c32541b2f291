import FoundationEssentials
import GRDB
import Synchronization

/// Which files there are: a table in SQLite. A file exists from the moment its row is committed until the row's removal is.
final class FileIndex: Sendable {
    /// A row, without what follows from the id.
    struct Entry: Sendable {
        var id: String
        var filename: String
        var size: Int
        var sha256: String
        var uploadTime: Double
        var tenant: Tenant
    }

    enum Change: Sendable {
        case insert(Entry)
        /// Removes the row if it belongs to the tenant and is younger than the time given.
        case remove(id: String, tenant: Tenant, newerThan: Double)
        /// Removes rows, whoever they belong to.
        case forget([String])
    }

    private struct Waiting {
        var change: Change
        var continuation: CheckedContinuation<Bool, any Error>
    }

    private struct Queue {
        var waiting: [Waiting] = []
        var isCommitting = false
    }

    /// Most changes in one transaction.
    private static let batchSize = 256

    let pool: DatabasePool
    private let queue = Mutex(Queue())

    /// Opens or makes the index; blocks.
    init(path: String) throws {
        var configuration = Configuration()
        configuration.maximumReaderCount = 2
        configuration.label = "code-interpreter.files"
        configuration.prepareDatabase { database in
            // Of 1 KiB each: the table is small, and SQLite's own 2 MB for each connection are not needed.
            try database.execute(sql: "PRAGMA cache_size = -512")
        }
        pool = try DatabasePool(path: path, configuration: configuration)
        try Self.migrator.migrate(pool)
        // GRDB chooses NORMAL for WAL, which may lose the last commits when power fails. What was acknowledged may not be lost.
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("files") { database in
            // Names are blobs: SQLite's texts end at a NUL.
            try database.execute(
                sql: """
                    CREATE TABLE file (
                        sequence INTEGER PRIMARY KEY,
                        id TEXT NOT NULL UNIQUE,
                        filename BLOB NOT NULL,
                        size INTEGER NOT NULL,
                        sha256 TEXT NOT NULL,
                        upload_time REAL NOT NULL,
                        tenant BLOB NOT NULL
                    );
                    CREATE INDEX file_by_time ON file (upload_time);
                    CREATE INDEX file_by_tenant ON file (tenant, upload_time, sequence);
                    """
            )
        }
        return migrator
    }
}

// MARK: - Changes
extension FileIndex {
    /// Makes a change durable and returns whether there was anything to change. Not cancellable.
    ///
    /// Changes that arrive while an earlier one is being written share the next transaction, and so its fsync(2).
    func commit(_ change: Change) async throws -> Bool {
        try await withCheckedThrowingContinuation { continuation in
            let isFirst = queue.withLock { queue in
                queue.waiting.append(Waiting(change: change, continuation: continuation))
                defer { queue.isCommitting = true }
                return !queue.isCommitting
            }
            if isFirst { commitBatch() }
        }
    }

    private func commitBatch() {
        pool.asyncWriteWithoutTransaction { database in
            let batch = self.takeBatch()
            let results = Result { try Self.apply(batch.map(\.change), to: database) }
            for (index, waiting) in batch.enumerated() {
                waiting.continuation.resume(with: results.map { $0[index] })
            }
            if self.hasMore() { self.commitBatch() }
        }
    }

    private func takeBatch() -> [Waiting] {
        queue.withLock { queue in
            let batch = Array(queue.waiting.prefix(Self.batchSize))
            queue.waiting.removeFirst(batch.count)
            return batch
        }
    }

    private func hasMore() -> Bool {
        queue.withLock { queue in
            queue.isCommitting = !queue.waiting.isEmpty
            return queue.isCommitting
        }
    }

    private static func apply(_ changes: [Change], to database: Database) throws -> [Bool] {
        var results: [Bool] = []
        try database.inTransaction(.immediate) {
            results = try changes.map { try apply($0, to: database) }
            return .commit
        }
        return results
    }

    private static func apply(_ change: Change, to database: Database) throws -> Bool {
        switch change {
        case .insert(let entry):
            let sql = "INSERT INTO file (id, filename, size, sha256, upload_time, tenant) VALUES (?, ?, ?, ?, ?, ?)"
            try database.cachedStatement(sql: sql).execute(arguments: [
                entry.id, Data(entry.filename.utf8), entry.size, entry.sha256, entry.uploadTime,
                Data(entry.tenant.name.utf8),
            ])
            return true
        case .remove(let id, let tenant, let time):
            let sql = "DELETE FROM file WHERE id = ? AND tenant = ? AND upload_time > ?"
            try database.cachedStatement(sql: sql).execute(arguments: [id, Data(tenant.name.utf8), time])
            return database.changesCount > 0
        case .forget(let ids):
            let statement = try database.cachedStatement(sql: "DELETE FROM file WHERE id = ?")
            for id in ids { try statement.execute(arguments: [id]) }
            return true
        }
    }
}

// MARK: - Questions
extension FileIndex {
    /// Those of `ids` that belong to the tenant and are younger than `time`, by id.
    func entries(_ ids: [String], tenant: Tenant, newerThan time: Double) async throws -> [String: Entry] {
        try await pool.read { database in
            let sql = "SELECT \(Self.columns) FROM file WHERE id = ? AND tenant = ? AND upload_time > ?"
            let statement = try database.cachedStatement(sql: sql)
            var entries: [String: Entry] = [:]
            for id in ids {
                let row = try Row.fetchOne(statement, arguments: [id, Data(tenant.name.utf8), time])
                entries[id] = row.map(Self.entry)
            }
            return entries
        }
    }

    /// All of the tenant that are younger than `time`, oldest first.
    func entries(of tenant: Tenant, newerThan time: Double) async throws -> [Entry] {
        try await pool.read { database in
            let sql =
                "SELECT \(Self.columns) FROM file WHERE tenant = ? AND upload_time > ? ORDER BY upload_time, sequence"
            return try Row.fetchAll(database, sql: sql, arguments: [Data(tenant.name.utf8), time]).map(Self.entry)
        }
    }

    /// Ids of files as old as `time` or older, oldest first.
    func ids(notNewerThan time: Double, limit: Int) async throws -> [String] {
        try await pool.read { database in
            let sql = "SELECT id FROM file WHERE upload_time <= ? ORDER BY upload_time LIMIT ?"
            return try String.fetchAll(database, sql: sql, arguments: [time, limit])
        }
    }

    /// When the oldest file was stored.
    func oldestUploadTime() async throws -> Double? {
        try await pool.read {
            try Double.fetchOne($0, sql: "SELECT upload_time FROM file ORDER BY upload_time LIMIT 1")
        }
    }

    /// Ids that begin with these digits.
    func ids(in shard: String) async throws -> Set<String> {
        try await pool.read { database in
            // A "g" follows every hexadecimal digit.
            let sql = "SELECT id FROM file WHERE id >= ? AND id < ?"
            return try String.fetchSet(database, sql: sql, arguments: [shard, shard + "g"])
        }
    }

    private static let columns = "id, filename, size, sha256, upload_time, tenant"

    private static func entry(_ row: Row) -> Entry {
        Entry(
            id: row[0],
            filename: String(decoding: row[1] as Data, as: UTF8.self),
            size: row[2],
            sha256: row[3],
            uploadTime: row[4],
            tenant: Tenant(name: String(decoding: row[5] as Data, as: UTF8.self))
        )
    }
}
