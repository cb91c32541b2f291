import Logging

// MARK: - Holding blobs
extension FileStore {
    /// Files whose blobs stay on disk until ``release(_:)``, whatever happens to the files.
    struct Held: Sendable {
        /// By id; an id that is not there belongs to no file of the tenant, and nothing is held for it.
        fileprivate(set) var files: [String: StoredFile] = [:]
        fileprivate var ids: [String] = []
    }

    /// Looks files up and holds their blobs. Does not touch the index when `ids` is empty.
    func hold(_ ids: [String], tenant: Tenant) async throws -> Held {
        let ids = Array(Set(ids.filter(Self.isWellFormed)))
        if ids.isEmpty { return Held() }
        // Held before it is looked up: a removal that comes between finds the hold, one that came before leaves no row.
        retention.hold(ids)
        do {
            let entries = try await index.entries(ids, tenant: tenant, newerThan: expiryTime)
            release(Held(ids: ids.filter { entries[$0] == nil }))
            return Held(files: entries.mapValues(file), ids: Array(entries.keys))
        } catch {
            release(Held(ids: ids))
            throw Self.translate(error)
        }
    }

    /// Ends a hold; once.
    func release(_ held: Held) {
        if retention.release(held.ids) { doorbell.ring() }
    }
}

// MARK: - Expiry
extension FileStore {
    /// Most files removed in one go.
    private static var batchSize: Int { 100 }
    /// The wall clock may be set meanwhile: after that long, look again.
    private static var longestSleep: Duration { .seconds(60) }
    /// The pause after the disk failed.
    private static var failurePause: Duration { .seconds(10) }

    /// Removes expired files until the task is cancelled.
    package func run() async throws {
        while !Task.isCancelled {
            await removeReleased()
            let pause: Duration
            do {
                pause = try await removeExpired()
            } catch {
                if Task.isCancelled { break }
                logger.error("Expired files could not be removed.", metadata: ["error": "\(error)"])
                pause = Self.failurePause
            }
            // The alarm is cancelled and awaited at the end of each round.
            async let _ = ring(after: pause)
            await doorbell.listen()
        }
        await removeReleased()
    }

    private func removeReleased() async {
        await removeBlobs(retention.takeReleased())
    }

    /// Removes one batch; returns when to look again.
    private func removeExpired() async throws -> Duration {
        guard let timeToLive = configuration.timeToLive else { return Self.longestSleep }
        let expired = try await index.ids(notNewerThan: expiryTime, limit: Self.batchSize)
        if !expired.isEmpty {
            _ = try await index.commit(.forget(expired))
            await removeBlobs(expired)
        }
        if expired.count == Self.batchSize { return .zero }
        guard let oldest = try await index.oldestUploadTime() else { return min(timeToLive, Self.longestSleep) }
        return min(max(.seconds(oldest - expiryTime), .milliseconds(1)), Self.longestSleep)
    }

    private func ring(after pause: Duration) async {
        do { try await Task.sleep(for: pause) } catch { return }
        doorbell.ring()
    }
}

// MARK: - After a crash
extension FileStore {
    /// Removes blobs without a row, and rows without a blob.
    func repair() async throws {
        var orphans = 0
        var lost = 0
        for shard in BlobDirectory.shards {
            let names = try await blobs.names(in: shard)
            let ids = try await index.ids(in: shard)
            for name in names.subtracting(ids) {
                try await blobs.removeOrphan(name, in: shard)
                orphans += 1
            }
            let missing = ids.subtracting(names)
            if missing.isEmpty { continue }
            _ = try await index.commit(.forget(Array(missing)))
            lost += missing.count
        }
        if orphans > 0 { logger.notice("Removed unfinished files.", metadata: ["count": "\(orphans)"]) }
        if lost > 0 { logger.error("Files have lost their content.", metadata: ["count": "\(lost)"]) }
    }
}
