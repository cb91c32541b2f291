/// A language that contexts can speak.
package struct Language: Sendable, Equatable {
    /// In lower case, such as `python`: what clients name it by.
    package var name: String
    /// For people, such as `Python 3.11`.
    package var displayName: String

    package init(name: String, displayName: String) {
        self.name = name
        self.displayName = displayName
    }

    package static let python = "python"
    /// What is spoken everywhere.
    package static let ofPython = Language(name: python, displayName: "Python")

    /// What a client wrote as the name it has here: trimmed, in lower case, short forms written out; Python where nothing is left.
    package static func normalized(_ text: String) -> String {
        let name = text.split(whereSeparator: \.isWhitespace).joined(separator: " ").lowercased()
        return switch name {
        case "": python
        case "py", "python3": python
        case "js", "node": "javascript"
        case "ts": "typescript"
        case "sh": "bash"
        default: name
        }
    }
}
