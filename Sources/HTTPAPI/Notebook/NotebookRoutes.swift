import Execution

/// The routes of the notebook family.
enum NotebookRoutes {
    static func routes(
        configuration: HTTPAPIConfiguration,
        contexts: ContextService,
        pulse: StreamPulse
    ) -> [Route] {
        CellRoutes(contexts: contexts, pulse: pulse, maxBodyBytes: configuration.maxBodyBytes).routes
            + ContextRoutes(contexts: contexts, maxBodyBytes: configuration.maxBodyBytes).routes
            + WorkspaceFileRoutes(
                trees: { tenant in try await contexts.sandbox(of: tenant).tree },
                maxFileBytes: configuration.maxFileBytes
            ).routes
    }
}
