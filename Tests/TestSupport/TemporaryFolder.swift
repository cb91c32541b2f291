package import Glibc

/// A folder of one test, made by `make` and removed by `remove`.
package struct TemporaryFolder: Sendable {
    package let path: String

    /// Makes a folder that everybody may pass through: the server gives up root and still has to reach what is in it.
    /// Checks for what the server left behind look for folders with the usual `prefix`.
    package init(_ name: String = "test", prefix: String = "code-interpreter") throws {
        var template = Array("\(Host.environment("TMPDIR") ?? "/tmp")/\(prefix)-\(name)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemCallError(call: "mkdtemp", object: name, errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        chmod(path, 0o755)
    }

    /// Makes a folder inside.
    ///
    /// - Returns: its path.
    package func folder(_ name: String, mode: mode_t = 0o755) throws -> String {
        let folder = "\(path)/\(name)"
        guard mkdir(folder, mode) == 0 else { throw SystemCallError(call: "mkdir", object: folder, errno: errno) }
        chmod(folder, mode)
        return folder
    }

    /// Writes a file inside.
    ///
    /// - Returns: its path.
    @discardableResult
    package func file(_ name: String, _ content: some Collection<UInt8>) throws -> String {
        let file = "\(path)/\(name)"
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw SystemCallError(call: "open", object: file, errno: errno) }
        defer { close(descriptor) }
        var rest = Array(content)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw SystemCallError(call: "write", object: file, errno: errno) }
            rest = rest.dropFirst(count)
        }
        return file
    }

    /// Gives the folder and what is in it to another user.
    package func give(to user: uid_t) {
        chown(path, user, user)
        for name in Host.directory(path) { lchown("\(path)/\(name)", user, user) }
    }

    /// Removes the folder and everything in it; links are removed, not followed.
    package func remove() {
        Self.remove(path, isFolder: true)
    }

    private static func remove(_ path: String, isFolder: Bool) {
        guard isFolder else {
            unlink(path)
            return
        }
        for name in Host.directory(path) {
            var status = stat()
            guard lstat("\(path)/\(name)", &status) == 0 else { continue }
            remove("\(path)/\(name)", isFolder: status.st_mode & S_IFMT == S_IFDIR)
        }
        rmdir(path)
    }
}
