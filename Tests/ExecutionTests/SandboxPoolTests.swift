import Logging
import NIOCore
import Synchronization
import Testing

@testable import Execution

@Suite("The pool gives sandboxes that live, and leaves none behind", .timeLimit(.minutes(5)))
struct SandboxPoolTests {
    /// Runs `body` beside a running pool, then stops the pool and expects that nothing is left.
    private func withPool(
        _ backend: FakeBackend,
        bare: Int = 4,
        _ change: (inout SandboxPool.State.Configuration) -> Void = { _ in },
        _ body: (SandboxPool) async throws -> Void
    ) async throws {
        var configuration = SandboxPool.State.Configuration()
        configuration.targets = [.bare: bare]
        configuration.patience = .seconds(30)
        change(&configuration)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let pool = SandboxPool(configuration: configuration, backend: backend, logger: logger)
        let running = Task { await pool.run() }
        let result: Result<Void, any Error>
        do { result = .success(try await body(pool)) } catch { result = .failure(error) }
        running.cancel()
        await running.value
        #expect(backend.living.isEmpty, "sandboxes are left after the pool stopped")
        try result.get()
    }

    @Test("a ready one is given without waiting, used ones are destroyed, and the shelf fills again")
    func refills() async throws {
        let backend = FakeBackend()
        try await withPool(backend) { pool in
            await eventually("it fills") { pool.ready(.bare) == 4 }
            let taken = try await pool.take(.bare)
            #expect(taken.wasReady)
            await eventually("it fills again") { pool.ready(.bare) == 4 }
            pool.discard(taken.sandbox)
            await eventually("it is destroyed") { backend.destroyed == 1 }
            #expect(backend.state.withLock { $0.mostMaking } <= 2)
        }
    }

    @Test("100 at once all get one, four in the making at a time")
    func burst() async throws {
        let backend = FakeBackend { $0.onMake = { _, _ in try await Task.sleep(for: .milliseconds(1)) } }
        try await withPool(backend) { pool in
            let ids = try await withThrowingTaskGroup(of: SandboxID.self) { group in
                for _ in 0..<100 {
                    group.addTask {
                        let taken = try await pool.take(.bare)
                        pool.discard(taken.sandbox)
                        return taken.sandbox.id
                    }
                }
                return try await group.reduce(into: Set<SandboxID>()) { $0.insert($1) }
            }
            #expect(ids.count == 100, "a sandbox was given twice")
            #expect(backend.state.withLock { $0.mostMaking } <= 4)
            #expect(backend.state.withLock { $0.mostDestroying } <= 4)
        }
    }

    @Test("the dead are not given, but destroyed and replaced")
    func deadAtTake() async throws {
        let backend = FakeBackend()
        try await withPool(backend) { pool in
            await eventually("it fills") { pool.ready(.bare) == 4 }
            backend.killAll()
            let taken = try await pool.take(.bare)
            #expect(taken.sandbox.isAlive)
            pool.discard(taken.sandbox)
            await eventually("it fills with living ones") {
                pool.ready(.bare) == 4 && backend.living.allSatisfy(\.isAlive)
            }
        }
    }

    @Test("the dead are found without anybody asking for one")
    func deadAtLook() async throws {
        let backend = FakeBackend()
        try await withPool(backend) { pool in
            await eventually("it fills") { pool.ready(.bare) == 4 }
            backend.killAll()
            await eventually("they are replaced") { backend.destroyed == 4 && pool.ready(.bare) == 4 }
            let allLive = backend.living.allSatisfy(\.isAlive)
            #expect(allLive)
        }
    }

    @Test("who waits outlasts a backend that fails for a while")
    func transientFailure() async throws {
        let backend = FakeBackend {
            $0.onMake = { number, _ in
                if number <= 5 { throw SandboxError.unavailable("restarting", retryAfter: .seconds(1)) }
            }
        }
        try await withPool(backend) { pool in
            let taken = try await pool.take(.bare)
            pool.discard(taken.sandbox)
        }
    }

