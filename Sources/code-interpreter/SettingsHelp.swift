import Settings

/// What `--help` says about settings.
enum SettingsHelp {
    /// Below the width at which lines are broken for a terminal of 80 columns, so that indents stay.
    private static let width = 78

    static let text = """
        A flag wins over CODE_INTERPRETER_<NAME> in the environment, that over <NAME>,
        that over the default.

        \(Setting.groups.map(section).joined(separator: "\n\n"))
        """

    private static func section(_ group: SettingGroup) -> String {
        (["\(group.title.uppercased()) SETTINGS:"] + group.settings.map(entry)).joined(separator: "\n")
    }

    private static func entry(_ setting: Setting) -> String {
        let value = setting.isSwitch ? "" : " <value>"
        let lines = [
            setting.isSecret ? "no flag: \(setting.name)" : "\(setting.flag)\(value)", setting.meaning,
            "\(setting.name): \(setting.range); default \(setting.defaultText)",
        ]
        return zip(lines, [2, 6, 6]).map { wrapped($0, indent: $1) }.joined(separator: "\n")
    }

    /// Breaks a text at spaces, each line indented.
    static func wrapped(_ text: String, indent: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(margin + word)
            }
        }
        return lines.joined(separator: "\n")
    }
}
