/// Ids of the host that a user may give to processes in a user namespace of theirs: /etc/subuid and /etc/subgid.
struct SubordinateIDs: Sendable, Equatable {
    /// First user id and first group id of the host.
    var firstUser: Int
    var firstGroup: Int
    /// How many of both.
    var count: Int

    /// The user's longest range of both files, nil when one of them has none.
    static func find(userID: UInt32, userName: String?, _ files: HostFiles) -> SubordinateIDs? {
        guard let users = longest(files.read("/etc/subuid"), userID, userName),
            let groups = longest(files.read("/etc/subgid"), userID, userName)
        else { return nil }
        return SubordinateIDs(
            firstUser: users.first,
            firstGroup: groups.first,
            count: min(users.count, groups.count)
        )
    }

    private static func longest(_ text: String?, _ userID: UInt32, _ userName: String?) -> (first: Int, count: Int)? {
        var best: (first: Int, count: Int)?
        for line in (text ?? "").split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 3, let first = Int(fields[1].trimmed), let count = Int(fields[2].trimmed),
                first > 0, count > (best?.count ?? 0),
                fields[0] == userName ?? "" || fields[0] == String(userID)
            else { continue }
            best = (first, count)
        }
        return best
    }
}
