package import Logging
import Synchronization

/// Live interpreters for every tenant. One a server.
package final class ContextService: Sendable {
    package struct Configuration: Sendable {
        /// Where contexts work that name no directory.
        package var directory = "/home/user"
        /// Most contexts of a tenant; the default one of Python does not count.
        package var maxContexts = 64
        /// Most cells that wait for their turn in one context.
        package var maxWaitingCells = 64
        /// Most wall time of a cell that asks for none; nil is no limit.
        package var defaultTimeLimit: Duration?
        /// Contexts that nobody used for so long end; nil is never.
        package var idleTimeout: Duration? = .seconds(3600)
        /// Sandboxes in which nobody did anything for so long are frozen; nil is never.
        package var freezeAfter: Duration? = .seconds(300)
        package init() {}

        var table: ContextTable<any Kernel>.Configuration {
            .init(contexts: maxContexts, waiting: maxWaitingCells)
        }
    }

    private let spoken: @Sendable () -> [Language]?
    private let configuration: Configuration
    private let pool: SandboxPool
    private let metrics: ExecutionMetrics
    /// What a client is told when the backend has no room and does not know better.
    private let capacityRetryAfter: Duration
    private let logger: Logger
    private let tenants = Mutex<[Tenant: TenantContexts]>([:])

    /// What can be spoken, Python first; Python alone where that is not known yet.
    package var languages: [Language] { spoken() ?? [.ofPython] }

    /// Takes its sandboxes from the pool of `executions`, which must outlive it. `languages` is asked anew each time: a backend may learn what it has, and gives nil until then. A sandbox is asked in that case.
    package init(
        configuration: Configuration,
        executions: ExecutionService,
        languages: @autoclosure @escaping @Sendable () -> [Language]?,
        logger: Logger
    ) {
        self.configuration = configuration
        spoken = languages
        self.pool = executions.pool
        self.metrics = executions.metrics
        self.capacityRetryAfter = executions.configuration.capacityRetryAfter
        self.logger = logger
    }

    /// Makes a context and starts its interpreter.
    ///
    /// - Throws: ``ContextRefusal``, ``SandboxError``, `CancellationError`; nothing of it is left then.
    package func create(language: String?, directory: String?, tenant: Tenant) async throws -> ContextDescription {
        let language = try known(language ?? "")
        return try await explained {
            try await contexts(of: tenant).create(
                language: language,
                directory: directory ?? configuration.directory
            )
        }
    }

    /// In the order of their creation.
    package func list(_ tenant: Tenant) async -> [ContextDescription] { await contexts(of: tenant).descriptions }

    /// Gives a context a fresh interpreter in its first directory; what runs in it ends, what waits goes on afterwards.
    ///
    /// - Throws: as ``create(language:directory:tenant:)``.
    package func restart(_ id: String, tenant: Tenant) async throws {
        try await explained { try await contexts(of: tenant).restart(id) }
    }

    /// Ends a context, with what runs in it. The default one comes back when it is needed.
    package func delete(_ id: String, tenant: Tenant) async throws { try await contexts(of: tenant).delete(id) }

    /// Interrupts what runs in a context; nothing where nothing does.
    package func interrupt(_ id: String, tenant: Tenant) async throws { try await contexts(of: tenant).interrupt(id) }

    /// Finds the context of a cell and gives the cell a place in its queue: whatever can be refused is refused here.
    ///
    /// The caller must call ``AdmittedCell/run(events:)`` on the result, or let go of it.
    /// - Throws: ``ContextRefusal``, ``SandboxError``, `CancellationError`.
    package func admit(_ cell: Cell, to choice: ContextChoice, tenant: Tenant) async throws -> AdmittedCell {
        var choice = choice
        if case .defaultOf(let language) = choice { choice = .defaultOf(language: try known(language)) }
        var cell = cell
        if cell.timeLimit == nil { cell.timeLimit = configuration.defaultTimeLimit }
        let contexts = contexts(of: tenant)
        let (id, ticket) = try await explained { try await contexts.admit(choice) }
        return AdmittedCell(
            cell,
            contexts: contexts,
            id: id,
            ticket: ticket,
            capacityRetryAfter: capacityRetryAfter
        )
    }

    /// The sandbox of a tenant that its contexts are in, made if there is none.
    package func sandbox(of tenant: Tenant) async throws -> any Sandbox {
        try await explained { try await contexts(of: tenant).sandbox() }
    }

    /// Looks after idle contexts until the task is cancelled; then ends all of them.
    package func run() async throws {
        while !Task.isCancelled {
            for contexts in tenants.withLock({ Array($0.values) }) { await contexts.lookAfter(at: .now) }
            // Only cancellation ends this early, and then it is time to stop.
            try? await Task.sleep(for: Self.lookInterval)
        }
        for contexts in tenants.withLock({ Array($0.values) }) { await contexts.stop() }
    }

    private static let lookInterval: Duration = .seconds(1)

    private func contexts(of tenant: Tenant) -> TenantContexts {
        tenants.withLock { tenants in
            if let contexts = tenants[tenant] { return contexts }
            let contexts = TenantContexts(configuration: configuration, pool: pool, metrics: metrics)
            tenants[tenant] = contexts
            return contexts
        }
    }

    private func known(_ language: String) throws -> String {
        let name = Language.normalized(language)
        guard let languages = spoken(), !languages.contains(where: { $0.name == name }) else { return name }
        throw ContextRefusal.unknownLanguage(name, known: languages.map(\.name))
    }

    private func explained<Result: Sendable>(_ work: () async throws -> Result) async throws -> Result {
        do { return try await work() } catch {
            throw Self.explanation(of: error, languages, capacityRetryAfter: capacityRetryAfter)
        }
    }

    /// What an error of a backend means to a client.
    static func explanation(
        of error: any Error,
        _ languages: [Language],
        capacityRetryAfter: Duration
    ) -> any Error {
        switch error {
        case KernelRefusal.directory(let message): ContextRefusal.badDirectory(message)
        case KernelRefusal.language(let message):
            ContextRefusal.unknownLanguage(message, known: languages.map(\.name))
        case KernelRefusal.start(let message): ContextRefusal.cannotStart(message)
        case SandboxPool.State.Refusal.stopping: ContextRefusal.stopping
        case SandboxPool.State.Refusal.noCapacity(let reason, let delay):
            ContextRefusal.noCapacity(reason: reason, retryAfter: delay ?? capacityRetryAfter)
        default: error
        }
    }
}
