package import Execution
import Synchronization

/// A kernel whose cells are a closure: what it does with one is the test's business.
package final class FakeKernel: Kernel {
    package typealias Program = @Sendable (FakeKernel, Cell, @Sendable (CellEvent) -> Void) async -> CellEnding

    private struct State {
        var death: KernelDeath?
        var count = 0
        var stops: [CellEnding.Stop] = []
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let program: Program
    private let state = Mutex(State())

    /// Cells that say they have begun, and end, where there is no other program.
    package init(_ program: @escaping Program = { _, _, _ in CellEnding() }) { self.program = program }

    package var death: KernelDeath? { state.withLock { $0.death } }

    /// Who stopped its cells, in order.
    package var stops: [CellEnding.Stop] { state.withLock { $0.stops } }

    package func run(_ cell: Cell, events: @escaping @Sendable (CellEvent) -> Void) async -> CellEnding {
        if let death { return CellEnding(death: death) }
        let count = state.withLock { state in
            state.count += 1
            return state.count
        }
        events(.started(executionCount: count))
        let ending = await withTaskCancellationHandler {
            await program(self, cell, events)
        } onCancel: {
            interrupt(.abandoned)
        }
        if let death = ending.death { die(death) }
        return ending
    }

    package func interrupt(_ stop: CellEnding.Stop) {
        let waiter = state.withLock { state in
            state.stops.append(stop)
            return state.waiter.take()
        }
        waiter?.resume()
    }

    package func kill() {
        die(.replaced)
        interrupt(.interrupted)
    }

    package func die(_ death: KernelDeath) {
        state.withLock { if $0.death == nil { $0.death = death } }
    }

    /// Returns when somebody stops it, or has done so.
    package func untilStopped() async {
        await withCheckedContinuation { continuation in
            let isStopped = state.withLock { state in
                if !state.stops.isEmpty { return true }
                state.waiter = continuation
                return false
            }
            if isStopped { continuation.resume() }
        }
    }
}
