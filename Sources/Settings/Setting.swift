/// One setting: its name, how it is described, and how its text becomes a value.
package struct Setting: Sendable {
    /// As in the environment: `MAX_OUTPUT_BYTES`, also accepted as `CODE_INTERPRETER_MAX_OUTPUT_BYTES`.
    package let name: String
    package let defaultText: String
    /// What is accepted, for people.
    package let range: String
    package let meaning: String
    /// Whether its flag may stand alone and then means `true`.
    package let isSwitch: Bool
    /// Whether its value may be seen by nobody: it has no flag, because every user can list the command lines of processes.
    package var isSecret = false

    /// Puts the value of a text into settings; what is wrong with the text, nil when nothing is.
    let assign: @Sendable (String, inout Settings) -> String?

    /// As on the command line: `--max-output-bytes`.
    package var flag: String {
        "--" + name.lowercased().map { $0 == "_" ? "-" : String($0) }.joined()
    }
}

/// Settings of one subject, as they stand together in the help and in docs/CONFIGURATION.md.
package struct SettingGroup: Sendable {
    package let title: String
    package let settings: [Setting]
}

// The kinds of value.
extension Setting {
    static func integer(
        _ name: String,
        _ path: any WritableKeyPath<Settings, Int> & Sendable,
        _ range: ClosedRange<Int>,
        _ meaning: String
    ) -> Setting {
        integer(name, default: String(Settings()[keyPath: path]), range, meaning) { $1[keyPath: path] = $0 }
    }

    /// A number whose default depends on other settings.
    static func integer(
        _ name: String,
        _ path: any WritableKeyPath<Settings, Int?> & Sendable,
        default defaultText: String,
        _ range: ClosedRange<Int>,
        _ meaning: String
    ) -> Setting {
        integer(name, default: defaultText, range, meaning) { $1[keyPath: path] = $0 }
    }

    private static func integer(
        _ name: String,
        default defaultText: String,
        _ range: ClosedRange<Int>,
        _ meaning: String,
        store: @escaping @Sendable (Int, inout Settings) -> Void
    ) -> Setting {
        let expected = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        return Setting(
            name: name,
            defaultText: defaultText,
            range: "\(range.lowerBound) … \(range.upperBound)",
            meaning: meaning,
            isSwitch: false
        ) { text, settings in
            guard let value = Int(text), range.contains(value) else { return "\"\(text)\" is not \(expected)" }
            store(value, &settings)
            return nil
        }
    }

    static func boolean(_ name: String, _ path: any WritableKeyPath<Settings, Bool> & Sendable, _ meaning: String)
        -> Setting
    {
        Setting(
            name: name,
            defaultText: String(Settings()[keyPath: path]),
            range: "true, false",
            meaning: meaning,
            isSwitch: true
        ) { text, settings in
            switch text.lowercased() {
            case "true", "1", "yes", "on": settings[keyPath: path] = true
            case "false", "0", "no", "off": settings[keyPath: path] = false
            default: return "\"\(text)\" is neither true nor false"
            }
            return nil
        }
    }

    static func choice<Value: RawRepresentable<String> & CaseIterable & Sendable>(
        _ name: String,
        _ path: any WritableKeyPath<Settings, Value> & Sendable,
        _ meaning: String
    ) -> Setting {
        let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
        return Setting(
            name: name,
            defaultText: Settings()[keyPath: path].rawValue,
            range: names,
            meaning: meaning,
            isSwitch: false
        ) { text, settings in
            guard let value = Value(rawValue: text.lowercased()) else { return "\"\(text)\" is none of \(names)" }
            settings[keyPath: path] = value
            return nil
        }
    }

    /// A text; `store` puts it into settings and says whether it is acceptable.
    static func text(
        _ name: String,
        default defaultText: String,
        range: String,
        _ meaning: String,
        store: @escaping @Sendable (String, inout Settings) -> Bool
    ) -> Setting {
        Setting(name: name, defaultText: defaultText, range: range, meaning: meaning, isSwitch: false) {
            text,
            settings in
            store(text, &settings) ? nil : "\"\(text)\" is not \(range)"
        }
    }

    /// A text without a fixed default.
    static func text(
        _ name: String,
        _ path: any WritableKeyPath<Settings, String?> & Sendable,
        default defaultText: String,
        range: String,
        _ meaning: String,
        accepts: @escaping @Sendable (String) -> Bool
    ) -> Setting {
        text(name, default: defaultText, range: range, meaning) { text, settings in
            settings[keyPath: path] = text
            return accepts(text)
        }
    }

    /// Names separated by commas; the word `none` is the empty list.
    static func list(
        _ name: String,
        _ path: any WritableKeyPath<Settings, [String]> & Sendable,
        range: String,
        _ meaning: String,
        accepts: @escaping @Sendable (Substring) -> Bool
    ) -> Setting {
        let value = Settings()[keyPath: path]
        let defaultText = value.isEmpty ? "none" : value.joined(separator: ",")
        return text(name, default: defaultText, range: range, meaning) { text, settings in
            let elements =
                text.lowercased() == "none"
                ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingSpaces() }
            settings[keyPath: path] = elements.map(String.init)
            return elements.allSatisfy(accepts)
        }
    }
}

extension StringProtocol where SubSequence == Substring {
    /// Without spaces and tabs at both ends.
    func trimmingSpaces() -> Substring {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let head = self.drop(while: isSpace)
        guard let last = head.lastIndex(where: { !isSpace($0) }) else { return head }
        return head[...last]
    }
}
