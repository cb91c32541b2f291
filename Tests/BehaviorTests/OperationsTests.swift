import TestSupport
import Testing

extension OneShot {
    @Suite("Health, metrics and documents")
    struct Operations {
        @Test("health says ok and a version of at least 0.4.4")
        func health() async throws {
            let answer = try await TestServer.current.get("/health")
            #expect(answer.status == 200)
            let json = try answer.json
            #expect(json["status"] == "ok")
            #expect(json["message"] == .null)
            #expect(json["backend"]?.string == TestBackend.name)
            #expect(json["walls"] != nil)
            let version = try #require(json["version"]?.string)
            let parts = version.split(separator: ".").prefix(3).compactMap { Int($0.prefix { $0.isNumber }) }
            #expect(parts.count == 3, "\(version)")
            #expect(!parts.lexicographicallyPrecedes([0, 4, 4]), "\(version)")
        }

        @Test("ready answers 200 while sandboxes can be made")
        func ready() async throws {
            #expect(try await TestServer.current.get("/ready").status == 200)
        }

        @Test(
            "metrics are Prometheus text with the contract's names",
            arguments: [
                "code_interpreter_executions_active", "code_interpreter_executions_limit",
                "code_interpreter_executions_completed_total",
                "code_interpreter_admission_wait_seconds", "code_interpreter_execution_duration_seconds",
                "code_interpreter_executions_rejected_total",
            ]
        )
        func metricNames(name: String) async throws {
            let server = try TestServer.current
            _ = try await server.execute("pass")
            let answer = try await server.get("/metrics")
            #expect(answer.status == 200)
            #expect(answer.header("Content-Type")?.hasPrefix("text/plain") == true)
            #expect(answer.text.contains("# TYPE \(name) "))
            #expect(answer.text.hasSuffix("\n"))
        }

        @Test("metrics count executions by operation and outcome")
        func metricCounts() async throws {
            let server = try TestServer.current
            let name = "code_interpreter_executions_completed_total"
            func count(_ operation: String) async throws -> Double {
                try await server.metric(name, label: "operation=\"\(operation)\"") ?? 0
            }
            let before = try await (count("execute"), count("execute_stream"))
            _ = try await server.execute("pass")
            _ = try await server.stream(ExecuteRequest("pass")).collect()
            // Other tests of this suite count as well.
            #expect(try await count("execute") >= before.0 + 1)
            #expect(try await count("execute_stream") >= before.1 + 1)
            #expect(try await server.metric("code_interpreter_executions_limit") == 8)
            #expect(
                try await server.metric(
                    "code_interpreter_execution_duration_seconds_count",
                    label: "operation=\"execute\""
                ) ?? 0 >= 1
            )
        }

        @Test("every line of the metrics is a comment or a sample")
        func metricSyntax() async throws {
            let text = try await TestServer.current.get("/metrics").text
            for line in text.split(separator: "\n") where !line.hasPrefix("# ") {
                let isSample =
                    (try? /[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? [-+0-9.eEInfNa]+/.wholeMatch(in: line)) != nil
                #expect(isSample, "\(line)")
            }
        }

        @Test("the document pages need nothing from the internet", arguments: ["/docs", "/redoc"])
        func documents(path: String) async throws {
            let answer = try await TestServer.current.get(path)
            #expect(answer.status == 200)
            #expect(answer.header("Content-Type")?.hasPrefix("text/html") == true)
            for foreign in ["src=\"http", "src='http", "src=\"//", "@import", "url(http"] {
                #expect(!answer.text.contains(foreign))
            }
            #expect((try? /<link[^>]+href=.?(https?:|\/\/)/.firstMatch(in: answer.text)) == nil)
        }

        @Test("the OpenAPI document describes every route")
        func openAPI() async throws {
            let answer = try await TestServer.current.get("/openapi.json")
            #expect(answer.status == 200)
            #expect(answer.header("Content-Type")?.hasPrefix("application/json") == true)
            let json = try answer.json
            #expect(json["openapi"]?.string?.hasPrefix("3.") == true)
            let paths = try #require(json["paths"])
            #expect(paths["/v1/execute"]?["post"] != nil)
            #expect(paths["/v1/execute/stream"]?["post"] != nil)
            #expect(paths["/v1/files"]?["post"] != nil)
            #expect(paths["/v1/files"]?["get"] != nil)
            #expect(paths["/v1/files/{file_id}"]?["get"] != nil)
            #expect(paths["/v1/files/{file_id}"]?["delete"] != nil)
            #expect(paths["/health"]?["get"] != nil)
        }

        @Test(
            "a path that is none gives 404",
            arguments: ["/", "/v1", "/v1/execut", "/v1/execute/x", "/V1/execute", "/nothing/at/all"]
        )
        func notFound(path: String) async throws {
            let answer = try await TestServer.current.get(path)
            #expect(answer.status == 404)
            #expect(try answer.json == ["detail": "Not Found"])
        }

        @Test(
            "a method that is none gives 405 and says which are",
            arguments: [
                ("GET", "/v1/execute", "POST"), ("PUT", "/v1/execute", "POST"), ("GET", "/v1/execute/stream", "POST"),
                ("POST", "/health", "GET"),
                ("DELETE", "/v1/files", "GET"), ("PUT", "/v1/files/x", "GET"), ("POST", "/metrics", "GET"),
                ("PATCH", "/ready", "GET"),
            ]
        )
        func methodNotAllowed(method: String, path: String, allowed: String) async throws {
            let answer = try await TestServer.current.send(method, path)
            #expect(answer.status == 405)
            #expect(try answer.json == ["detail": "Method Not Allowed"])
            #expect(try #require(answer.header("Allow")).contains(allowed))
        }

        @Test("HEAD on a GET route gives 405", arguments: ["/health", "/ready", "/v1/files", "/metrics"])
        func head(path: String) async throws {
            let answer = try await TestServer.current.send("HEAD", path)
            #expect(answer.status == 405)
            #expect(answer.body.isEmpty)
        }

        @Test(
            "a trailing slash is redirected with 307",
            arguments: [
                ("POST", "/v1/execute/", "/v1/execute"), ("GET", "/v1/files/", "/v1/files"),
                ("GET", "/health/", "/health"), ("POST", "/v1/files/", "/v1/files"),
            ]
        )
        func trailingSlash(method: String, path: String, target: String) async throws {
            let answer = try await TestServer.current.send(method, path, body: method == "POST" ? [] : nil)
            #expect(answer.status == 307)
            #expect(try #require(answer.header("Location")).hasSuffix(target))
        }

        @Test("a query does not change the route, and a redirect keeps it")
        func query() async throws {
            let server = try TestServer.current
            #expect(try await server.get("/health?x=1").status == 200)
            #expect(try #require(try await server.get("/health/?x=1").header("Location")).hasSuffix("/health?x=1"))
        }
    }
}
