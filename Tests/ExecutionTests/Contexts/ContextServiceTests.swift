import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Execution

/// A running context service over a fake backend; afterwards nothing may be left.
private func withContexts(
    opening onOpen: @escaping @Sendable (FakeSandbox, String, String) async throws -> any Kernel = { _, _, _ in
        FakeKernel()
    },
    configure: (inout ContextService.Configuration) -> Void = { _ in },
    _ body: (ContextService, ServiceFixture) async throws -> Void
) async throws {
    try await withService(
        { $0.behaviour.onOpen = onOpen },
        { $0.poolSizes = [.notebook: 1] }
    ) { fixture in
        var configuration = ContextService.Configuration()
        configure(&configuration)
        let contexts = ContextService(
            configuration: configuration,
            executions: fixture.service,
            languages: [Language(name: "python", displayName: "Python"), Language(name: "bash", displayName: "Bash")],
            logger: silentLogger
        )
        let running = Task { try await contexts.run() }
        let result: Result<Void, any Error>
        do { result = .success(try await body(contexts, fixture)) } catch { result = .failure(error) }
        running.cancel()
        try await running.value
        #expect(fixture.service.pool.contents.withLock { $0.taken.isEmpty }, "a sandbox was not given back")
        try result.get()
    }
}

/// What a cell told.
private final class Told: Sendable {
    private let events = Mutex<[CellEvent]>([])
    var all: [CellEvent] { events.withLock { $0 } }
    func note(_ event: CellEvent) { events.withLock { $0.append(event) } }
}

/// Why cells were refused when they were run.
private actor Refusals {
    var all: [ContextRefusal] = []

    func note(_ cell: AdmittedCell) async {
        // Anything else is missed by who counts them.
        do { _ = try await cell.run { _ in } } catch let refusal as ContextRefusal { all.append(refusal) } catch {}
    }
}

extension ContextService {
    fileprivate func run(
        _ code: String,
        in choice: ContextChoice = .defaultOf(language: ""),
        tenant: Tenant = .everyone
    ) async throws -> CellEnding {
        try await admit(Cell(code: code), to: choice, tenant: tenant).run { _ in }
    }
}

