import Logging
import Synchronization

// MARK: - Keeping it filled
extension SandboxPool {
    /// How often the ready ones are asked whether they live.
    private static var lookInterval: Duration { .seconds(1) }
    /// How long a shutdown waits for executions to end by themselves.
    private static var shutdownGrace: Duration { .seconds(5) }

    /// Makes and destroys sandboxes until the task is cancelled; then destroys all of them, those still in use after a grace.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.lookForDead() }
            var alarm: ContinuousClock.Instant?
            while !Task.isCancelled {
                startMakes(in: &group)
                startDestroys(in: &group)
                ring(afterRest: &alarm, in: &group)
                await doorbell.listen()
            }
            stop()
        }
        // Unstructured only because cleaning up is not cancellable and this task is cancelled; it is awaited right here.
        await Task { await self.destroyEverything() }.value
    }

    /// Has the bell rung when the rest ends, once for each end.
    private func ring(afterRest alarm: inout ContinuousClock.Instant?, in group: inout DiscardingTaskGroup) {
        let end = contents.withLock { $0.state.restsUntil }
        guard let end, end > .now, end != alarm else { return }
        alarm = end
        group.addTask {
            // Only cancellation ends this early, and that rings by itself.
            try? await Task.sleep(until: end, clock: .continuous)
            self.doorbell.ring()
        }
    }

    private func startMakes(in group: inout DiscardingTaskGroup) {
        let kinds = contents.withLock { $0.state.startMakes(at: .now) }
        for kind in kinds {
            group.addTask { await self.make(kind) }
        }
    }

    private func startDestroys(in group: inout DiscardingTaskGroup) {
        let sandboxes = contents.withLock { $0.state.startDestroys(at: .now) }
        for sandbox in sandboxes {
            group.addTask { await self.destroy(sandbox) }
        }
    }

    private func destroy(_ sandbox: any Sandbox) async {
        // Unstructured only because cleaning up is not cancellable and the pool's task may be; it is awaited right here.
        await Task { await sandbox.destroy() }.value
        contents.withLock { $0.state.destroyed() }
        doorbell.ring()
    }

    private func make(_ kind: SandboxKind) async {
        do {
            finish(try await backend.makeSandbox(kind), kind: kind)
        } catch {
            let pause = fail(kind, error)
            doorbell.ring()
            guard let pause else { return }
            // Only cancellation ends this early, and then nothing is made any more.
            try? await Task.sleep(for: pause)
        }
        doorbell.ring()
    }

    private func finish(_ sandbox: any Sandbox, kind: SandboxKind) {
        let receiver = contents.withLock { contents -> CheckedContinuation<any Sandbox, any Error>? in
            guard case .given(let ticket) = contents.state.made(sandbox, kind: kind) else { return nil }
            contents.taken[sandbox.id] = sandbox
            return contents.waiting.removeValue(forKey: ticket)
        }
        receiver?.resume(returning: sandbox)
    }

    /// Returns how long to rest before the next attempt; nil when the make was only cancelled.
    private func fail(_ kind: SandboxKind, _ error: any Error) -> Duration? {
        if Task.isCancelled {
            contents.withLock { $0.state.makeCancelled(kind) }
            return nil
        }
        let refusal = Self.refusal(error)
        let (failed, refused) = contents.withLock { contents in
            let failed = contents.state.makeFailed(kind, isSetup: Self.isSetup(error), refusal: refusal, at: .now)
            return (failed, failed.refused.compactMap { contents.waiting.removeValue(forKey: $0) })
        }
        logger.warning(
            "No sandbox could be made.",
            metadata: ["kind": "\(kind.rawValue)", "error": "\(error)", "pause": "\(failed.pause)"]
        )
        for waiter in refused { waiter.resume(throwing: failed.refusal) }
        // What killed this one may have killed the ready ones too.
        dropDead()
        return failed.pause
    }

    private static func isSetup(_ error: any Error) -> Bool {
        guard case SandboxError.setup = error else { return false }
        return true
    }

    private static func refusal(_ error: any Error) -> State.Refusal {
        guard case SandboxError.unavailable(let reason, let retryAfter) = error else {
            return .noCapacity(reason: "\(error)", retryAfter: nil)
        }
        return .noCapacity(reason: reason, retryAfter: retryAfter)
    }
}

// MARK: - The dead
extension SandboxPool {
    private func lookForDead() async {
        while !Task.isCancelled {
            // Throws only on cancellation, which the loop sees.
            try? await Task.sleep(for: Self.lookInterval)
            if dropDead() > 0 { doorbell.ring() }
        }
    }

    /// Takes dead sandboxes off the shelves, to be destroyed and replaced.
    @discardableResult
    private func dropDead() -> Int {
        let ready = contents.withLock { $0.state.shelves.values.flatMap(\.ready) }
        // Asked outside the lock: it is not our code.
        let dead = Set(ready.filter { !$0.isAlive }.map(\.id))
        if dead.isEmpty { return 0 }
        let dropped = contents.withLock { $0.state.dropReady { dead.contains($0.id) } }
        logger.notice("Sandboxes died before they were used.", metadata: ["count": "\(dropped)"])
        return dropped
    }
}

// MARK: - The end
extension SandboxPool {
    private func stop() {
        let refused = contents.withLock { contents in
            contents.state.stop().compactMap { contents.waiting.removeValue(forKey: $0) }
        }
        for waiter in refused { waiter.resume(throwing: State.Refusal.stopping) }
    }

    private func destroyEverything() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.destroyTaken(after: Self.shutdownGrace) }
            while !contents.withLock({ $0.state.isDrained }) {
                startDestroys(in: &group)
                await doorbell.listen()
            }
            group.cancelAll()
        }
    }

    /// The shutdown does not wait for ever for executions that do not end: their sandboxes go away under them.
    private func destroyTaken(after grace: Duration) async {
        do { try await Task.sleep(for: grace) } catch { return }
        contents.withLock { contents in
            for sandbox in contents.taken.values { contents.state.discard(sandbox, at: .now) }
            contents.taken.removeAll()
        }
        doorbell.ring()
    }
}
