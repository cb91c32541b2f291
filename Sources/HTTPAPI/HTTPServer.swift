package import Execution
import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle

/// The HTTP face of the server.
package struct HTTPServer: Sendable {
    private let configuration: HTTPAPIConfiguration
    private let responder: APIResponder
    let routes: [Route]
    private let requests: RequestMetrics
    private let pulse: StreamPulse
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int) async -> Void
    /// Tests make them short.
    var connectionLimits = ConnectionChannel.Limits()

    /// A server that is not listening yet. `onListening` is called once with the port it listens on, before the first request is answered.
    package init(
        configuration: HTTPAPIConfiguration,
        service: ExecutionService,
        contexts: ContextService,
        files: FileStore,
        metrics: ExecutionMetrics,
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int) async -> Void
    ) {
        self.init(
            configuration: configuration,
            service: service,
            contexts: contexts,
            files: files,
            metrics: metrics,
            pulse: StreamPulse(),
            logger: logger,
            onListening: onListening
        )
    }

    /// As above, with a pulse that tests make fast.
    init(
        configuration: HTTPAPIConfiguration,
        service: ExecutionService,
        contexts: ContextService,
        files: FileStore,
        metrics: ExecutionMetrics,
        pulse: StreamPulse,
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int) async -> Void
    ) {
        let requests = RequestMetrics()
        self.init(
            configuration: configuration,
            routes: OneShotRoutes.routes(configuration: configuration, service: service, files: files)
                + NotebookRoutes.routes(configuration: configuration, contexts: contexts, pulse: pulse)
                + OperationsRoutes.routes(
                    configuration: configuration,
                    service: service,
                    executions: metrics,
                    requests: requests
                ),
            requests: requests,
            pulse: pulse,
            logger: logger,
            onListening: onListening
        )
    }

    /// A server of any routes.
    init(
        configuration: HTTPAPIConfiguration,
        routes: [Route],
        requests: RequestMetrics,
        pulse: StreamPulse = StreamPulse(),
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int) async -> Void
    ) {
        let crossOrigins = CrossOriginPolicy(origins: configuration.crossOrigins)
        self.configuration = configuration
        self.requests = requests
        self.pulse = pulse
        self.routes = routes + ClaimRoute(authenticator: configuration.authenticator).routes
        self.responder = APIResponder(
            router: Router(self.routes),
            hosts: HostPolicy(
                bindHost: configuration.host,
                allowedHosts: configuration.allowedHosts,
                crossOrigins: crossOrigins
            ),
            crossOrigins: crossOrigins,
            authenticator: configuration.authenticator,
            metrics: requests,
            // A full body is held up to three times while it is parsed.
            bodies: BodyBudget(bytes: max(8 * configuration.maxBodyBytes, 64_000_000))
        )
        self.logger = logger
        self.onListening = onListening
    }

    /// The same server on another port, where clients of the notebook family look for it: its /health answers with the JSON string `"OK"`.
    package func forNotebookClients(
        port: Int,
        onListening: @escaping @Sendable (_ port: Int) async -> Void
    ) -> HTTPServer {
        var configuration = configuration
        configuration.port = port
        let health = Route(.get, "/health") { _ in .json(ByteBuffer(string: "\"OK\"")) }
        let own = [health.path, ClaimRoute.path]
        return HTTPServer(
            configuration: configuration,
            routes: routes.filter { !own.contains($0.path) } + [health],
            requests: requests,
            pulse: pulse,
            logger: logger,
            onListening: onListening
        )
    }

    /// Listens and serves until the task is cancelled; then refuses new connections, lets running requests end, and returns.
    ///
    /// Requests that outlast the longest execution by ten seconds are cut off.
    /// - Throws: when the address cannot be listened on.
    package func run() async throws {
        var group = ServiceGroupConfiguration(services: [application], logger: quietLogger)
        group.maximumGracefulShutdownDuration = .milliseconds(configuration.maxTimeoutMilliseconds) + .seconds(10)
        let services = ServiceGroup(configuration: group)
        // Cancelled and awaited on leaving this scope.
        async let _: Void = pulse.run()
        // Not a child task: being cancelled, we do not want running requests cancelled with us. It is awaited below and ended by the shutdown.
        let serving = Task { try await services.run() }
        try await withTaskCancellationHandler {
            try await serving.value
        } onCancel: {
            // Nobody needs to wait for this: it only passes the word, and `serving` ends by it.
            Task { await services.triggerGracefulShutdown() }
        }
    }

    private var application: some Service {
        let (limits, onListening, port) = (connectionLimits, onListening, configuration.port)
        return Application(
            responder: responder,
            server: HTTPServerBuilder { ConnectionChannel(responder: $0, limits: limits) },
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port),
                backlog: 1024,
                availableConnectionsDelegate: .maximum(configuration.maxConnections, logger: quietLogger)
            ),
            onServerRunning: { channel in await onListening(channel.localAddress?.port ?? port) },
            logger: logger
        )
    }

    /// For what the libraries tell about their own life.
    private var quietLogger: Logger {
        var logger = logger
        logger.logLevel = max(logger.logLevel, .warning)
        return logger
    }
}