    @Test("a backend that fails is asked ever more rarely, and who waits is told its reason")
    func lastingFailure() async throws {
        let backend = FakeBackend {
            $0.onMake = { _, _ in throw SandboxError.unavailable("no room", retryAfter: .seconds(7)) }
        }
        try await withPool(backend, { $0.patience = .milliseconds(300) }) { pool in
            await #expect(throws: SandboxPool.State.Refusal.noCapacity(reason: "no room", retryAfter: .seconds(7))) {
                _ = try await pool.take(.bare)
            }
            // 0, 50, 150, 350 ms … and at most two side by side in the beginning.
            #expect(backend.makes <= 8)
        }
    }

    @Test("a sandbox that takes too long is not waited for")
    func patience() async throws {
        let backend = FakeBackend { $0.onMake = { _, _ in try await Task.sleep(for: .seconds(60)) } }
        try await withPool(backend, { $0.patience = .milliseconds(20) }) { pool in
            await #expect(throws: SandboxPool.State.Refusal.self) { _ = try await pool.take(.bare) }
        }
    }

    @Test("who is cancelled stops waiting, and its sandbox goes to the next or the shelf")
    func cancellation() async throws {
        let latch = Latch()
        let backend = FakeBackend { $0.onMake = { _, _ in await latch.wait() } }
        try await withPool(backend, bare: 1) { pool in
            let waiting = Task { try await pool.take(.bare) }
            await eventually("it waits") { backend.makes > 0 && pool.contents.withLock { $0.waiting.count } == 1 }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { _ = try await waiting.value }
            await latch.open()
            await eventually("it is kept") { pool.ready(.bare) > 0 }
        }
    }

    @Test("stopping refuses who waits, cancels what is in the making, and waits for what is in use")
    func stopping() async throws {
        let backend = FakeBackend {
            $0.onMake = { number, _ in if number > 4 { try await Task.sleep(for: .seconds(60)) } }
        }
        let waiting = Shared<[Task<SandboxPool.Taken, any Error>]>([])
        try await withPool(backend) { pool in
            await eventually("it fills") { pool.ready(.bare) == 4 }
            var taken: [SandboxPool.Taken] = []
            for _ in 0..<4 { taken.append(try await pool.take(.bare)) }
            waiting.withLock { $0 = (0..<3).map { _ in Task { try await pool.take(.bare) } } }
            await eventually("they wait") { pool.contents.withLock { $0.waiting.count } == 3 }
            let inUse = taken
            // Still in use when the pool stops, and given back then.
            Task {
                await eventually("it stops") { pool.contents.withLock { $0.state.isStopped } }
                for one in inUse { pool.discard(one.sandbox) }
            }
        }
        for task in waiting.withLock({ $0 }) {
            await #expect(throws: SandboxPool.State.Refusal.stopping) { _ = try await task.value }
        }
        #expect(backend.destroyed == 4)
    }

    @Test("destroying is never cancelled, not even when the pool stops meanwhile")
    func destroyingIsNotCancelled() async throws {
        let begun = Latch()
        let wasCancelled = Shared(false)
        let stopping = Latch()
        let backend = FakeBackend {
            $0.behaviour.onDestroy = {
                await begun.open()
                await stopping.wait()
                wasCancelled.withLock { $0 = $0 || Task.isCancelled }
            }
        }
        try await withPool(backend) { pool in
            await eventually("it fills") { pool.ready(.bare) == 4 }
            pool.discard(try await pool.take(.bare).sandbox)
            await begun.wait()
            Task {
                await eventually("it stops") { pool.contents.withLock { $0.state.isStopped } }
                await stopping.open()
            }
        }
        #expect(!wasCancelled.current)
    }

    @Test("a sandbox nobody gives back is destroyed under its user when the grace is over")
    func stoppingWithoutReturn() async throws {
        let backend = FakeBackend()
        try await withPool(backend, bare: 1) { pool in
            let taken = try await pool.take(.bare)
            await eventually("it fills again") { pool.ready(.bare) == 1 }
            #expect(taken.sandbox.isAlive)
        }
    }

    @Test("nothing is lost or used twice while sandboxes die, makes fail and takers are cancelled")
    func chaos() async throws {
        try await withRandomSeed { random in
            let backend = FakeBackend {
                $0.onMake = { number, _ in
                    if number % 7 == 0 { throw SandboxError.lost("chaos") }
                    await Task.yield()
                }
            }
            var takers: [Task<Void, Never>] = []
            try await withPool(
                backend,
                {
                    $0.shortestPause = .milliseconds(1); $0.longestPause = .milliseconds(4)
                }
            ) { pool in
                for number in 0..<500 {
                    let taker = Task {
                        guard let taken = try? await pool.take(.bare) else { return }
                        await Task.yield()
                        pool.discard(taken.sandbox)
                    }
                    takers.append(taker)
                    if Int.random(in: 0..<5, using: &random) == 0 { taker.cancel() }
                    if number % 50 == 0 { backend.killAll() }
                    if number % 10 == 0 { await Task.yield() }
                }
                for taker in takers { await taker.value }
                #expect(pool.contents.withLock { $0.taken.isEmpty && $0.waiting.isEmpty })
                await eventually("it recovers") { pool.ready(.bare) >= 4 }
            }
            let (makes, living, destroyed) = backend.state.withLock { ($0.makes, $0.living.count, $0.destroyed) }
            #expect(living == 0 && destroyed <= makes)
        }
    }
}
