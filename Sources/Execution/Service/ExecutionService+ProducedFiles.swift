import NIOCore
import Synchronization

// MARK: - What a program leaves behind
extension ExecutionService {
    struct CollectedFiles: Sendable {
        var files: [StoredFile]
        var omitted: Int
    }

    /// Files stored at once: enough to share the disk's synchronisations, few enough to bound the memory of their chunks.
    private static var filesAtOnce: Int { 4 }

    /// Stores what the program produced, sorted by path. When it throws, nothing stays in the store.
    func collectFiles(from sandbox: any Sandbox, tenant: Tenant) async throws -> CollectedFiles {
        var limits = configuration.producedFiles
        limits.bytesPerFile = min(limits.bytesPerFile, files.maxFileBytes)
        let produced = try await sandbox.producedFiles(limits: limits)
        let wanted = Self.within(limits, produced.files)
        let omitted = produced.omitted + produced.files.count - wanted.count
        let stored = Mutex<[Int: StoredFile]>([:])
        do {
            try await store(wanted, from: sandbox, tenant: tenant) { index, file in
                stored.withLock { $0[index] = file }
            }
        } catch {
            await removeUnclaimed(stored.withLock { Array($0.values) })
            throw error
        }
        let files = stored.withLock { stored in wanted.indices.compactMap { stored[$0] } }
        return CollectedFiles(files: files, omitted: omitted + wanted.count - files.count)
    }

    /// A backend keeps to the limits; what a guest says is counted again.
    private static func within(_ limits: ProducedFileLimits, _ files: [ProducedFiles.File]) -> [ProducedFiles.File] {
        var wanted: [ProducedFiles.File] = []
        var room = limits.totalBytes
        for file in files where wanted.count < limits.count {
            guard file.size >= 0, file.size <= min(limits.bytesPerFile, room) else { continue }
            room -= file.size
            wanted.append(file)
        }
        return wanted
    }

    private func store(
        _ wanted: [ProducedFiles.File],
        from sandbox: any Sandbox,
        tenant: Tenant,
        stored: @escaping @Sendable (Int, StoredFile) -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, file) in wanted.enumerated() {
                if index >= Self.filesAtOnce { try await group.next() }
                group.addTask {
                    if let file = try await self.store(file, from: sandbox, tenant: tenant) { stored(index, file) }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Stores one file; nil when it is no longer what it was when it was listed: processes of the program may live on.
    private func store(_ file: ProducedFiles.File, from sandbox: any Sandbox, tenant: Tenant) async throws
        -> StoredFile?
    {
        do {
            // A file that grows meanwhile is stored as long as it was, so that the limits hold.
            let content =
                file.size == 0
                ? AsyncThrowingStream { nil } : try await sandbox.read(file.path, limit: file.size)
            return try await files.add(filename: file.path.string, tenant: tenant, content: content)
        } catch SandboxError.notARegularFile, FileStoreError.fileTooLarge {
            return nil
        }
    }

    /// Files nobody will hear of.
    private func removeUnclaimed(_ unclaimed: [StoredFile]) async {
        // Unstructured only because cleaning up is not cancellable; it is awaited right here. What cannot be removed expires.
        await Task {
            for file in unclaimed { _ = try? await files.remove(id: file.id, tenant: file.tenant) }
        }.value
    }
}
