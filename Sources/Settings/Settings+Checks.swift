// What no single setting shows.
extension Settings {
    /// How many user ids sandboxes may have at the same time.
    package static let sandboxSlots = 4096

    /// Combinations that cannot work.
    func contradictions() -> [String] {
        var found: [String] = []
        if backend == .kubernetes {
            found.append("EXECUTOR_BACKEND: this version has no kubernetes backend; use native or docker")
        }
        found += keyContradictions()
        let lastUID = sandboxUIDBase + Self.sandboxSlots - 1
        if let user = runAsUserID, (sandboxUIDBase...lastUID).contains(user) {
            found.append(
                "RUN_AS_USER: \(user) is among the ids of sandboxes, \(sandboxUIDBase) to \(lastUID); change it or SANDBOX_UID_BASE"
            )
        }
        return found
    }

    /// Names no key: where a key stands for a name, it must not be shown either.
    private func keyContradictions() -> [String] {
        var found: [String] = []
        if authenticationMode == .token, apiKeys.isEmpty, apiKeysFile == nil {
            found.append("AUTH_MODE: token needs API_KEYS or API_KEYS_FILE")
        }
        if authenticationMode != .token, !apiKeys.isEmpty || apiKeysFile != nil {
            found.append(
                "AUTH_MODE: keys are given, which \(authenticationMode.rawValue) does not use; set it to token"
            )
        }
        if Set(apiKeys.map(\.name)).count < apiKeys.count { found.append("API_KEYS: two keys have the same name") }
        if Set(apiKeys.map(\.secret)).count < apiKeys.count { found.append("API_KEYS: two names have the same key") }
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
        if crossOrigins.contains("*"), authenticationMode == .none {
            found.append(
                "CORS_ORIGINS is * without AUTH_MODE: every web page a user of this machine opens can run code here"
            )
        }
        if backend == .docker, dockerNetwork != "none" {
            found.append(
                "PYTHON_EXECUTOR_DOCKER_NETWORK is \(dockerNetwork): programs can reach whatever is on that network"
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
