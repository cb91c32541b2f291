import Execution

/// What clients call contexts, languages and files by.
enum ClientNames {
    /// Longer ones name nothing. They are refused before anybody compares them: Swift normalizes texts to do so, which
    /// costs the square of the length of a run of accents.
    private static let maximumBytes = 256

    /// Refuses what no context can be called.
    static func check(id: String) throws(ContextRefusal) {
        if id.utf8.count > maximumBytes { throw .unknownContext(id: id) }
    }

    /// Refuses what no file can be called; `path` is where it was wanted.
    static func check(fileID: String, path: String) throws(ExecutionRefusal) {
        if fileID.utf8.count > maximumBytes { throw .unknownFile(id: fileID, path: path) }
    }

    /// Refuses what no language can be called; `known` are those there are.
    static func check(language: String, known: [Language]) throws(ContextRefusal) {
        if language.utf8.count > maximumBytes { throw .unknownLanguage(language, known: known.map(\.name)) }
    }
}
