/// Why a context cannot be had, or a cell not be run.
package enum ContextRefusal: Error, Sendable, Equatable {
    case unknownContext(id: String)
    /// Nothing here speaks it; the names of what is spoken.
    case unknownLanguage(String, known: [String])
    /// Why the directory cannot be one to work in.
    case badDirectory(String)
    /// The tenant has as many contexts as it may have.
    case tooManyContexts(limit: Int)
    /// So many cells wait in the context already.
    case queueFull(limit: Int)
    /// Its interpreter does not start; why.
    case cannotStart(String)
    /// The context was deleted while the cell waited.
    case deleted(id: String)
    /// No sandbox can be made.
    case noCapacity(reason: String, retryAfter: Duration)
    case stopping
}

/// A context, for clients.
package struct ContextDescription: Sendable, Equatable {
    package var id: String
    package var language: String
    /// Where it begins to work, and again after a restart.
    package var directory: String

    package init(id: String, language: String, directory: String) {
        self.id = id
        self.language = language
        self.directory = directory
    }
}

/// Which context a cell is for.
package enum ContextChoice: Sendable, Equatable {
    case id(String)
    /// The tenant's default context of a language, made when it is first asked for.
    case defaultOf(language: String)
}
