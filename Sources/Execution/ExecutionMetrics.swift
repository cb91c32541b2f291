import Synchronization

/// Counts of what executions did, to be rendered as Prometheus text by the API.
package final class ExecutionMetrics: Sendable {
    private struct State {
        var counts = Snapshot()
        var ready: @Sendable () -> [SandboxKind: Int] = { [:] }
    }

    private let state = Mutex(State())

    package init() {}

    /// Everything at one moment.
    package func snapshot() -> Snapshot {
        var (snapshot, ready) = state.withLock { ($0.counts, $0.ready) }
        snapshot.poolReady = ready()
        return snapshot
    }

    /// Counts something; called under a lock, so it may not call back.
    func record(_ change: (inout Snapshot) -> Void) { state.withLock { change(&$0.counts) } }

    /// Asked at each snapshot how many sandboxes wait ready.
    func lookUpReady(_ ready: @escaping @Sendable () -> [SandboxKind: Int]) { state.withLock { $0.ready = ready } }

    package struct Snapshot: Sendable {
        package var active: [ExecutionOperation: Int] = [:]
        package var limit = 0
        package var rejected: [Rejection: Int] = [:]
        package var completed: [Completion: Int] = [:]
        package var admissionWait: [ExecutionOperation: Histogram] = [:]
        package var duration: [ExecutionOperation: Histogram] = [:]
        /// Sandboxes waiting in the pool.
        package var poolReady: [SandboxKind: Int] = [:]
        /// Executions that found a sandbox waiting, and those that had to wait for one.
        package var poolHits: [SandboxKind: Int] = [:]
        package var poolMisses: [SandboxKind: Int] = [:]
        package init() {}
    }

    package struct Rejection: Hashable, Sendable {
        package var operation: ExecutionOperation
        /// The HTTP status the contract gives this reason.
        package var status: Int
        /// Such as `queue_timeout` or `no_capacity`.
        package var reason: String
        package init(operation: ExecutionOperation, status: Int, reason: String) {
            self.operation = operation
            self.status = status
            self.reason = reason
        }
    }

    package struct Completion: Hashable, Sendable {
        package var operation: ExecutionOperation
        /// `success`, `error` (exit code not 0), `timeout`, `cpu_limit`, `memory_limit`, `output_limit`, `signal`, `cancelled`, `failed`.
        package var outcome: String
        package init(operation: ExecutionOperation, outcome: String) {
            self.operation = operation
            self.outcome = outcome
        }
    }

    /// Cumulative counts by upper bound, as Prometheus wants them.
    package struct Histogram: Sendable, Equatable {
        /// Upper bounds in seconds, ascending; the last bucket, +Inf, is `count`.
        package var bounds: [Double]
        package var buckets: [Int]
        package var sum: Double
        package var count: Int
        package init(bounds: [Double]) {
            self.bounds = bounds
            self.buckets = Array(repeating: 0, count: bounds.count)
            self.sum = 0
            self.count = 0
        }
    }
}
