import Execution
import Hummingbird
import NIOCore

/// GET /metrics.
struct MetricsRoute: Sendable {
    let executions: ExecutionMetrics
    let requests: RequestMetrics
    let version: String
    let start: ContinuousClock.Instant

    var routes: [Route] {
        [
            Route(.get, "/metrics") { _ in
                Response(
                    status: .ok,
                    headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                    body: ResponseBody(byteBuffer: text(uptime: ContinuousClock.now - start, process: .read()))
                )
            }
        ]
    }

    func text(uptime: Duration, process: ProcessMetrics) -> ByteBuffer {
        var text = PrometheusText()
        let snapshot = executions.snapshot()
        writeExecutions(snapshot, to: &text)
        writeHistograms(snapshot, to: &text)
        writePool(snapshot, to: &text)
        writeServer(uptime: uptime, process: process, to: &text)
        return text.buffer
    }

    private static let prefix = "code_interpreter_"

    private func writeExecutions(_ snapshot: ExecutionMetrics.Snapshot, to text: inout PrometheusText) {
        let active = Self.prefix + "executions_active"
        text.describe(active, .gauge, "Executions running now.")
        for operation in ExecutionOperation.allCases {
            text.sample(active, snapshot.active[operation] ?? 0, [("operation", operation.rawValue)])
        }
        text.describe(Self.prefix + "executions_limit", .gauge, "Executions that may run at once.")
        text.sample(Self.prefix + "executions_limit", snapshot.limit)

        let rejected = Self.prefix + "executions_rejected_total"
        text.describe(rejected, .counter, "Executions refused because there was no room.")
        for (rejection, count) in snapshot.rejected.sorted(by: { Self.order($0.key) < Self.order($1.key) }) {
            let labels = [
                ("operation", rejection.operation.rawValue), ("status", String(rejection.status)),
                ("reason", rejection.reason),
            ]
            text.sample(rejected, count, labels)
        }
        let completed = Self.prefix + "executions_completed_total"
        text.describe(completed, .counter, "Executions that ended, by how they did.")
        for (completion, count) in snapshot.completed.sorted(by: { Self.order($0.key) < Self.order($1.key) }) {
            text.sample(
                completed,
                count,
                [("operation", completion.operation.rawValue), ("outcome", completion.outcome)]
            )
        }
    }

    private func writeHistograms(_ snapshot: ExecutionMetrics.Snapshot, to text: inout PrometheusText) {
        let histograms = [
            ("admission_wait_seconds", "Time between a request and its sandbox.", snapshot.admissionWait),
            ("execution_duration_seconds", "Time between start and end of a program.", snapshot.duration),
        ]
        for (name, help, values) in histograms {
            text.describe(Self.prefix + name, .histogram, help)
            for operation in ExecutionOperation.allCases {
                guard let histogram = values[operation] else { continue }
                text.histogram(Self.prefix + name, [("operation", operation.rawValue)], histogram)
            }
        }
    }

    private func writePool(_ snapshot: ExecutionMetrics.Snapshot, to text: inout PrometheusText) {
        let pools: [(String, PrometheusText.Kind, String, [SandboxKind: Int])] = [
            ("pool_ready", .gauge, "Sandboxes waiting for an execution.", snapshot.poolReady),
            ("pool_hits_total", .counter, "Executions that found a sandbox waiting.", snapshot.poolHits),
            ("pool_misses_total", .counter, "Executions that had to wait for a sandbox.", snapshot.poolMisses),
        ]
        for (name, kind, help, values) in pools {
            text.describe(Self.prefix + name, kind, help)
            for sandbox in SandboxKind.allCases {
                text.sample(Self.prefix + name, values[sandbox] ?? 0, [("kind", sandbox.rawValue)])
            }
        }
    }

    private func writeServer(uptime: Duration, process: ProcessMetrics, to text: inout PrometheusText) {
        let requestsName = Self.prefix + "http_requests_total"
        text.describe(requestsName, .counter, "HTTP requests answered.")
        for (key, count) in requests.snapshot {
            let labels = [("route", key.route), ("method", key.method), ("status", String(key.status))]
            text.sample(requestsName, count, labels)
        }
        text.describe(Self.prefix + "info", .gauge, "The version of the server.")
        text.sample(Self.prefix + "info", 1, [("version", version)])
        text.describe(Self.prefix + "uptime_seconds", .gauge, "Time since the server started.")
        text.sample(Self.prefix + "uptime_seconds", Double(uptime.milliseconds) / 1000)

        let gauges = [
            ("process_resident_memory_bytes", "Resident memory of the server.", process.residentBytes),
            ("process_open_fds", "Open file descriptors of the server.", process.openFileDescriptors),
            ("process_threads", "Threads of the server.", process.threads),
        ]
        for (name, help, value) in gauges {
            guard let value else { continue }
            text.describe(name, .gauge, help)
            text.sample(name, value)
        }
    }

    private static func order(_ rejection: ExecutionMetrics.Rejection) -> (String, Int, String) {
        (rejection.operation.rawValue, rejection.status, rejection.reason)
    }

    private static func order(_ completion: ExecutionMetrics.Completion) -> (String, String) {
        (completion.operation.rawValue, completion.outcome)
    }
}
