import CLinux
import Execution
import Glibc
import Synchronization

/// The file tree of one sandbox, through a descriptor of its root that lives on when the sandbox is dead.
///
/// Every call blocks. What lies in the tree is hostile: nothing is opened except beneath the root, without following
/// any link, and without waiting for the other end of a fifo.
final class Workspace: Sendable {
    let root: Descriptor
    /// Held while a file gets its name.
    let publishing = Mutex(())
    /// Lets in who removes directories: many at once would have the threads for files to themselves, and are no faster.
    let removals: AdmissionGate
    /// How long removing a directory may take, waiting included.
    let removalTime: Duration

    static let removalsAtOnce = 2

    init(root: Descriptor, removalTime: Duration = .seconds(10)) {
        self.root = root
        self.removalTime = removalTime
        removals = AdmissionGate(limit: Self.removalsAtOnce, queueLimit: 256, queueTimeout: removalTime)
    }

    /// Never out of the tree, through no link, onto no other file system.
    static let confined = UInt64(
        CI_RESOLVE_BENEATH | CI_RESOLVE_NO_SYMLINKS | CI_RESOLVE_NO_MAGICLINKS | CI_RESOLVE_NO_XDEV
    )

    /// openat2(2) beneath `directory`.
    static func open(
        _ path: String,
        in directory: Descriptor,
        flags: Int32,
        mode: mode_t = 0
    ) throws(SystemError) -> Descriptor {
        var attempts = 0
        while true {
            do {
                return Descriptor(
                    owning: try systemCall("openat2", on: path) {
                        ci_openat2(directory.raw, path, flags, mode, confined)
                    }
                )
            } catch  where error.code == EAGAIN && attempts < 100 {
                // Somebody renames directories at this moment; the kernel asks to try again.
                attempts += 1
            }
        }
    }

    /// Opens a regular file for reading, one whose mode forbids it too: it belongs to this process, as all files of the
    /// tree do.
    ///
    /// Nil for what is no regular file, or could not be opened.
    static func openRegular(_ path: String, in directory: Descriptor) -> (file: Descriptor, status: stat)? {
        let flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY
        do {
            let file = try open(path, in: directory, flags: flags)
            return status(of: file).flatMap { isRegular($0) ? (file, $0) : nil }
        } catch {
            guard error.code == EACCES, makeAccessible(path, in: directory, S_IFREG, mode: 0o600),
                let file = try? open(path, in: directory, flags: flags)  // Nil means what it says: it cannot be opened.
            else { return nil }
            return status(of: file).flatMap { isRegular($0) ? (file, $0) : nil }
        }
    }

    /// Opens a directory for listing, one whose mode forbids it too. Nil for anything else.
    static func openDirectory(_ path: String, in directory: Descriptor) -> Descriptor? {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
        do {
            let opened = try open(path, in: directory, flags: flags)
            // Readable but not searchable is of no use.
            if let status = status(of: opened), status.st_mode & 0o500 != 0o500 { fchmod(opened.raw, 0o700) }
            return opened
        } catch {
            guard error.code == EACCES, makeAccessible(path, in: directory, S_IFDIR, mode: 0o700) else { return nil }
            return try? open(path, in: directory, flags: flags)  // As above.
        }
    }

    /// What `file` is; nil when the kernel does not say.
    static func status(of file: Descriptor) -> stat? {
        var status = stat()
        return fstat(file.raw, &status) == 0 ? status : nil
    }

    static func isRegular(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFREG }

    /// Gives the owner access to a file of that type. What is changed is what was looked at: it is held by a descriptor
    /// meanwhile.
    private static func makeAccessible(_ path: String, in directory: Descriptor, _ type: mode_t, mode: mode_t) -> Bool {
        guard let held = try? open(path, in: directory, flags: CI_O_PATH | O_NOFOLLOW),  // It vanished: no access.
            let status = status(of: held), status.st_mode & S_IFMT == type
        else { return false }
        // fchmod(2) refuses a descriptor that only holds; its name in /proc does not.
        return chmod("/proc/self/fd/\(held.raw)", mode) == 0
    }
}
