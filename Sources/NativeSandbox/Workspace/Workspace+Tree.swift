import CLinux
import Execution
import Glibc

// What file routes do with a tree. Every call blocks.
//
// Links are followed where the kernel itself sees to it that they stay beneath the root: it refuses absolute ones and those that lead out, whatever is
// renamed meanwhile (openat2(2), RESOLVE_BENEATH). Nothing is looked at first and opened then by its path.
extension Workspace {
    /// Never out of the tree, onto no other file system, but through links inside.
    static let beneath = UInt64(CI_RESOLVE_BENEATH | CI_RESOLVE_NO_MAGICLINKS | CI_RESOLVE_NO_XDEV)

    /// Opens what a path leads to, links followed. The root is opened anew, so that each caller reads it from its beginning.
    func openTree(_ components: some Collection<[UInt8]>, flags: Int32) throws(SystemError) -> Descriptor {
        let path = components.isEmpty ? Array(".".utf8) : Array(components.joined(separator: [UInt8(ascii: "/")]))
        return try Self.open(path, in: root, flags: flags, resolve: Self.beneath)
    }

    /// As ``open(_:in:flags:mode:)``, for names that need not be UTF-8.
    static func open(
        _ path: [UInt8],
        in directory: Descriptor,
        flags: Int32,
        mode: mode_t = 0,
        resolve: UInt64
    ) throws(SystemError) -> Descriptor {
        let name = cString(path)
        var attempts = 0
        while true {
            do {
                return Descriptor(
                    owning: try systemCall("openat2") { ci_openat2(directory.raw, name, flags, mode, resolve) }
                )
            } catch  where error.code == EAGAIN && attempts < 100 {
                // Somebody renames directories at this moment; the kernel asks to try again.
                attempts += 1
            }
        }
    }

    /// Opens a file for reading, or a directory for listing, one whose mode forbids it too.
    func openReadable(_ path: TreePath, isDirectory: Bool) throws(SystemError) -> Descriptor {
        let flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | (isDirectory || path.mustBeDirectory ? O_DIRECTORY : 0)
        do {
            return try openTree(path.components, flags: flags)
        } catch  where error.code == EACCES {
            let held = try openTree(path.components, flags: CI_O_PATH)
            try Self.permit(held, mode: isDirectory ? 0o700 : 0o600)
            return try openTree(path.components, flags: flags)
        }
    }

    /// Gives the owner, which is this process, access to what a descriptor holds.
    static func permit(_ held: Descriptor, mode: mode_t) throws(SystemError) {
        // fchmod(2) refuses a descriptor that only holds; its name in /proc does not.
        try systemCall("chmod") { chmod("/proc/self/fd/\(held.raw)", mode) }
    }

    /// What a name in a directory is, not followed; nil where there is none.
    static func status(of name: [UInt8], in directory: Descriptor) throws(SystemError) -> stat? {
        var status = stat()
        let name = cString(name)
        if fstatat(directory.raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { return status }
        let code = errno
        if code == ENOENT { return nil }
        throw SystemError("fstatat", code: code)
    }

    static func cString(_ bytes: some Sequence<UInt8>) -> [CChar] { bytes.map { CChar(bitPattern: $0) } + [0] }

    static func isDirectory(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }

    /// Inode, size and times: nobody but the kernel can set the last of them.
    static func entityTag(_ status: stat) -> String {
        let numbers = [
            UInt64(status.st_ino), UInt64(bitPattern: Int64(status.st_size)),
            UInt64(bitPattern: Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)),
            UInt64(bitPattern: Int64(status.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_ctim.tv_nsec)),
        ]
        return "\"" + numbers.map { String($0, radix: 16) }.joined(separator: "-") + "\""
    }

    static func modified(_ status: stat) -> TreeTime {
        TreeTime(seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
    }

    // MARK: Reading

    /// - Throws: ``WorkspaceTreeError``, ``SystemError``.
    func openFile(_ path: TreePath) throws -> (file: Descriptor, status: stat) {
        if path.isRoot { throw WorkspaceTreeError.isADirectory }
        let file = try openReadable(path, isDirectory: false)
        guard let status = Self.status(of: file) else { throw SystemError("fstat", code: errno) }
        if Self.isDirectory(status) { throw WorkspaceTreeError.isADirectory }
        guard Self.isRegular(status) else { throw WorkspaceTreeError.notARegularFile }
        return (file, status)
    }

    /// - Throws: ``SystemError``.
    func list(_ path: TreePath, limit: Int) throws -> TreeListing {
        let directory = try openReadable(path, isDirectory: true)
        // Readable but not searchable is of no use.
        if let status = Self.status(of: directory), status.st_mode & 0o100 == 0 { fchmod(directory.raw, 0o700) }
        var listing = DirectoryListing(directory, bufferBytes: 32 << 10)
        var entries: [TreeEntry] = []
        while let found = listing.next() {
            if entries.count == limit { return TreeListing(entries: TreeEntry.sorted(entries), isTruncated: true) }
            // What vanished meanwhile is no entry any more.
            if let entry = try entry(Array(found.name), in: directory, path) { entries.append(entry) }
        }
        return TreeListing(entries: TreeEntry.sorted(entries), isTruncated: false)
    }

    private func entry(_ name: [UInt8], in directory: Descriptor, _ path: TreePath) throws(SystemError) -> TreeEntry? {
        guard var status = try Self.status(of: name, in: directory) else { return nil }
        if status.st_mode & S_IFMT == S_IFLNK,
            // A link that leads nowhere is shown as it is.
            let end = try? openTree(path.components + [name], flags: CI_O_PATH), let target = Self.status(of: end)
        {
            status = target
        }
        return TreeEntry(
            name: name,
            isDirectory: Self.isDirectory(status),
            size: Self.isRegular(status) ? Int(status.st_size) : nil,
            modified: Self.modified(status)
        )
    }
}
