import NIOCore
import Synchronization
import Testing

@testable import Execution

@Suite("The service survives what goes wrong", .timeLimit(.minutes(5)))
struct ExecutionServiceFailureTests {
    private static let success = Outcome(ending: .exited(0), duration: .zero)

    @Test("a full house makes wait, then refuses with 429, and counts it")
    func saturation() async throws {
        try await withService(
            { _ in },
            {
                $0.maxConcurrentExecutions = 2
                $0.queueTimeout = .milliseconds(30)
            }
        ) { fixture in
            let first = try await fixture.admit("1")
            let second = try await fixture.admit("2")
            await #expect(throws: ExecutionRefusal.saturated(retryAfter: .seconds(2))) {
                _ = try await fixture.admit("3")
            }
            let snapshot = fixture.metrics.snapshot()
            #expect(snapshot.active[.execute] == 2 && snapshot.limit == 2)
            #expect(snapshot.rejected == [.init(operation: .execute, status: 429, reason: "queue_timeout"): 1])
            _ = try await first.run { _, _ in }
            let third = try await fixture.admit("3")
            await second.abandon()
            await third.abandon()
            await third.abandon()
            await fixture.expectAllGivenBack()
        }
    }

    @Test("a queue that is full refuses at once")
    func fullQueue() async throws {
        try await withService(
            { _ in },
            {
                $0.maxConcurrentExecutions = 1
                $0.maxQueuedExecutions = 0
            }
        ) { fixture in
            let first = try await fixture.admit("1")
            await #expect(throws: ExecutionRefusal.saturated(retryAfter: .seconds(2))) {
                _ = try await fixture.admit("2")
            }
            #expect(
                fixture.metrics.snapshot().rejected == [
                    .init(operation: .execute, status: 429, reason: "queue_full"): 1
                ]
            )
            await first.abandon()
        }
    }

    @Test("a backend without room refuses with 503, its own hint, and counts it")
    func noCapacity() async throws {
        try await withService({ state in
            state.onMake = { _, _ in throw SandboxError.setup("no cgroups") }
        }) { fixture in
            let refusal = ExecutionRefusal.noCapacity(
                reason: "The sandbox could not be built: no cgroups",
                retryAfter: .seconds(10)
            )
            await #expect(throws: refusal) { _ = try await fixture.admit("1") }
            #expect(
                fixture.metrics.snapshot().rejected == [
                    .init(operation: .execute, status: 503, reason: "no_capacity"): 1
                ]
            )
            await fixture.expectAllGivenBack()
        }
    }

    @Test("a backend that knows no better has clients told what the setting says, one that does what it says")
    func retryAfter() async throws {
        let cases: [(hint: Duration?, told: Duration)] = [(nil, .seconds(77)), (.seconds(3), .seconds(3))]
        for (hint, told) in cases {
            try await withService(
                { state in state.onMake = { _, _ in throw SandboxError.unavailable("no room", retryAfter: hint) } },
                {
                    $0.capacityRetryAfter = .seconds(77)
                    $0.sandboxTimeout = .milliseconds(500)
                }
            ) { fixture in
                await #expect(throws: ExecutionRefusal.noCapacity(reason: "no room", retryAfter: told)) {
                    _ = try await fixture.admit("1")
                }
                await fixture.expectAllGivenBack()
            }
        }
    }

    @Test("a sandbox that has no room when files are staged tells clients what the setting says")
    func retryAfterStaging() async throws {
        try await withService(
            { state in
                state.behaviour.onStage = { _, _ in throw SandboxError.unavailable("no room", retryAfter: nil) }
            },
            { $0.capacityRetryAfter = .seconds(77) }
        ) { fixture in
            let id = try await fixture.files.add("a").id
            await #expect(throws: ExecutionRefusal.noCapacity(reason: "no room", retryAfter: .seconds(77))) {
                _ = try await fixture.admit("1", files: [("x", id)])
            }
            await fixture.expectAllGivenBack()
        }
    }

    @Test("100 requests at once all succeed")
    func burst() async throws {
        try await withService { fixture in
            let succeeded = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<100 {
                    group.addTask { (try? await fixture.admit("\(number)").run { _, _ in }) != nil }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(succeeded == 100)
            await fixture.expectAllGivenBack()
            let snapshot = fixture.metrics.snapshot()
            #expect(snapshot.completed == [.init(operation: .execute, outcome: "success"): 100])
            #expect(snapshot.admissionWait[.execute]?.count == 100 && snapshot.duration[.execute]?.count == 100)
            #expect((snapshot.poolHits[.bare] ?? 0) + (snapshot.poolMisses[.bare] ?? 0) == 100)
        }
    }

    @Test("a sandbox lost while files are staged is replaced, twice at most", arguments: 1...3)
    func lostWhileStaging(_ losses: Int) async throws {
        let attempts = Shared(0)
        try await withService({ state in
            state.behaviour.onStage = { sandbox, _ in
                guard
                    attempts.withLock({ attempts in
                        attempts += 1
                        return attempts
                    }) <= losses
                else { return }
                sandbox.die()
                throw SandboxError.lost("launcher died")
            }
        }) { fixture in
            let id = try await fixture.files.add("a").id
            if losses <= 2 {
                _ = try await fixture.admit("1", files: [("x", id)]).run { _, _ in }
            } else {
                await #expect(throws: ExecutionRefusal.noCapacity(reason: "launcher died", retryAfter: .seconds(10))) {
                    _ = try await fixture.admit("1", files: [("x", id)])
                }
            }
            await fixture.expectAllGivenBack()
        }
    }

    @Test("when the launcher dies, executions that have not begun move to new sandboxes, with their files")
    func launcherDies() async throws {
        let stagedInUsed = Shared<[Int]>([])
        try await withService({ state in
            state.behaviour.onRun = { sandbox, _ in
                stagedInUsed.withLock { $0.append(sandbox.staged.count) }
                return Self.success
            }
        }) { fixture in
            let id = try await fixture.files.add("a").id
            var admitted: [AdmittedExecution] = []
            for _ in 0..<5 { admitted.append(try await fixture.admit("1", files: [("x", id)])) }
            fixture.backend.killAll()
            for execution in admitted { _ = try await execution.run { _, _ in } }
            #expect(stagedInUsed.current == [1, 1, 1, 1, 1])
            await fixture.expectAllGivenBack()
        }
    }

    @Test("a program that had begun when its sandbox was lost is not run again")
    func lostWhileRunning() async throws {
        let runs = Shared(0)
        try await withService({ state in
            state.behaviour.onRun = { _, _ in
                runs.withLock { $0 += 1 }
                throw SandboxError.lost("launcher died")
            }
        }) { fixture in
            let admitted = try await fixture.admit("1")
            await #expect(throws: SandboxError.lost("launcher died")) { _ = try await admitted.run { _, _ in } }
            #expect(runs.current == 1)
            await fixture.expectAllGivenBack()
        }
    }

    @Test("a program that was not handed over when its sandbox was lost is given to another one")
    func lostBeforeRunning() async throws {
        let runs = Shared(0)
        try await withService({ state in
            state.behaviour.mayHaveStarted = false
            state.behaviour.onRun = { _, _ in
                let run = runs.withLock { runs in
                    runs += 1
                    return runs
                }
                if run <= 2 { throw SandboxError.lost("launcher died") }
                return Self.success
            }
        }) { fixture in
            _ = try await fixture.admit("1").run { _, _ in }
            #expect(runs.current == 3)
            await fixture.expectAllGivenBack()
        }
    }

    @Test("an execution nobody runs is given back when nobody holds it")
    func forgotten() async throws {
        try await withService { fixture in
            do { _ = try await fixture.admit("1") }
            await fixture.expectAllGivenBack()
        }
    }

    /// Where a request may be when its client goes away.
    enum Place: CaseIterable { case queue, pool, staging, running, storing }

    @Test("who is cancelled, wherever it is, gives everything back and leaves no file", arguments: Place.allCases)
    func cancellation(_ place: Place) async throws {
        let hasArrived = Latch()
        let block: @Sendable () async throws -> Void = {
            await hasArrived.open()
            try await Task.sleep(for: .seconds(600))
        }
        try await withService(
            { state in
                switch place {
                case .queue: break
                case .pool: state.onMake = { _, _ in try await block() }
                case .staging: state.behaviour.onStage = { _, _ in try await block() }
                case .running:
                    state.behaviour.onRun = { _, _ in
                        try await block()
                        return Self.success
                    }
                case .storing:
                    state.behaviour.produced = Dictionary(uniqueKeysWithValues: (0..<50).map { ("\($0)", [UInt8($0)]) })
                    state.behaviour.onRead = { _, path in
                        if path.string == "5" { withUnsafeCurrentTask { $0?.cancel() } }
                        try Task.checkCancellation()
                    }
                }
            },
            { if place == .queue { $0.maxConcurrentExecutions = 1 } }
        ) { fixture in
            let id = try await fixture.files.add("a").id
            let blocker = place == .queue ? try await fixture.admit("blocks") : nil
            let execution = Task { try await fixture.admit("1", files: [("x", id)]).run { _, _ in } }
            switch place {
            case .queue: await eventually("it queues") { fixture.service.gate.queued == 1 }
            case .storing: break
            default: await hasArrived.wait()
            }
            if place != .storing { execution.cancel() }
            await #expect(throws: CancellationError.self) { _ = try await execution.value }
            await blocker?.abandon()
            await fixture.expectAllGivenBack()
            #expect(try await fixture.files.files(of: .everyone).map(\.id) == [id])
            #expect(try blobNames(fixture.directory) == [id])
        }
    }

    @Test("when the service stops, who waits is refused and who runs ends by itself")
    func stopping() async throws {
        let canEnd = Latch()
        let results = Shared<[Task<ExecutionResult, any Error>]>([])
        try await withService(
            { state in
                state.behaviour.onRun = { _, _ in
                    await canEnd.wait()
                    return Self.success
                }
            },
            { $0.maxConcurrentExecutions = 1 }
        ) { fixture in
            let running = try await fixture.admit("runs")
            results.withLock { $0.append(Task { try await running.run { _, _ in } }) }
            results.withLock { $0.append(Task { try await fixture.admit("waits").run { _, _ in } }) }
            await eventually("it queues") { fixture.service.gate.queued == 1 }
            Task {
                await eventually("it stops") { fixture.service.pool.contents.withLock { $0.state.isStopped } }
                await canEnd.open()
            }
        }
        let tasks = results.current
        #expect(try await tasks[0].value.outcome == Self.success)
        await #expect(throws: ExecutionRefusal.stopping) { _ = try await tasks[1].value }
    }

    @Test("nothing is lost while the launcher dies again and again under 300 executions, some of them cancelled")
    func chaos() async throws {
        try await withRandomSeed { random in
            try await withService({ state in
                state.onMake = { number, _ in if number % 11 == 0 { throw SandboxError.lost("chaos") } }
                state.behaviour.onRun = { _, _ in
                    await Task.yield()
                    return Self.success
                }
                state.behaviour.produced = ["out": [1, 2, 3]]
            }) { fixture in
                let id = try await fixture.files.add("a").id
                var executions: [(task: Task<ExecutionResult, any Error>, isCancelled: Bool)] = []
                for number in 0..<300 {
                    let execution = Task { try await fixture.admit("1", files: [("x", id)]).run { _, _ in } }
                    let isCancelled = Int.random(in: 0..<6, using: &random) == 0
                    if isCancelled { execution.cancel() }
                    executions.append((execution, isCancelled))
                    if number % 40 == 0 { fixture.backend.killAll() }
                    await Task.yield()
                }
                var answered = 0
                for (execution, isCancelled) in executions {
                    do {
                        _ = try await execution.value
                        answered += 1
                    } catch {
                        #expect(isCancelled && error is CancellationError, "\(error)")
                    }
                }
                await fixture.expectAllGivenBack()
                #expect(try await fixture.files.files(of: .everyone).count == answered + 1)
                #expect(try blobNames(fixture.directory).count == answered + 1)
            }
        }
    }
}
