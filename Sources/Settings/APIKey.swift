/// A key that clients may use, and the name of the tenant it stands for.
///
/// Nothing that prints or dumps it shows the secret.
package struct APIKey: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    package var name: String
    package var secret: String

    package init(name: String, secret: String) {
        self.name = name
        self.secret = secret
    }

    package var description: String { "\(name):***" }

    package var customMirror: Mirror { Mirror(self, children: ["name": name]) }

    /// Shorter ones could be guessed; longer ones are no keys.
    static let lengths = 16...512

    /// Reads `name:key` pairs. What is wrong is told by the number of the entry alone: a key may stand where a name should.
    static func read(_ entries: some Sequence<Substring>) -> (keys: [APIKey], problems: [String]) {
        var keys: [APIKey] = []
        var problems: [String] = []
        for (index, entry) in entries.enumerated() {
            let parts = entry.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                problems.append("entry \(index + 1) is not name:key")
                continue
            }
            if let problem = problem(name: parts[0], secret: parts[1]) {
                problems.append("entry \(index + 1): \(problem)")
            }
            keys.append(APIKey(name: String(parts[0]), secret: String(parts[1])))
        }
        return (keys, problems)
    }

    /// The lines of a file, without empty ones and comments.
    static func entries(ofFile text: String) -> [Substring] {
        text.split(whereSeparator: \.isNewline).map { $0.trimmingSpaces() }
            .filter { !$0.isEmpty && !$0.hasPrefix("#") }
    }

    private static func problem(name: Substring, secret: Substring) -> String? {
        let isName = { (byte: UInt8) in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
        }
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(isName) else {
            return "a name is 1 to 64 letters, digits, _ and -"
        }
        guard secret.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ",") }) else {
            return "a key is printable ASCII without spaces and commas"
        }
        guard lengths.contains(secret.utf8.count) else {
            return "a key has \(lengths.lowerBound) to \(lengths.upperBound) characters"
        }
        return nil
    }
}

/// A file that holds settings, as it was read.
package struct SettingsFile: Sendable {
    package var text: String
    /// Whether its mode lets every user of the machine read it.
    package var isReadableByAll: Bool

    package init(text: String, isReadableByAll: Bool) {
        self.text = text
        self.isReadableByAll = isReadableByAll
    }

    /// Why a file could not be read, for people.
    package struct Failure: Error, CustomStringConvertible {
        package var description: String

        package init(_ description: String) { self.description = description }
    }
}
