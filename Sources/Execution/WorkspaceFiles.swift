package import NIOCore

/// A file to put into a workspace before a program runs.
package struct StagedFile: Sendable {
    package var path: WorkspacePath
    package var content: Content

    package init(path: WorkspacePath, content: Content) {
        self.path = path
        self.content = content
    }

    package enum Content: Sendable {
        /// A small file, given as such.
        case bytes(ByteBuffer)
        /// A blob on the server's disk, never written again: absolute path, size in bytes, SHA-256 as 64 hexadecimal digits.
        case blob(path: String, size: Int, sha256: String)
    }
}

/// How much of a workspace is given back after an execution.
package struct ProducedFileLimits: Sendable, Equatable {
    /// Most files.
    package var count: Int
    /// Most bytes of one file; sparse files count with their full length.
    package var bytesPerFile: Int
    /// Most bytes of all files together.
    package var totalBytes: Int
    /// Most directories on the way to a file.
    package var depth: Int
    /// Most directory entries looked at.
    package var entries: Int

    package init(count: Int, bytesPerFile: Int, totalBytes: Int, depth: Int = 32, entries: Int = 20_000) {
        self.count = count
        self.bytesPerFile = bytesPerFile
        self.totalBytes = totalBytes
        self.depth = depth
        self.entries = entries
    }
}

/// What an execution left in its workspace.
package struct ProducedFiles: Sendable, Equatable {
    package var files: [File]
    /// Files that a limit kept out.
    package var omitted: Int

    package init(files: [File], omitted: Int) {
        self.files = files
        self.omitted = omitted
    }

    package struct File: Sendable, Equatable {
        package var path: WorkspacePath
        /// In bytes, when it was looked at.
        package var size: Int
        package init(path: WorkspacePath, size: Int) {
            self.path = path
            self.size = size
        }
    }
}
