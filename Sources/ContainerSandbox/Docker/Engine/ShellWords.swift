/// Words as a shell would take them apart: spaces, single and double quotes, backslashes; nothing is expanded.
enum ShellWords {
    enum Failure: Error, Equatable {
        case openQuote(Character)
        case trailingBackslash
    }

    /// - Throws: ``Failure`` where a quotation or a backslash has no end.
    static func split(_ text: String) throws(Failure) -> [String] {
        var words: [String] = []
        var word: String?
        var rest = Substring(text)
        while let character = rest.popFirst() {
            switch character {
            case _ where character.isWhitespace:
                if let finished = word { words.append(finished) }
                word = nil
            case "'", "\"":
                word = (word ?? "") + (try quoted(character, &rest))
            case "\\":
                guard let next = rest.popFirst() else { throw .trailingBackslash }
                word = (word ?? "") + String(next)
            default:
                word = (word ?? "") + String(character)
            }
        }
        if let word { words.append(word) }
        return words
    }

    private static func quoted(_ quote: Character, _ rest: inout Substring) throws(Failure) -> String {
        var text = ""
        while let character = rest.popFirst() {
            if character == quote { return text }
            if quote == "\"", character == "\\", let next = rest.first, "\"\\$`".contains(next) {
                text.append(next)
                rest.removeFirst()
            } else {
                text.append(character)
            }
        }
        throw .openQuote(quote)
    }
}
