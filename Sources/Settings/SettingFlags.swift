/// Takes the flags of settings out of a command line, so that every command has them without naming them.
package enum SettingFlags {
    /// A flag as it was given. `value` is nil where it ended the line without one.
    package struct Flag: Sendable, Equatable {
        package var setting: String
        package var value: String?

        package init(setting: String, value: String?) {
            self.setting = setting
            self.value = value
        }
    }

    /// Separates the flags of settings from everything else; both keep their order. Nothing after `--` is looked at.
    package static func split(_ arguments: [String]) -> (flags: [Flag], rest: [String]) {
        var flags: [Flag] = []
        var rest: [String] = []
        var remaining = arguments[...]
        while let argument = remaining.popFirst() {
            if argument == "--" {
                rest += [argument] + remaining
                break
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parts.first, let setting = byFlag[String(name)] else {
                rest.append(argument)
                continue
            }
            if parts.count == 2 {
                flags.append(Flag(setting: setting.name, value: String(parts[1])))
            } else if setting.isSwitch {
                flags.append(Flag(setting: setting.name, value: "true"))
            } else {
                flags.append(Flag(setting: setting.name, value: remaining.popFirst()))
            }
        }
        return (flags, rest)
    }

    /// The flag somebody probably meant.
    package static func suggestion(for flag: String) -> String? {
        nearest(to: flag, among: Setting.all.map(\.flag))
    }

    private static let byFlag = Dictionary(uniqueKeysWithValues: Setting.all.map { ($0.flag, $0) })
}