@Suite("Contexts")
struct ContextServiceTests {
    @Test("of one tenant are in one sandbox, of two in two")
    func sandboxes() async throws {
        let opened = Mutex<[SandboxID]>([])
        try await withContexts(opening: { sandbox, _, _ in
            opened.withLock { $0.append(sandbox.id) }
            return FakeKernel()
        }) { contexts, _ in
            _ = try await contexts.run("1")
            _ = try await contexts.create(language: "bash", directory: "/tmp", tenant: .everyone)
            _ = try await contexts.run("1", tenant: Tenant(name: "other"))
            let ids = opened.withLock { $0 }
            #expect(ids.count == 3 && ids[0] == ids[1] && ids[1] != ids[2])
            let listed = await contexts.list(.everyone)
            #expect(listed.map(\.language) == ["python", "bash"])
            #expect(listed.map(\.directory) == ["/home/user", "/tmp"])
            let foreign = try #require(listed.last?.id)
            await #expect(throws: ContextRefusal.unknownContext(id: foreign)) {
                try await contexts.run("1", in: .id(foreign), tenant: Tenant(name: "other"))
            }
        }
    }

    @Test("run one cell at a time, in the order in which they came")
    func order() async throws {
        let running = Atomic(0)
        let most = Atomic(0)
        let order = Mutex<[String]>([])
        try await withContexts(opening: { _, _, _ in
            FakeKernel { _, cell, _ in
                let now = running.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
                _ = most.max(now, ordering: .sequentiallyConsistent)
                order.withLock { $0.append(cell.code) }
                await Task.yield()
                running.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                return CellEnding()
            }
        }) { contexts, _ in
            var cells: [AdmittedCell] = []
            for index in 0..<20 {
                cells.append(
                    try await contexts.admit(Cell(code: "\(index)"), to: .defaultOf(language: ""), tenant: .everyone)
                )
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for cell in cells.shuffled() { group.addTask { _ = try await cell.run { _ in } } }
                try await group.waitForAll()
            }
            #expect(order.withLock { $0 } == (0..<20).map(String.init))
            #expect(most.load(ordering: .sequentiallyConsistent) == 1)
        }
    }

    @Test("that nobody runs or waits for give their place to the next")
    func abandoned() async throws {
        try await withContexts { contexts, _ in
            do { _ = try await contexts.admit(Cell(code: "1"), to: .id("default"), tenant: .everyone) }
            _ = try await contexts.run("2")
            let waiting = Task { try await contexts.run("3") }
            _ = try await waiting.value
        }
    }

    @Test("get a new interpreter after theirs died, and the next cell hears nothing of it")
    func deaths() async throws {
        let opened = Atomic(0)
        try await withContexts(opening: { _, _, _ in
            opened.wrappingAdd(1, ordering: .sequentiallyConsistent)
            return FakeKernel { _, cell, _ in CellEnding(death: cell.code == "die" ? .memoryLimit : nil) }
        }) { contexts, _ in
            let endings = [try await contexts.run("die"), try await contexts.run("live")]
            #expect(endings.map(\.death) == [.memoryLimit, nil])
            #expect(opened.load(ordering: .sequentiallyConsistent) == 2)
        }
    }

    @Test("are restarted in their directory; what ran ends, what waits goes on")
    func restart() async throws {
        let directories = Mutex<[String]>([])
        try await withContexts(opening: { _, _, directory in
            directories.withLock { $0.append(directory) }
            return FakeKernel { kernel, cell, _ in
                if cell.code == "wait" { await kernel.untilStopped() }
                return CellEnding(death: kernel.death)
            }
        }) { contexts, _ in
            let context = try await contexts.create(language: nil, directory: "/tmp/x", tenant: .everyone)
            let first = try await contexts.admit(Cell(code: "wait"), to: .id(context.id), tenant: .everyone)
            let told = Told()
            async let ending = first.run { told.note($0) }
            await eventually("the cell never began") { !told.all.isEmpty }
            async let next = contexts.run("next", in: .id(context.id))
            try await contexts.restart(context.id, tenant: .everyone)
            #expect(try await ending.death == .replaced)
            #expect(try await next.death == nil)
            #expect(directories.withLock { Set($0) } == ["/tmp/x"])
        }
    }

    @Test("that are deleted end what runs in them and refuse what waits")
    func deletion() async throws {
        try await withContexts(opening: { _, _, _ in
            FakeKernel { kernel, _, _ in
                await kernel.untilStopped()
                return CellEnding(death: kernel.death)
            }
        }) { contexts, _ in
            let context = try await contexts.create(language: nil, directory: nil, tenant: .everyone)
            let told = Told()
            let first = try await contexts.admit(Cell(code: "1"), to: .id(context.id), tenant: .everyone)
            async let ending = first.run { told.note($0) }
            await eventually("the cell never began") { !told.all.isEmpty }
            let second = try await contexts.admit(Cell(code: "2"), to: .id(context.id), tenant: .everyone)
            try await contexts.delete(context.id, tenant: .everyone)
            #expect(try await ending.death == .replaced)
            await #expect(throws: ContextRefusal.deleted(id: context.id)) { try await second.run { _ in } }
            await #expect(throws: ContextRefusal.unknownContext(id: context.id)) {
                try await contexts.run("3", in: .id(context.id))
            }
            #expect(await contexts.list(.everyone).map(\.id) == ["default"])
        }
    }

    @Test("that are deleted refuse what was admitted, also when there is one of that id again")
    func deletionOfDefault() async throws {
        try await withContexts { contexts, _ in
            func admit() async throws -> AdmittedCell {
                try await contexts.admit(Cell(code: "1"), to: .defaultOf(language: ""), tenant: .everyone)
            }
            let admitted = [try await admit(), try await admit()]
            try await contexts.delete("default", tenant: .everyone)
            let next = try await admit()
            let refusals = Refusals()
            // Not awaited: one that waits for ever is to fail the test, not to stop it.
            for cell in admitted { Task { await refusals.note(cell) } }
            await eventually("what was admitted waits for ever") { await refusals.all.count == 2 }
            #expect(await refusals.all.allSatisfy { $0 == .deleted(id: "default") })
            #expect(try await next.run { _ in }.death == nil)
        }
    }

    @Test("are refused by language, directory and number, and nothing of them is left")
    func refusals() async throws {
        try await withContexts(
            opening: { _, _, directory in
                if directory == "/nowhere" { throw KernelRefusal.directory("no such directory") }
                return FakeKernel()
            },
            configure: {
                $0.maxContexts = 2
            }
        ) { contexts, _ in
            await #expect(throws: ContextRefusal.unknownLanguage("cobol", known: ["python", "bash"])) {
                try await contexts.create(language: " Cobol ", directory: nil, tenant: .everyone)
            }
            await #expect(throws: ContextRefusal.badDirectory("no such directory")) {
                try await contexts.create(language: nil, directory: "/nowhere", tenant: .everyone)
            }
            #expect(await contexts.list(.everyone).count == 1)
            _ = try await contexts.create(language: nil, directory: nil, tenant: .everyone)
            _ = try await contexts.create(language: nil, directory: nil, tenant: .everyone)
            await #expect(throws: ContextRefusal.tooManyContexts(limit: 2)) {
                try await contexts.create(language: nil, directory: nil, tenant: .everyone)
            }
        }
    }

    @Test("go to another sandbox when theirs was lost")
    func lostSandbox() async throws {
        try await withContexts { contexts, fixture in
            _ = try await contexts.run("1")
            let first = try await contexts.sandbox(of: .everyone).id
            fixture.backend.killAll()
            _ = try await contexts.create(language: nil, directory: nil, tenant: .everyone)
            #expect(try await contexts.sandbox(of: .everyone).id != first)
        }
    }

    @Test("end when nobody used them for long, and their sandbox is frozen until somebody does")
    func idle() async throws {
        try await withContexts(
            opening: { _, _, _ in FakeKernel() },
            configure: {
                $0.idleTimeout = .seconds(2)
                $0.freezeAfter = .milliseconds(1)
            }
        ) { contexts, _ in
            let context = try await contexts.create(language: nil, directory: nil, tenant: .everyone)
            let tenants = contexts
            let sandbox = try #require(try await tenants.sandbox(of: .everyone) as? FakeSandbox)
            await eventually("it was never frozen") { sandbox.isFrozen }
            _ = try await contexts.run("1", in: .id(context.id))
            await eventually("it never ended") { await contexts.list(.everyone).map(\.id) == ["default"] }
            await eventually("it was not frozen again where no context is left") { sandbox.isFrozen }
        }
    }

    @Test("leave a sandbox that is frozen when nobody wants anything of it, with and without any of them")
    func freezing() async throws {
        try await withContexts { _, fixture in
            var configuration = ContextService.Configuration()
            configuration.idleTimeout = .seconds(1000)
            configuration.freezeAfter = .seconds(3000)
            let contexts = TenantContexts(
                configuration: configuration,
                pool: fixture.service.pool,
                metrics: fixture.metrics
            )
            let sandbox = try #require(try await contexts.sandbox() as? FakeSandbox)
            let wishes: [(what: String, wish: () async throws -> Void)] = [
                ("nothing", {}),
                ("files", { _ = try await contexts.sandbox() }),
                ("a default context without an interpreter", { try await contexts.interrupt("default") }),
                ("its end", { try await contexts.delete("default") }),
                ("a context", { _ = try await contexts.create(language: "python", directory: "/tmp") }),
            ]
            for (what, wish) in wishes {
                try await wish()
                await contexts.lookAfter(at: .now + .seconds(2900))
                #expect(!sandbox.isFrozen, "\(what)")
                // Ends what is idle, which has to run for that.
                await contexts.lookAfter(at: .now + .seconds(3100))
                await contexts.lookAfter(at: .now + .seconds(3100))
                #expect(sandbox.isFrozen, "\(what)")
            }
            await contexts.stop()
        }
    }

    @Test("of which the default one comes first, whenever it is used, and beside as many as there may be")
    func defaultContext() async throws {
        try await withContexts(configure: { $0.maxContexts = 2 }) { contexts, _ in
            let first = try await contexts.create(language: nil, directory: nil, tenant: .everyone)
            let second = try await contexts.create(language: nil, directory: nil, tenant: .everyone)
            let ids = ["default", first.id, second.id]
            #expect(await contexts.list(.everyone).map(\.id) == ids)
            _ = try await contexts.run("1")
            #expect(await contexts.list(.everyone).map(\.id) == ids)
            await #expect(throws: ContextRefusal.tooManyContexts(limit: 2)) {
                try await contexts.create(language: nil, directory: nil, tenant: .everyone)
            }
            try await contexts.delete("default", tenant: .everyone)
            _ = try await contexts.run("2")
            #expect(await contexts.list(.everyone).map(\.id) == ids)
        }
    }

    @Test("that find no sandbox tell clients to come back when the setting says, unless the backend knows better")
    func retryAfter() async throws {
        let cases: [(hint: Duration?, told: Duration)] = [(nil, .seconds(77)), (.seconds(3), .seconds(3))]
        for (hint, told) in cases {
            try await withService(
                { $0.onMake = { _, _ in throw SandboxError.unavailable("no room", retryAfter: hint) } },
                {
                    $0.poolSizes = [.notebook: 1]
                    $0.capacityRetryAfter = .seconds(77)
                    $0.sandboxTimeout = .milliseconds(500)
                }
            ) { fixture in
                let contexts = ContextService(
                    configuration: ContextService.Configuration(),
                    executions: fixture.service,
                    languages: [Language(name: "python", displayName: "Python")],
                    logger: silentLogger
                )
                let refusal = ContextRefusal.noCapacity(reason: "no room", retryAfter: told)
                await #expect(throws: refusal) {
                    try await contexts.create(language: nil, directory: nil, tenant: .everyone)
                }
                await #expect(throws: refusal) { try await contexts.run("1") }
                await #expect(throws: refusal) { try await contexts.sandbox(of: .everyone) }
            }
        }
    }

    @Test("of which the client goes away are interrupted")
    func cancellation() async throws {
        let kernels = Mutex<[FakeKernel]>([])
        try await withContexts(opening: { _, _, _ in
            let kernel = FakeKernel { kernel, _, _ in
                await kernel.untilStopped()
                return CellEnding(stop: kernel.stops.first)
            }
            kernels.withLock { $0.append(kernel) }
            return kernel
        }) { contexts, _ in
            let told = Told()
            let cell = try await contexts.admit(Cell(code: "1"), to: .defaultOf(language: ""), tenant: .everyone)
            let running = Task { try await cell.run { told.note($0) } }
            await eventually("the cell never began") { !told.all.isEmpty }
            running.cancel()
            #expect(try await running.value.stop == .abandoned)
            #expect(kernels.withLock { $0.count } == 1)
        }
    }
}
