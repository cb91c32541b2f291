/// A place in a workspace as a client wrote it, relative to the root of the tree.
///
/// Its text cannot leave the tree: `.` and `..` are resolved here, before anything is opened. Names are bytes, as the kernel has them, and need not be
/// UTF-8. Where links lead is checked when it is opened.
package struct TreePath: Sendable, Equatable, CustomStringConvertible {
    /// Empty for the root. None is empty, `.`, `..`, longer than 255 bytes, or has a slash or a NUL.
    package let components: [[UInt8]]
    /// Whether it ends with a slash, `.` or `..`, and so can only be a directory.
    package let mustBeDirectory: Bool
    /// As it was written.
    package let description: String

    /// Where sandboxes see their workspace: an absolute path is right beneath these.
    private static let roots = [["home", "user"], ["workspace"]].map { $0.map { Array($0.utf8) } }
    private static let maxBytes = 4096

    /// Takes a path as a client wrote it, decoded: relative, or absolute beneath /home/user or /workspace. Empty is the root.
    ///
    /// - Throws: ``WorkspaceTreeError/outsideWorkspace``, ``WorkspaceTreeError/invalidPath``, ``WorkspaceTreeError/nameTooLong``.
    package init(_ bytes: some Collection<UInt8>) throws(WorkspaceTreeError) {
        description = String(decoding: bytes, as: UTF8.self)
        if bytes.contains(0) { throw .invalidPath }
        let isAbsolute = bytes.first == UInt8(ascii: "/")
        var components: [[UInt8]] = []
        var mustBeDirectory = true
        for part in bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            mustBeDirectory = true
            if part.isEmpty || part.elementsEqual(".".utf8) { continue }
            if part.elementsEqual("..".utf8) {
                // The parent of / is /; a relative path has left the tree here.
                guard components.popLast() != nil || isAbsolute else { throw .outsideWorkspace }
                continue
            }
            if part.count > 255 { throw .nameTooLong }
            components.append(Array(part))
            mustBeDirectory = false
        }
        if bytes.count > Self.maxBytes { throw .nameTooLong }
        if isAbsolute {
            guard let root = Self.roots.first(where: { components.starts(with: $0) }) else { throw .outsideWorkspace }
            components.removeFirst(root.count)
        }
        self.components = components
        self.mustBeDirectory = mustBeDirectory || components.isEmpty
    }

    package var isRoot: Bool { components.isEmpty }

    package static func == (left: TreePath, right: TreePath) -> Bool {
        left.components == right.components && left.mustBeDirectory == right.mustBeDirectory
    }
}
