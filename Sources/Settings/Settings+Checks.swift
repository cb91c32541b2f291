// What no single setting shows.
extension Settings {
    /// How many user ids sandboxes may have at the same time.
    package static let sandboxSlots = 4096

    /// Combinations that cannot work.
    func contradictions() -> [String] {
        var found: [String] = []
        if backend != .native {
            found.append("EXECUTOR_BACKEND: this version has no \(backend.rawValue) backend; use native")
        }
        let lastUID = sandboxUIDBase + Self.sandboxSlots - 1
        if let user = runAsUserID, (sandboxUIDBase...lastUID).contains(user) {
            found.append(
                "RUN_AS_USER: \(user) is among the ids of sandboxes, \(sandboxUIDBase) to \(lastUID); change it or SANDBOX_UID_BASE"
            )
        }
        return found
    }

    /// Combinations that work but are hardly meant.
    func doubts() -> [String] {
        var found: [String] = []
        if maxFileSizeMB > workspaceSizeMB {
            found.append(
                "MAX_FILE_SIZE_MB (\(maxFileSizeMB)) is above WORKSPACE_SIZE_MB (\(workspaceSizeMB)): larger files can be uploaded but not used"
            )
        }
        if maxFileSizeMB > memoryLimitMB {
            found.append(
                "MAX_FILE_SIZE_MB (\(maxFileSizeMB)) is above MEMORY_LIMIT_MB (\(memoryLimitMB)): programs cannot produce files of that size"
            )
        }
        if poolSizeBare == 0 && poolSizeFull == 0 {
            found.append("POOL_SIZE_BARE and POOL_SIZE_FULL are 0: every execution waits until its sandbox is made")
        }
        return found
    }

    /// The user part of ``runAsUser`` where it is a number.
    private var runAsUserID: Int? { runAsUser.flatMap { $0.split(separator: ":").first.flatMap { Int($0) } } }
}
