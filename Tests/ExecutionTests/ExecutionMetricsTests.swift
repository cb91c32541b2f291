import Testing

@testable import Execution

@Suite("Metrics count what executions did")
struct ExecutionMetricsTests {
    @Test("a histogram counts a value in every bucket whose bound it does not exceed")
    func histogram() {
        var histogram = ExecutionMetrics.Histogram(bounds: [0.001, 0.1, 1])
        for duration in [Duration.milliseconds(1), .milliseconds(50), .milliseconds(100), .seconds(1), .seconds(5)] {
            histogram.observe(duration)
        }
        #expect(histogram.buckets == [1, 3, 4])
        #expect(histogram.count == 5)
        #expect(abs(histogram.sum - 6.151) < 0.000_001)
    }

    @Test("each operation is counted for itself; who left is no longer active")
    func counts() {
        let metrics = ExecutionMetrics()
        metrics.setLimit(16)
        metrics.lookUpReady { [.bare: 3] }
        metrics.admitted(.execute, after: .milliseconds(2))
        metrics.admitted(.executeStream, after: .zero)
        metrics.tookSandbox(.bare, wasReady: true)
        metrics.tookSandbox(.full, wasReady: false)
        metrics.completed(.execute, outcome: "success", after: .milliseconds(5))
        metrics.left(.execute)
        metrics.rejected(.sessionCreate, status: 503, reason: "no_capacity")
        let snapshot = metrics.snapshot()
        #expect(snapshot.limit == 16 && snapshot.poolReady == [.bare: 3])
        #expect(snapshot.active == [.execute: 0, .executeStream: 1])
        #expect(snapshot.admissionWait[.execute]?.count == 1 && snapshot.admissionWait[.executeStream]?.count == 1)
        #expect(snapshot.poolHits == [.bare: 1] && snapshot.poolMisses == [.full: 1])
        #expect(snapshot.completed == [.init(operation: .execute, outcome: "success"): 1])
        #expect(snapshot.rejected == [.init(operation: .sessionCreate, status: 503, reason: "no_capacity"): 1])
    }

    @Test(
        "every ending has its label",
        arguments: [
            (Outcome.Ending.exited(0), "success"), (.exited(1), "error"), (.signalled(11), "signal"),
            (.timedOut, "timeout"),
            (.cpuLimit, "cpu_limit"), (.memoryLimit, "memory_limit"), (.outputLimit, "output_limit"),
        ]
    )
    func labels(_ ending: Outcome.Ending, _ label: String) {
        #expect(Outcome(ending: ending, duration: .zero).metricsLabel == label)
    }
}
