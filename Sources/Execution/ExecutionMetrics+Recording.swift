// MARK: - What the service records
extension ExecutionMetrics {
    func setLimit(_ limit: Int) { record { $0.limit = limit } }

    /// Somebody got a place after waiting for it so long.
    func admitted(_ operation: ExecutionOperation, after wait: Duration) {
        record { counts in
            counts.active[operation, default: 0] += 1
            counts.admissionWait[operation, default: .ofSeconds()].observe(wait)
        }
    }

    /// The place was given back.
    func left(_ operation: ExecutionOperation) { record { $0.active[operation, default: 0] -= 1 } }

    func tookSandbox(_ kind: SandboxKind, wasReady: Bool) {
        record { counts in
            if wasReady {
                counts.poolHits[kind, default: 0] += 1
            } else {
                counts.poolMisses[kind, default: 0] += 1
            }
        }
    }

    /// Somebody was turned away for want of room. The status is the one the contract gives the reason.
    func rejected(_ operation: ExecutionOperation, status: Int, reason: String) {
        record { $0.rejected[Rejection(operation: operation, status: status, reason: reason), default: 0] += 1 }
    }

    func completed(_ operation: ExecutionOperation, outcome: String, after duration: Duration) {
        record { counts in
            counts.completed[Completion(operation: operation, outcome: outcome), default: 0] += 1
            counts.duration[operation, default: .ofSeconds()].observe(duration)
        }
    }
}

extension ExecutionMetrics.Histogram {
    /// From half a millisecond, a pool hit, to two minutes, beyond the longest time-out.
    fileprivate static func ofSeconds() -> ExecutionMetrics.Histogram {
        ExecutionMetrics.Histogram(bounds: [
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
        ])
    }

    /// Counts one value in every bucket whose bound is not below it.
    mutating func observe(_ duration: Duration) {
        let seconds = duration / .seconds(1)
        for index in bounds.indices where seconds <= bounds[index] { buckets[index] += 1 }
        sum += seconds
        count += 1
    }
}

extension Outcome {
    /// What metrics call it.
    var metricsLabel: String {
        switch ending {
        case .exited(0): "success"
        case .exited: "error"
        case .signalled: "signal"
        case .timedOut: "timeout"
        case .cpuLimit: "cpu_limit"
        case .memoryLimit: "memory_limit"
        case .outputLimit: "output_limit"
        }
    }
}
