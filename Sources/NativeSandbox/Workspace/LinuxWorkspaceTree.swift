import Execution
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// The workspace of a sandbox for file routes; its calls block threads of a pool.
struct LinuxWorkspaceTree: WorkspaceTree {
    let workspace: Workspace
    let threads: NIOThreadPool

    func list(_ path: TreePath, limit: Int) async throws -> TreeListing {
        try await run { try workspace.list(path, limit: limit) }
    }

    func open(_ path: TreePath) async throws -> TreeFile {
        let (file, status) = try await run { try workspace.openFile(path) }
        return TreeFile(
            size: Int(status.st_size),
            modified: Workspace.modified(status),
            entityTag: Workspace.entityTag(status)
        ) { offset, length in
            stream(file, from: offset, length: length)
        }
    }

    func write(
        _ path: TreePath,
        content: any AsyncSequence<ByteBuffer, any Error> & Sendable,
        limit: Int,
        condition: TreeCondition
    ) async throws -> TreeWritten {
        let draft = try await run { try workspace.draft(path, condition) }
        var size = 0
        for try await piece in content {
            size += piece.readableBytes
            if size > limit { throw WorkspaceTreeError.tooLarge(maxBytes: limit) }
            try await run { try draft.append(piece) }
        }
        // A client that went away may look like one that has said all.
        try Task.checkCancellation()
        return try await run { try workspace.publish(draft, as: path, condition) }
    }

    /// A thread is held for a moment at a time, so that hostile processes that draw it out hold up nobody else.
    func remove(_ path: TreePath) async throws {
        let deadline = ContinuousClock.now + workspace.removalTime
        guard let removal = try await run({ try workspace.beginRemoval(of: path, deadline: deadline) }) else { return }
        do { try await workspace.removals.enter() } catch is AdmissionGate.Refusal { throw WorkspaceTreeError.busy }
        defer { workspace.removals.leave() }
        while try await !run({ try removal.work(for: Self.removalSlice) }) {}
    }

    private static let removalSlice: Duration = .milliseconds(100)

    private func stream(
        _ file: Descriptor,
        from offset: Int,
        length: Int
    ) -> AsyncThrowingStream<ByteBuffer, any Error> {
        let done = Position()
        return AsyncThrowingStream {
            let position = done.value.load(ordering: .relaxed)
            let wanted = min(Workspace.chunkBytes, length - position)
            guard wanted > 0 else { return nil }
            let piece = try await run { try Workspace.chunk(of: file, at: offset + position, wanted: wanted) }
            done.value.store(position + piece.readableBytes, ordering: .relaxed)
            return piece.readableBytes > 0 ? piece : nil
        }
    }

    /// How far a stream was read.
    private final class Position: Sendable {
        let value = Atomic(0)
    }

    /// Runs what blocks, and explains what the system says.
    private func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        do {
            return try await threads.runIfActive(body)
        } catch let error as SystemError {
            throw Self.explained(error)
        }
    }

    static func explained(_ error: SystemError) -> WorkspaceTreeError {
        switch error.code {
        // A link that leads to itself leads nowhere.
        case ENOENT, ELOOP: .notFound
        case ENOTDIR: .notADirectory
        case EISDIR: .isADirectory
        case EXDEV: .outsideWorkspace
        case ENAMETOOLONG: .nameTooLong
        case ENXIO, ENODEV: .notARegularFile
        case EACCES, EPERM: .permissionDenied
        case ENOSPC, EDQUOT: .full
        case EAGAIN, ENOTEMPTY: .busy
        default: .failed(error.description)
        }
    }
}
