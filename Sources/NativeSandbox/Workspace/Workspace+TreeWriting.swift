import CLinux
import Execution
import Glibc
import NIOCore
import Synchronization

extension Workspace {
    /// A file that is being written. It has no name yet: nobody in the sandbox finds it, and it vanishes with its descriptor.
    struct Draft: Sendable {
        let file: Descriptor

        func append(_ bytes: ByteBuffer) throws(SystemError) {
            var written = 0
            let view = bytes.readableBytesView
            while written < view.count {
                written += try systemCall("write") {
                    view.withUnsafeBytes {
                        Glibc.write(file.raw, $0.baseAddress?.advanced(by: written), $0.count - written)
                    }
                }
            }
        }
    }

    /// Checks whether a file may be written there, and starts it.
    ///
    /// - Throws: ``WorkspaceTreeError``, ``SystemError``.
    func draft(_ path: TreePath, _ condition: TreeCondition) throws -> Draft {
        guard let name = path.components.last, !path.mustBeDirectory else { throw WorkspaceTreeError.isADirectory }
        do {
            let parent = try openTree(path.components.dropLast(), flags: CI_O_PATH | O_DIRECTORY)
            _ = try replaceable(name, in: parent, path, condition)
        } catch let error as SystemError where error.code == ENOENT {
            guard condition.holds(for: nil) else { throw WorkspaceTreeError.conditionFailed }
        }
        // Beside the target would be the same: the tree is one file system.
        let flags = O_WRONLY | CI_O_TMPFILE
        return Draft(file: try Self.open(Array(".".utf8), in: root, flags: flags, mode: 0o644, resolve: Self.confined))
    }

    /// Gives a draft its name, in place of what has it.
    ///
    /// - Throws: ``WorkspaceTreeError``, ``SystemError``.
    func publish(_ draft: Draft, as path: TreePath, _ condition: TreeCondition) throws -> TreeWritten {
        guard let name = path.components.last else { throw WorkspaceTreeError.isADirectory }
        let parent = try makeDirectories(path.components.dropLast())
        // Of two writers with the same condition only one may find it true.
        return try publishing.withLock { _ in
            let isReplaced = try replaceable(name, in: parent, path, condition)
            try isReplaced ? replace(name, in: parent, with: draft) : create(name, in: parent, from: draft)
            guard let status = Self.status(of: draft.file) else { throw SystemError("fstat", code: errno) }
            return TreeWritten(isNew: !isReplaced, entityTag: Self.entityTag(status))
        }
    }

    /// Whether there is something of that name, which may be replaced.
    private func replaceable(
        _ name: [UInt8],
        in parent: Descriptor,
        _ path: TreePath,
        _ condition: TreeCondition
    ) throws -> Bool {
        guard let status = try Self.status(of: name, in: parent) else {
            guard condition.holds(for: nil) else { throw WorkspaceTreeError.conditionFailed }
            return false
        }
        var tag: String?
        switch status.st_mode & S_IFMT {
        case S_IFDIR: throw WorkspaceTreeError.isADirectory
        case S_IFREG: tag = Self.entityTag(status)
        // Readers see what is at its end; where nothing is, there is nothing to them.
        case S_IFLNK: tag = (try? openFile(path)).map { Self.entityTag($0.status) }
        default: throw WorkspaceTreeError.notARegularFile
        }
        guard condition.holds(for: tag) else { throw WorkspaceTreeError.conditionFailed }
        return true
    }

    private func create(_ name: [UInt8], in parent: Descriptor, from draft: Draft) throws(SystemError) {
        do {
            try Self.link(draft, name, in: parent)
        } catch  where error.code == EEXIST {
            // Somebody was faster.
            try replace(name, in: parent, with: draft)
        }
    }

    /// Renames over what is there: linkat(2) replaces nothing.
    private func replace(_ name: [UInt8], in parent: Descriptor, with draft: Draft) throws(SystemError) {
        let temporary = Self.uniqueName()
        try Self.link(draft, temporary, in: parent)
        let (old, new) = (Self.cString(temporary), Self.cString(name))
        do {
            try systemCall("renameat") { renameat(parent.raw, old, parent.raw, new) }
        } catch {
            unlinkat(parent.raw, old, 0)
            throw error
        }
    }

    private static func link(_ draft: Draft, _ name: [UInt8], in parent: Descriptor) throws(SystemError) {
        // By its name in /proc, because linking a descriptor itself is for root alone.
        let name = cString(name)
        try systemCall("linkat") {
            linkat(AT_FDCWD, "/proc/self/fd/\(draft.file.raw)", parent.raw, name, AT_SYMLINK_FOLLOW)
        }
    }

    /// Opens a directory, made with its parents where it is missing.
    private func makeDirectories(_ components: some Collection<[UInt8]>) throws(SystemError) -> Descriptor {
        let components = Array(components)
        let flags = CI_O_PATH | O_DIRECTORY
        do {
            return try openTree(components, flags: flags)
        } catch  where error.code == ENOENT {
            var directory = try openTree([], flags: flags)
            for count in 1...components.count {
                let made = Self.cString(components[count - 1])
                if mkdirat(directory.raw, made, 0o755) != 0, errno != EEXIST {
                    throw SystemError("mkdirat", code: errno)
                }
                // From the root, not from its parent, so that links inside the tree are followed here too.
                directory = try openTree(components.prefix(count), flags: flags)
            }
            return directory
        }
    }

    /// A name nobody else has.
    static func uniqueName() -> [UInt8] {
        Array(".code-interpreter-\(String(UInt64.random(in: .min ... .max), radix: 16))".utf8)
    }
}
