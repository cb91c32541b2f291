/// What a client asks to run.
package struct ExecutionRequest: Sendable {
    package var script: Script
    /// At least one millisecond.
    package var timeout: Duration
    /// In the order of the request; ids and paths as the client wrote them, nothing checked yet.
    package var files: [(path: String, fileID: String)]
    package var tenant: Tenant

    package init(
        script: Script,
        timeout: Duration,
        files: [(path: String, fileID: String)] = [],
        tenant: Tenant = .everyone
    ) {
        self.script = script
        self.timeout = timeout
        self.files = files
        self.tenant = tenant
    }
}

/// What came of it.
package struct ExecutionResult: Sendable {
    package var outcome: Outcome
    /// Stored and ready to be fetched, sorted by path; each file's `filename` is its path in the workspace.
    package var files: [StoredFile]
    /// Produced files that a limit kept out.
    package var omittedFiles: Int

    package init(outcome: Outcome, files: [StoredFile], omittedFiles: Int) {
        self.outcome = outcome
        self.files = files
        self.omittedFiles = omittedFiles
    }
}

/// Why a request was refused before anything ran.
package enum ExecutionRefusal: Error, Sendable, Equatable {
    /// The time-out asked for is above this many milliseconds.
    case timeoutAboveMaximum(milliseconds: Int)
    case unknownFile(id: String, path: String)
    case invalidPath(WorkspacePath.Invalid, path: String)
    /// The path of the program itself.
    case reservedPath(path: String)
    /// Every place was taken for as long as the queue allows.
    case saturated(retryAfter: Duration)
    /// The backend cannot make a sandbox.
    case noCapacity(reason: String, retryAfter: Duration)
    /// The staged files do not fit into a workspace.
    case filesTooLarge(path: String)
    /// The server is shutting down.
    case stopping
}

/// What is counted separately in metrics.
package enum ExecutionOperation: String, Sendable, CaseIterable {
    case execute
    case executeStream = "execute_stream"
    case sessionCreate = "session_create"
    case sessionBash = "session_bash"
    /// A cell of a context.
    case contextExecute = "context_execute"
}
