import Foundation
import Glibc
import NativeSandbox
import Settings

/// Where the file store lies.
enum StorageDirectory {
    /// FILE_STORAGE_DIR as an absolute path, or the default of whoever we are.
    static func path(_ settings: Settings, environment: [String: String], isRoot: Bool) -> String {
        if let chosen = settings.fileStorageDirectory { return absolute(chosen) }
        if isRoot { return "/var/lib/code-interpreter" }
        if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") { return state + "/code-interpreter" }
        return (environment["HOME"] ?? "/tmp") + "/.local/state/code-interpreter"
    }

    /// Makes the directory if it is missing and gives it to `owner`; called while we still may.
    ///
    /// A directory that exists is given away only when it is empty and root's: nothing else is taken from anybody.
    /// - Throws: ``StartFailure``.
    static func prepare(_ path: String, owner: ServerIdentity) throws {
        try makeParents(of: path)
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failure("cannot be made", path, errno) }
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure("cannot be opened", path, errno) }
        defer { close(directory) }
        var status = stat()
        guard fstat(directory, &status) == 0 else { throw failure("cannot be looked at", path, errno) }
        if status.st_uid == owner.uid { return }
        guard status.st_uid == 0, Privileges.isRoot, isEmpty(path) else {
            throw StartFailure(
                "FILE_STORAGE_DIR: \(path) belongs to user \(status.st_uid), but the server runs as \(owner.uid): "
                    + "choose another directory, or chown -R \(owner.uid):\(owner.gid) \(path)"
            )
        }
        guard fchown(directory, owner.uid, owner.gid) == 0 else { throw failure("cannot be given away", path, errno) }
    }

    /// A name that a storage directory keeps for ever, made when it has none: who makes containers is known by it from run to run.
    ///
    /// - Throws: ``StartFailure``.
    static func owner(of path: String) throws -> String {
        let file = path + "/owner"
        if let text = try? String(contentsOfFile: file, encoding: .utf8), text.count == ownerDigits,
            text.allSatisfy(\.isHexDigit)
        {
            return text
        }
        let name = randomOwner()
        var status = stat()
        do { try name.write(toFile: file, atomically: true, encoding: .utf8) } catch {
            throw StartFailure("FILE_STORAGE_DIR: \(file) cannot be written: \(error)")
        }
        // Read again after root is gone.
        if stat(path, &status) == 0, Privileges.isRoot { chown(file, status.st_uid, status.st_gid) }
        return name
    }

    /// A name nobody has.
    static func randomOwner() -> String {
        (0..<ownerDigits).map { _ in String(Int.random(in: 0..<16), radix: 16) }.joined()
    }

    private static let ownerDigits = 32

    private static func makeParents(of path: String) throws {
        var parent = ""
        for component in path.split(separator: "/").dropLast() {
            parent += "/" + component
            if mkdir(parent, 0o755) != 0 && errno != EEXIST { throw failure("cannot be made", parent, errno) }
        }
    }

    private static func isEmpty(_ path: String) -> Bool {
        guard let stream = opendir(path) else { return false }
        defer { closedir(stream) }
        // Safety: readdir(3) gives an entry with a terminated name that lives until the next call.
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { return false }
        }
        return true
    }

    private static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let current = getcwd(nil, 0) else { return path }
        defer { free(current) }
        return String(cString: current) + "/" + path
    }

    private static func failure(_ what: String, _ path: String, _ code: Int32) -> StartFailure {
        StartFailure("FILE_STORAGE_DIR: \(path) \(what): \(errorText(code))")
    }
}
