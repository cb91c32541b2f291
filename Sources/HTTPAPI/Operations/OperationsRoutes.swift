import Execution

/// The routes for people, monitoring and load balancers.
enum OperationsRoutes {
    static func routes(
        configuration: HTTPAPIConfiguration,
        service: ExecutionService,
        executions: ExecutionMetrics,
        requests: RequestMetrics
    ) -> [Route] {
        let health = HealthRoutes(
            service: service,
            version: configuration.version,
            backendName: configuration.backendName,
            warnings: configuration.warnings,
            retryAfter: configuration.capacityRetryAfter
        )
        let metrics = MetricsRoute(
            executions: executions,
            requests: requests,
            version: configuration.version,
            start: .now
        )
        return health.routes + metrics.routes + DocsRoutes(configuration: configuration).routes
    }
}
