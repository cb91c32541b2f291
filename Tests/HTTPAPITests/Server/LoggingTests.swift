import Execution
import Logging
import NIOCore
import Synchronization
import Testing

@testable import HTTPAPI

@Suite struct LoggingTests {
    /// Keeps what was logged.
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])

        var all: [String] { lines.withLock(\.self) }

        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let merged = metadata.merging(event.metadata ?? [:]) { $1 }
            let pairs = merged.map { "\($0)=\($1)" }.sorted().joined(separator: " ")
            lines.add("\(event.level) \(event.message) \(pairs)")
        }
    }

    @Test("one line for an execution, and nothing of what a client sent or a program printed in any line")
    func logsNothingOfClients() async throws {
        let lines = Lines()
        try await TestAPI.with {
            $0.logger = Logger(label: "test") { _ in Handler(lines: lines) }
            $0.backend.program = { _, output in
                output(.stdout, ByteBuffer(string: "SECRET-output"))
                return Outcome(ending: .exited(3), duration: .zero)
            }
        } _: { api in
            let id = try #require(try await api.upload("SECRET-name", Array("SECRET-content".utf8)).field("file_id"))
            let code =
                #"{"code":"SECRET-code","stdin":"SECRET-input","files":[{"path":"SECRET-path","file_id":"\#(id)"}]}"#
            #expect(try await api.post("/v1/execute", code).status == 200)
            #expect(try await api.post("/v1/execute/stream", code).status == 200)
            #expect(try await api.post("/v1/execute", #"{"code":["SECRET-wrong"]}"#).status == 422)
            #expect(try await api.post("/v1/execute", #"{"code":"x","timeout_ms":9999999}"#).status == 422)
            let headers = ["X-SECRET: SECRET", "Authorization: SECRET"]
            #expect(try await api.request("GET", "/SECRET-path?SECRET", headers: headers).status == 404)
        }
        #expect(lines.all.filter { $0.lowercased().contains("secret") } == [])
        let executions = lines.all.filter { $0.hasPrefix("info execution ") }
        #expect(executions.count == 2)
        #expect(executions.first?.contains("exit_code=3") == true)
        #expect(executions.first?.contains("operation=execute outcome=exit") == true)
        #expect(executions.last?.contains("operation=execute_stream outcome=exit") == true)
        #expect(executions.allSatisfy { $0.contains("hb.request.id=") && $0.contains(" ms=") })
        #expect(lines.all.contains { $0.hasPrefix("debug request ") && $0.contains("route=/v1/execute status=200") })
    }
}
