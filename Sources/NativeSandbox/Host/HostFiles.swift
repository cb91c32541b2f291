import Glibc

/// How facts about the host are looked up; tests give their own.
struct HostFiles: Sendable {
    /// The text of a small file, nil when it cannot be read.
    var read: @Sendable (String) -> String?
    /// What a path is without following a link at its end, nil when it is nothing.
    var kind: @Sendable (String) -> Kind?
    /// Where a symbolic link points, as written in it.
    var link: @Sendable (String) -> String?
    /// The path with every link resolved.
    var resolved: @Sendable (String) -> String?
    /// Whether this process may write to it.
    var isWritable: @Sendable (String) -> Bool
    /// Whether everybody may read and, for directories and programs, search or execute it.
    var isOpenToAll: @Sendable (String) -> Bool

    enum Kind: Sendable, Equatable {
        case file
        case directory
        case link
        case other
    }

    /// The real ones.
    static let host = HostFiles(
        read: SmallFile.read,
        kind: { path in
            var status = stat()
            guard lstat(path, &status) == 0 else { return nil }
            switch status.st_mode & S_IFMT {
            case S_IFREG: return .file
            case S_IFDIR: return .directory
            case S_IFLNK: return .link
            default: return .other
            }
        },
        link: { path in
            var target = [CChar](repeating: 0, count: 4096)
            let length = readlink(path, &target, target.count)
            guard length > 0 else { return nil }
            return String(validating: target[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        },
        resolved: { path in
            guard let resolved = realpath(path, nil) else { return nil }
            defer { free(resolved) }
            return String(cString: resolved)
        },
        isWritable: { access($0, W_OK) == 0 },
        isOpenToAll: { path in
            var status = stat()
            guard stat(path, &status) == 0 else { return false }
            let needed: mode_t = status.st_mode & S_IFMT == S_IFDIR ? 0o005 : 0o004
            return status.st_mode & needed == needed
        }
    )
}
