import CLinux
import Glibc

/// The rights of this process.
package enum Privileges {
    /// Whether this process may do everything.
    package static var isRoot: Bool { geteuid() == 0 }

    /// Gives root up for ever: no groups but `groups`, other ids, no way back. Looks afterwards at every thread whether that is true.
    ///
    /// Does nothing when this process is not root. To be called after ``NativeBackend`` was made, which needs root, and
    /// before there is a second thread: glibc has the others follow, but neither one that is ending, as the main thread of
    /// an asynchronous program is for the rest of its life, nor with no_new_privs.
    /// - Throws: ``SystemError``; the process must then end.
    package static func drop(toUser uid: UInt32, group gid: UInt32, keeping groups: [UInt32] = []) throws {
        guard isRoot else { return }
        precondition(uid != 0 && gid != 0, "dropping root to root")
        try systemCall("setgroups") { ci_set_groups(groups, Int32(groups.count)) }
        try systemCall("setresgid", on: "\(gid)") { ci_set_group(gid) }
        try systemCall("setresuid", on: "\(uid)") { ci_set_user(uid) }
        try systemCall("prctl", on: "no_new_privs") { ci_set_no_new_privileges() }
        // Its memory and descriptors are nobody's business, not even that of other processes of the same user.
        try systemCall("prctl", on: "dumpable") { ci_set_dumpable(0) }
        try verify(uid, gid, groups)
    }

    private static func verify(_ uid: UInt32, _ gid: UInt32, _ groups: [UInt32]) throws(SystemError) {
        let hasNewIDs = ci_ids_are(uid, gid) == 1 && getgroups(0, nil) == groups.count
        let canReturn = setuid(0) == 0 || setgid(0) == 0
        guard hasNewIDs, !canReturn, ci_get_no_new_privileges() == 1 else {
            throw SystemError("dropping root", on: "it is still there", code: EPERM)
        }
        let tasks = "/proc/self/task"
        let raw = try systemCall("open", on: tasks) { open(tasks, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        var threads = DirectoryListing(Descriptor(owning: raw), bufferBytes: 4096)
        while let thread = threads.next() {
            let id = String(decoding: thread.name, as: UTF8.self)
            guard isPowerless("\(tasks)/\(id)/status", uid) else {
                throw SystemError("dropping root", on: "thread \(id) still has it", code: EPERM)
            }
        }
    }

    /// Whether a thread has the ids and no capability, by its status file in /proc; a thread that ended has none.
    private static func isPowerless(_ path: String, _ uid: UInt32) -> Bool {
        guard let status = SmallFile.read(path) else { return true }
        var found = 0
        for line in status.split(separator: "\n") {
            let fields = line.split(whereSeparator: \.isWhitespace)
            switch fields.first {
            case "Uid:": guard fields.dropFirst().allSatisfy({ $0 == "\(uid)" }) else { return false }
            case "CapPrm:", "CapEff:", "CapAmb:": guard UInt64(fields.last ?? "", radix: 16) == 0 else { return false }
            default: continue
            }
            found += 1
        }
        return found == 4
    }
}
