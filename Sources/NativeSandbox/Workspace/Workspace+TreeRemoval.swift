import CLinux
import Execution
import Glibc

extension Workspace {
    /// Removes a file or a link. Of a directory it gives what is to be done until `deadline`.
    ///
    /// - Throws: ``WorkspaceTreeError``, ``SystemError``.
    func beginRemoval(of path: TreePath, deadline: ContinuousClock.Instant) throws -> TreeRemoval? {
        guard let name = path.components.last else { throw WorkspaceTreeError.isRoot }
        let parent = try openTree(path.components.dropLast(), flags: CI_O_PATH | O_DIRECTORY)
        guard let status = try Self.status(of: name, in: parent) else { throw WorkspaceTreeError.notFound }
        guard Self.isDirectory(status) else {
            if path.mustBeDirectory { throw WorkspaceTreeError.notADirectory }
            let name = Self.cString(name)
            try systemCall("unlinkat") { unlinkat(parent.raw, name, 0) }
            return nil
        }
        return TreeRemoval(parent: parent, name: name, deadline: deadline)
    }
}

/// A directory that is to be removed with all it holds.
struct TreeRemoval: Sendable {
    fileprivate let parent: Descriptor
    fileprivate let name: [UInt8]
    fileprivate let deadline: ContinuousClock.Instant

    /// Works on it for so long at most; whether all is gone.
    ///
    /// - Throws: ``WorkspaceTreeError/busy`` at the deadline, ``SystemError``.
    func work(for time: Duration) throws -> Bool {
        do {
            try TreeRemover(deadline: deadline, pause: .now + time).removeDirectory(name, in: parent)
            return true
        } catch is TreeRemover.Pause {
            return false
        }
    }
}

/// Removes directories without descending into them: what is deeper than two levels is moved up first. So depth costs no descriptors and no stack, and a
/// directory that is moved elsewhere meanwhile is left to whoever moved it. Nothing is lost by stopping and beginning anew.
private struct TreeRemover {
    let deadline: ContinuousClock.Instant
    let pause: ContinuousClock.Instant

    /// Its time is up for this once.
    struct Pause: Error {}

    private enum Result {
        case gone
        /// A directory that is not empty.
        case full
    }

    func removeDirectory(_ name: [UInt8], in parent: Descriptor) throws {
        while try remove(name, in: parent) == .full {
            guard let directory = try open(name, in: parent) else { continue }
            try clear(directory) { child in
                guard let inner = try open(child, in: directory) else { return }
                try clear(inner) { try moveUp($0, from: inner, to: directory) }
                _ = try remove(child, in: directory)
            }
        }
    }

    /// Removes what can be, and hands over directories that are not empty.
    private func clear(_ directory: Descriptor, full: ([UInt8]) throws -> Void) throws {
        var listing = DirectoryListing(directory, bufferBytes: 32 << 10)
        while let entry = listing.next() {
            let name = Array(entry.name)
            if try remove(name, in: directory) == .full { try full(name) }
        }
    }

    private func remove(_ name: [UInt8], in directory: Descriptor) throws -> Result {
        // Against processes that make files faster than they can be removed.
        let now = ContinuousClock.now
        if now >= deadline { throw WorkspaceTreeError.busy }
        if now >= pause { throw Pause() }
        let name = Workspace.cString(name)
        if unlinkat(directory.raw, name, 0) == 0 || errno == ENOENT { return .gone }
        guard errno == EISDIR || errno == EPERM else { throw SystemError("unlinkat", code: errno) }
        if unlinkat(directory.raw, name, AT_REMOVEDIR) == 0 { return .gone }
        switch errno {
        case ENOENT: return .gone
        // It may have become a file this moment: whoever asks looks again.
        case ENOTEMPTY, EEXIST, ENOTDIR: return .full
        default: throw SystemError("unlinkat", code: errno)
        }
    }

    /// nil when it is a directory no more.
    private func open(_ name: [UInt8], in directory: Descriptor) throws(SystemError) -> Descriptor? {
        do {
            let flags = O_DIRECTORY | O_NOFOLLOW
            let held = try Workspace.open(name, in: directory, flags: flags | CI_O_PATH, resolve: Workspace.confined)
            try Workspace.permit(held, mode: 0o700)
            return try Workspace.open(
                [UInt8(ascii: ".")],
                in: held,
                flags: flags | O_RDONLY,
                resolve: Workspace.confined
            )
        } catch  where [ENOENT, ENOTDIR, ELOOP].contains(error.code) {
            return nil
        }
    }

    private func moveUp(_ name: [UInt8], from inner: Descriptor, to outer: Descriptor) throws(SystemError) {
        let (old, new) = (Workspace.cString(name), Workspace.cString(Workspace.uniqueName()))
        if renameat(inner.raw, old, outer.raw, new) == 0 || errno == ENOENT { return }
        guard errno == EACCES else { throw SystemError("renameat", code: errno) }
        // A directory is moved only by those who may write into it.
        guard try open(name, in: inner) != nil else { return }
        if renameat(inner.raw, old, outer.raw, new) != 0, errno != ENOENT { throw SystemError("renameat", code: errno) }
    }
}
