package import NIOCore

/// The writable tree of a sandbox, as somebody outside reads and changes it.
///
/// Every call is safe while hostile processes change the tree at the same time: nothing outside of it is ever read, written or removed. Relative links that
/// stay inside are followed on the way to a file or directory that is read, and on the way to the parent of one that is written or removed; the last name of
/// what is written or removed is never followed. All others throw ``WorkspaceTreeError/outsideWorkspace``. No call waits for a process of the sandbox.
///
/// All calls throw ``WorkspaceTreeError``.
package protocol WorkspaceTree: Sendable {
    /// What a directory holds: directories first, then by name, byte by byte. At most `limit` entries; which ones of more is up to the kernel.
    func list(_ path: TreePath, limit: Int) async throws -> TreeListing

    /// Opens a regular file.
    func open(_ path: TreePath) async throws -> TreeFile

    /// Puts a file there, parents included, in one step: everybody sees the old file or the whole new one, and the old one stays if it fails.
    ///
    /// `content` is read piece by piece, and what it throws is thrown. A file of more than `limit` bytes is ``WorkspaceTreeError/tooLarge(maxBytes:)``. Whether
    /// `condition` holds is looked at in the beginning and in the end, there so that only one of several writers can find it true.
    func write(
        _ path: TreePath,
        content: any AsyncSequence<ByteBuffer, any Error> & Sendable,
        limit: Int,
        condition: TreeCondition
    ) async throws -> TreeWritten

    /// Removes a file, a link, or a directory with all it holds.
    func remove(_ path: TreePath) async throws
}

/// What a directory holds.
package struct TreeListing: Sendable, Equatable {
    package var entries: [TreeEntry]
    /// Whether there were more.
    package var isTruncated: Bool

    package init(entries: [TreeEntry], isTruncated: Bool) {
        self.entries = entries
        self.isTruncated = isTruncated
    }
}

/// One name in a directory. Of a link that can be followed it tells what is at its end, else what the link itself is.
package struct TreeEntry: Sendable, Equatable {
    /// Any bytes but slash and NUL.
    package var name: [UInt8]
    package var isDirectory: Bool
    /// nil for everything but regular files.
    package var size: Int?
    package var modified: TreeTime

    package init(name: [UInt8], isDirectory: Bool, size: Int?, modified: TreeTime) {
        self.name = name
        self.isDirectory = isDirectory
        self.size = size
        self.modified = modified
    }

    /// Directories first, then by name, byte by byte.
    package static func sorted(_ entries: [TreeEntry]) -> [TreeEntry] {
        entries.sorted {
            if $0.isDirectory != $1.isDirectory { return $0.isDirectory }
            return $0.name.lexicographicallyPrecedes($1.name)
        }
    }
}

/// A moment since 1970.
package struct TreeTime: Sendable, Equatable {
    package var seconds: Int
    package var nanoseconds: Int

    package init(seconds: Int, nanoseconds: Int) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

/// A regular file that is held open: as long as this value lives it is the same file, whatever happens to its name.
package struct TreeFile: Sendable {
    /// When it was opened.
    package var size: Int
    package var modified: TreeTime
    /// Differs between any two files, and between two states of one, unless a process changes it through a mapping.
    package var entityTag: String
    /// Reads `length` bytes from `offset` on, each piece when it is asked for. The stream is shorter where the file has become so.
    package var read: @Sendable (_ offset: Int, _ length: Int) -> AsyncThrowingStream<ByteBuffer, any Error>

    package init(
        size: Int,
        modified: TreeTime,
        entityTag: String,
        read: @escaping @Sendable (_ offset: Int, _ length: Int) -> AsyncThrowingStream<ByteBuffer, any Error>
    ) {
        self.size = size
        self.modified = modified
        self.entityTag = entityTag
        self.read = read
    }
}

/// What came of writing a file.
package struct TreeWritten: Sendable, Equatable {
    /// Whether there was none of that name.
    package var isNew: Bool
    package var entityTag: String

    package init(isNew: Bool, entityTag: String) {
        self.isNew = isNew
        self.entityTag = entityTag
    }
}

/// What must be true of a file before it is replaced.
package enum TreeCondition: Sendable, Equatable {
    case none
    /// There is none.
    case isMissing
    /// There is one.
    case exists
    /// It has one of these entity tags.
    case hasTag([String])

    /// Whether it holds for a file with that tag, nil where there is none.
    package func holds(for tag: String?) -> Bool {
        switch self {
        case .none: true
        case .isMissing: tag == nil
        case .exists: tag != nil
        case .hasTag(let tags): tag.map(tags.contains) ?? false
        }
    }
}

/// Why something could not be done in a tree.
package enum WorkspaceTreeError: Error, Sendable, Equatable {
    /// The path, or a link on it, leads out.
    case outsideWorkspace
    /// It has a NUL.
    case invalidPath
    case nameTooLong
    case notFound
    case notADirectory
    case isADirectory
    /// A fifo, a socket, a device.
    case notARegularFile
    /// The root cannot be removed or replaced.
    case isRoot
    case permissionDenied
    case conditionFailed
    case tooLarge(maxBytes: Int)
    /// The workspace has no room for it.
    case full
    /// Processes of the sandbox change the tree so fast that it could not be done.
    case busy
    /// What the system said, for the log.
    case failed(String)
}
