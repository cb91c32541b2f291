import Glibc
import NativeSandbox
import Settings

/// Whom the server runs as once it has started.
struct ServerIdentity: Equatable {
    var uid: UInt32
    var gid: UInt32

    /// The account the server looks for when nothing else is said.
    static let accountName = "code-interpreter"
    /// Used where that account does not exist: an id nobody has, below those of sandboxes.
    static let unnamed = ServerIdentity(uid: 99_999, gid: 99_999)

    /// Ourselves when we are not root; else RUN_AS_USER or the default.
    ///
    /// - Throws: ``StartFailure`` when that user or group does not exist or is root.
    static func resolve(_ settings: Settings) throws -> ServerIdentity {
        guard Privileges.isRoot else { return ServerIdentity(uid: geteuid(), gid: getegid()) }
        guard let wanted = settings.runAsUser else { return account(named: accountName) ?? unnamed }
        let identity = try parse(wanted)
        guard identity.uid != 0, identity.gid != 0 else { throw StartFailure("RUN_AS_USER: \(wanted) is root") }
        return identity
    }

    /// `name`, `name:group`, `uid` or `uid:gid`; a number alone is both.
    static func parse(_ text: String) throws -> ServerIdentity {
        let parts = text.split(separator: ":").map(String.init)
        let user = parts[0]
        let groupName = parts.count > 1 ? parts[1] : nil
        guard var identity = UInt32(user).map({ ServerIdentity(uid: $0, gid: $0) }) ?? account(named: user) else {
            throw StartFailure("RUN_AS_USER: there is no user \(user); create it with: useradd --system \(user)")
        }
        if let groupName {
            guard let gid = UInt32(groupName) ?? group(named: groupName) else {
                throw StartFailure("RUN_AS_USER: there is no group \(groupName)")
            }
            identity.gid = gid
        }
        return identity
    }

    private static func account(named name: String) -> ServerIdentity? {
        guard let entry = getpwnam(name) else { return nil }
        return ServerIdentity(uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid)
    }

    private static func group(named name: String) -> UInt32? {
        getgrnam(name)?.pointee.gr_gid
    }
}
