import Execution
import FoundationEssentials
import HTTPTypes
import NIOCore
import Testing

@testable import HTTPAPI

@Suite struct OperationsTests {
    @Test("health tells version, backend and walls") func tellsHealth() async throws {
        try await TestAPI.with {
            $0.http.warnings = ["open \"door\""]
            $0.backend.status = BackendStatus(
                isReady: true,
                walls: [
                    .init(name: "seccomp", isStanding: true, detail: "312 rules"),
                    .init(name: "cgroup", isStanding: false, detail: "none"),
                ],
                reducedModes: ["without-cgroups"]
            )
        } _: { api in
            let response = try await api.request("GET", "/health")
            #expect(response.status == 200)
            #expect(
                response.text == #"{"status":"ok","message":null,"version":"1.2.3","backend":"native","walls":["#
                    + #"{"name":"seccomp","standing":true,"detail":"312 rules"},{"name":"cgroup","standing":false,"detail":"none"}],"#
                    + #""reduced_modes":["without-cgroups"],"warnings":["open \"door\""]}"#
            )
            let ready = try await api.request("GET", "/ready")
            #expect(ready.status == 200)
            #expect(ready.text == #"{"status":"ok","message":null}"#)
        }
    }

    @Test("a backend that is not ready: health says so with 200, ready with 503 and Retry-After")
    func tellsTrouble() async throws {
        try await TestAPI.with {
            $0.http.capacityRetryAfter = .seconds(7)
            $0.backend.status = BackendStatus(isReady: false, message: "no \"launcher\"")
        } _: { api in
            let health = try await api.request("GET", "/health")
            #expect(health.status == 200)
            #expect(health.text.hasPrefix(#"{"status":"error","message":"no \"launcher\"","version""#))
            #expect(health["retry-after"] == nil)
            let ready = try await api.request("GET", "/ready")
            #expect(ready.status == 503)
            #expect(ready["retry-after"] == "7")
        }
    }

    @Test("metrics count executions and requests") func tellsMetrics() async throws {
        try await TestAPI.with { api in
            _ = try await api.post("/v1/execute", #"{"code":"x"}"#)
            _ = try await api.post("/v1/execute", "{}")
            _ = try await api.request("GET", "/nowhere/\"\n".replacing("\n", with: ""))
            let response = try await api.request("GET", "/metrics")
            #expect(response["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            let lines = Set(response.text.split(separator: "\n").map(String.init))
            for line in [
                #"code_interpreter_executions_active{operation="execute"} 0"#, "code_interpreter_executions_limit 16",
                #"code_interpreter_executions_completed_total{operation="execute",outcome="success"} 1"#,
                #"code_interpreter_http_requests_total{route="/v1/execute",method="POST",status="200"} 1"#,
                #"code_interpreter_http_requests_total{route="/v1/execute",method="POST",status="422"} 1"#,
                #"code_interpreter_http_requests_total{route="unmatched",method="GET",status="404"} 1"#,
                #"code_interpreter_execution_duration_seconds_count{operation="execute"} 1"#,
                #"code_interpreter_info{version="1.2.3"} 1"#,
                "# TYPE code_interpreter_executions_completed_total counter",
            ] {
                #expect(lines.contains(line), "\(line)")
            }
            for name in ["process_resident_memory_bytes", "process_open_fds", "code_interpreter_uptime_seconds"] {
                let value = lines.first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) }
                #expect((value ?? -1) >= 0, "\(name)")
            }
        }
    }

    @Test("every line of the metrics has the form Prometheus wants") func metricsAreWellFormed() {
        var text = PrometheusText()
        text.describe("a_total", .counter, "Help.")
        text.sample("a_total", 1, [("label", "quote \" slash \\ line \n end")])
        var histogram = ExecutionMetrics.Histogram(bounds: [0.5, 1])
        (histogram.buckets, histogram.sum, histogram.count) = ([1, 2], 3.25, 3)
        text.histogram("h", [("operation", "execute")], histogram)
        #expect(
            String(buffer: text.buffer) == """
                # HELP a_total Help.
                # TYPE a_total counter
                a_total{label="quote \\" slash \\\\ line \\n end"} 1
                h_bucket{operation="execute",le="0.5"} 1
                h_bucket{operation="execute",le="1.0"} 2
                h_bucket{operation="execute",le="+Inf"} 3
                h_sum{operation="execute"} 3.25
                h_count{operation="execute"} 3

                """
        )
    }

    @Test("the document is JSON, its references lead somewhere, and it has every route of the API")
    func documentIsWhole() async throws {
        struct Document: Decodable {
            struct Components: Decodable {
                var schemas: [String: Anything]
                var responses: [String: Anything]
            }
            var openapi: String
            var paths: [String: [String: Anything]]
            var components: Components
        }
        var configuration = TestServer.configuration()
        configuration.authenticator = Authenticator(.claim)
        let text = OpenAPIDocument.text(configuration: configuration)
        let document = try JSONDecoder().decode(Document.self, from: Data(text.utf8))
        #expect(document.openapi == "3.1.0")
        for reference in text.matches(of: /"\$ref": "#\/components\/(\w+)\/(\w+)"/) {
            let names = reference.1 == "schemas" ? document.components.schemas : document.components.responses
            #expect(names[String(reference.2)] != nil, "\(reference.0)")
        }
        let described = Set(document.paths.flatMap { path, methods in methods.keys.map { "\($0) \(path)" } })
            .filter { !$0.hasPrefix("parameters ") }
        try await TestAPI.with { [configuration] in
            $0.http.authenticator = configuration.authenticator
        } _: { api in
            let pages: Set<String> = [
                "get /openapi.json", "get /docs", "get /redoc", "get \(DocsPage.scriptPath)",
                "get \(DocsPage.stylePath)",
            ]
            let served = api.routes.map { "\($0.method.rawValue.lowercased()) " + $0.path.replacing("...}", with: "}") }
            #expect(Set(served) == described.union(pages))
        }
    }

    @Test("the pages and what they load come from us alone") func servesPages() async throws {
        try await TestAPI.with { api in
            for path in ["/docs", "/redoc", DocsPage.scriptPath, DocsPage.stylePath, "/openapi.json"] {
                let response = try await api.request("GET", path)
                #expect(response.status == 200, "\(path)")
                #expect(!response.text.contains("http://") && !response.text.contains("https://"), "\(path)")
                #expect(response["x-content-type-options"] == "nosniff", "\(path)")
                let policy = response["content-security-policy"]
                #expect(policy?.hasPrefix("default-src 'none'") == (path == "/docs" || path == "/redoc" ? true : nil))
            }
        }
    }

    @Test("the page knows every place of a parameter and every type of a body that the document has")
    func pageKnowsTheDocument() {
        let text = OpenAPIDocument.text(configuration: TestServer.configuration())
        let places = Set(text.matches(of: /"name": "\w+", "in": "(\w+)"/).map { String($0.1) })
        #expect(places == ["path", "query"])
        #expect(DocsPage.script.contains("parameter.in === 'query'"))
        let types = Set(
            text.matches(of: /"requestBody": \{"required": true, "content": \{"([^"]+)"/).map { String($0.1) }
        )
        #expect(types == ["application/json", "multipart/form-data", "application/octet-stream"])
        for type in types { #expect(DocsPage.script.contains("contents['\(type)']"), "\(type)") }
    }

    @Test("memory and threads are read from the kernel's text") func readsProcessStatus() {
        let status = "Name:\tx\nVmRSS:\t   21340 kB\nThreads:\t7\n"
        #expect(ProcessMetrics.value("VmRSS", in: status) == 21340)
        #expect(ProcessMetrics.value("Threads", in: status) == 7)
        #expect(ProcessMetrics.value("VmSwap", in: status) == nil)
    }

    /// Any JSON value; only its presence counts.
    private struct Anything: Decodable {
        init(from decoder: any Decoder) throws {}
    }
}
