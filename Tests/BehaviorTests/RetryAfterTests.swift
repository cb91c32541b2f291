import TestSupport
import Testing

@Suite("Time to come back", .machine, .serialized)
struct RetryAfterTests {
    private static let requests = [
        ("/v1/execute", #"{"code":"1"}"#), ("/v1/execute/stream", #"{"code":"1"}"#), ("/contexts", "{}"),
        ("/execute", #"{"code":"1"}"#),
    ]

    @Test("where no sandbox can be made, clients hear the setting's")
    func noSandboxes() async throws {
        // An engine that is not there is on every machine.
        let server = try TestServer.launch([
            "EXECUTOR_BACKEND": "docker", "DOCKER_HOST": "unix:///nowhere/docker.sock",
            "CAPACITY_RETRY_AFTER_SEC": "77",
        ])
        let isListening = await eventually(within: .seconds(60)) { (try? await server.get("/health")) != nil }
        #expect(isListening, "\(server.logTail)")
        for (path, body) in Self.requests {
            let answer = try? await server.post(path, body)
            #expect(answer?.status == 503, "\(path): \(answer?.text ?? "no answer") \(server.logTail)")
            #expect(answer?.header("Retry-After") == "77", "\(path)")
        }
        await server.stop()
    }
}
