import Testing

@testable import Execution

@Suite("The admission gate lets in, makes wait and refuses", .timeLimit(.minutes(5)))
struct AdmissionGateTests {
    @Test("200 tasks go through 4 places, never more than 4 at once, and none is lost")
    func manyTasks() async throws {
        let gate = AdmissionGate(limit: 4, queueLimit: 1_000, queueTimeout: .seconds(60))
        let inside = Shared((now: 0, most: 0, total: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    try await gate.enter()
                    inside.withLock { count in
                        count.now += 1
                        count.total += 1
                        count.most = max(count.most, count.now)
                    }
                    await Task.yield()
                    inside.withLock { $0.now -= 1 }
                    gate.leave()
                }
            }
            try await group.waitForAll()
        }
        let counts = inside.withLock { $0 }
        #expect(counts.total == 200 && counts.most <= 4 && counts.now == 0)
        #expect(gate.running == 0 && gate.queued == 0)
    }

    @Test("who waits longer than the queue allows is refused, and takes no place")
    func timeout() async throws {
        let gate = AdmissionGate(limit: 1, queueLimit: 10, queueTimeout: .milliseconds(20))
        try await gate.enter()
        await #expect(throws: AdmissionGate.Refusal.queueTimeout) { try await gate.enter() }
        #expect(gate.queued == 0)
        gate.leave()
        try await gate.enter()
        gate.leave()
        #expect(gate.running == 0)
    }

    @Test("a queue time of zero refuses at once")
    func zeroTimeout() async throws {
        let gate = AdmissionGate(limit: 1, queueLimit: 10, queueTimeout: .zero)
        try await gate.enter()
        await #expect(throws: AdmissionGate.Refusal.queueTimeout) { try await gate.enter() }
    }

    @Test("a full queue refuses at once")
    func fullQueue() async throws {
        let gate = AdmissionGate(limit: 1, queueLimit: 0, queueTimeout: .seconds(60))
        try await gate.enter()
        await #expect(throws: AdmissionGate.Refusal.queueFull) { try await gate.enter() }
    }

    @Test("who is cancelled while waiting leaves the queue; who is cancelled before never enters it")
    func cancellation() async throws {
        let gate = AdmissionGate(limit: 1, queueLimit: 10, queueTimeout: .seconds(60))
        try await gate.enter()
        let waiting = Task { try await gate.enter() }
        await eventually("it queues") { gate.queued == 1 }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        #expect(gate.queued == 0)

        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await gate.enter()
        }
        await #expect(throws: CancellationError.self) { try await late.value }
        #expect(gate.queued == 0 && gate.running == 1)
    }

    @Test("stopping refuses who waits and who comes")
    func stopping() async throws {
        let gate = AdmissionGate(limit: 1, queueLimit: 10, queueTimeout: .seconds(60))
        try await gate.enter()
        let waiting = Task { try await gate.enter() }
        await eventually("it queues") { gate.queued == 1 }
        gate.stop()
        await #expect(throws: AdmissionGate.Refusal.stopping) { try await waiting.value }
        await #expect(throws: AdmissionGate.Refusal.stopping) { try await gate.enter() }
        gate.leave()
        await #expect(throws: AdmissionGate.Refusal.stopping) { try await gate.enter() }
    }

    @Test("places are neither lost nor doubled by random cancellations and time-outs")
    func randomCancellations() async throws {
        try await withRandomSeed { random in
            let gate = AdmissionGate(limit: 3, queueLimit: 50, queueTimeout: .milliseconds(5))
            let inside = Shared(0)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<2_000 {
                    let task = Task {
                        try await gate.enter()
                        let now = inside.withLock { count -> Int in
                            count += 1
                            return count
                        }
                        #expect(now <= 3)
                        await Task.yield()
                        inside.withLock { $0 -= 1 }
                        gate.leave()
                    }
                    if Bool.random(using: &random) {
                        for _ in 0..<Int.random(in: 0...3, using: &random) { await Task.yield() }
                        task.cancel()
                    }
                    group.addTask { _ = await task.result }
                }
            }
            #expect(gate.running == 0 && gate.queued == 0)
            try await gate.enter()
        }
    }
}
