/// Reads settings: a flag wins over CODE_INTERPRETER_<NAME>, that over <NAME>, that over the default.
package enum SettingsReader {
    package static let prefix = "CODE_INTERPRETER_"

    /// What was read.
    package struct Reading: Sendable, Equatable {
        package var settings: Settings
        /// Worth a line in the log, but no reason to stop.
        package var warnings: [String]
    }

    /// Reads everything; throws every problem there is, not only the first.
    ///
    /// `unknownFlags` is what the command line had that nobody knows: each is a problem. `readFile` reads files that hold settings.
    package static func read(
        flags: [SettingFlags.Flag],
        unknownFlags: [String] = [],
        environment: [String: String],
        readFile: (String) throws -> SettingsFile = { _ in throw SettingsFile.Failure("files are not read here") }
    ) throws(SettingsProblems) -> Reading {
        var settings = Settings()
        var problems = unknownFlags.map(unknownFlag) + unknownVariables(environment)
        for setting in Setting.all {
            if setting.isSecret, flags.contains(where: { $0.setting == setting.name }) {
                problems.append(
                    "\(setting.flag): there is no such flag, every user could see it in the list of processes; "
                        + "set \(setting.name) in the environment, or \(setting.name)_FILE"
                )
                continue
            }
            guard let given = lookUp(setting, flags, environment) else { continue }
            guard let text = given.value, !text.isEmpty else {
                problems.append("\(given.source): a value is missing")
                continue
            }
            if let complaint = setting.assign(text, &settings) { problems.append("\(given.source): \(complaint)") }
        }
        let file = readKeys(into: &settings, readFile)
        problems += file.problems + settings.contradictions()
        guard problems.isEmpty else { throw SettingsProblems(problems: problems) }
        return Reading(settings: settings, warnings: file.warnings + settings.doubts())
    }

    /// Variables whose values nobody else may see.
    package static let secretVariables = Setting.all.filter(\.isSecret).flatMap { [prefix + $0.name, $0.name] }

    private static func readKeys(
        into settings: inout Settings,
        _ readFile: (String) throws -> SettingsFile
    ) -> (problems: [String], warnings: [String]) {
        guard let path = settings.apiKeysFile else { return ([], []) }
        do {
            let file = try readFile(path)
            let (keys, problems) = APIKey.read(APIKey.entries(ofFile: file.text))
            settings.apiKeys += keys
            if keys.isEmpty, problems.isEmpty { return (["API_KEYS_FILE: there is no key in \(path)"], []) }
            let warnings = file.isReadableByAll ? ["API_KEYS_FILE: every user can read \(path)"] : []
            return (problems.map { "API_KEYS_FILE: \($0)" }, warnings)
        } catch {
            return (["API_KEYS_FILE: \(path): \(error)"], [])
        }
    }

    /// The text that counts, and where it stands. An empty variable is the same as none.
    private static func lookUp(
        _ setting: Setting,
        _ flags: [SettingFlags.Flag],
        _ environment: [String: String]
    ) -> (source: String, value: String?)? {
        if let flag = flags.last(where: { $0.setting == setting.name }) { return (setting.flag, flag.value) }
        for name in [prefix + setting.name, setting.name] {
            let text = environment[name]?.trimmingSpaces() ?? ""
            if !text.isEmpty { return (name, String(text)) }
        }
        return nil
    }

    private static func unknownFlag(_ flag: String) -> String {
        guard flag.hasPrefix("-") else { return "\(flag): unexpected argument" }
        let name = flag.split(separator: "=").first.map(String.init) ?? flag
        return "\(name): unknown flag" + hint(SettingFlags.suggestion(for: name))
    }

    /// Only names with our prefix can be wrong: others belong to somebody else.
    private static func unknownVariables(_ environment: [String: String]) -> [String] {
        let names = Setting.all.map { prefix + $0.name }
        let known = Set(names)
        let unknown = environment.keys.filter { name in
            name.hasPrefix(prefix) && !known.contains(name)
                && !Setting.foreignPrefixes.contains { name.hasPrefix(prefix + $0) }
        }
        return unknown.sorted().map { "\($0): unknown setting" + hint(nearest(to: $0, among: names)) }
    }

    private static func hint(_ suggestion: String?) -> String {
        suggestion.map { "; did you mean \($0)?" } ?? ""
    }
}

/// Everything that is wrong with the settings.
package struct SettingsProblems: Error, Sendable, Equatable, CustomStringConvertible {
    package var problems: [String]

    /// One line a problem, below a heading.
    package var description: String {
        let heading = problems.count == 1 ? "A setting is wrong:" : "\(problems.count) settings are wrong:"
        return ([heading] + problems.map { "  " + $0 }).joined(separator: "\n")
    }
}
