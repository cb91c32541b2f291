import Execution

/// What clients call contexts and languages by.
enum ContextNames {
    /// Longer ones name nothing. They are refused before anybody compares them: Swift normalizes texts to do so, which
    /// costs the square of the length of a run of accents.
    static let maximumBytes = 256

    /// Refuses what no context can be called.
    static func check(id: String) throws(ContextRefusal) {
        if id.utf8.count > maximumBytes { throw .unknownContext(id: id) }
    }

    /// Refuses what no language can be called; `known` are those there are.
    static func check(language: String, known: [Language]) throws(ContextRefusal) {
        if language.utf8.count > maximumBytes { throw .unknownLanguage(language, known: known.map(\.name)) }
    }
}
