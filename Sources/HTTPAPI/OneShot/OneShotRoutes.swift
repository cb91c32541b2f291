import Execution

/// The routes of the one-shot family. Sessions belong here too.
enum OneShotRoutes {
    static func routes(configuration: HTTPAPIConfiguration, service: ExecutionService, files: FileStore) -> [Route] {
        let execute = ExecuteRoutes(
            service: service,
            maxBodyBytes: configuration.maxBodyBytes,
            maxTimeoutMilliseconds: configuration.maxTimeoutMilliseconds
        )
        return execute.routes + FileRoutes(files: files, maxFileBytes: configuration.maxFileBytes).routes
    }
}
