import TestSupport
import Testing

/// The second port, for clients that expect a notebook server where they look.
@Suite("The notebook port", .machine, .serialized)
struct NotebookPortTests {
    @Test("serves the same contexts, with the health that notebook clients know")
    func samePlace() async throws {
        let port = try TestServer.freePort()
        let server = try await TestServer.start(["NOTEBOOK_PORT": "\(port)"])
        let url = "http://127.0.0.1:\(port)"
        let health = try await HTTP.send("GET", url + "/health")
        #expect(health.status == 200 && health.text == "\"OK\"", "\(health.status) \(health.text)")
        #expect(try await server.get("/health").json["status"] == "ok")
        _ = try await server.cell(CellRequest("kept = 41"))
        let answer = try await HTTP.send(
            "POST",
            url + "/execute",
            headers: [("Content-Type", "application/json")],
            body: Array(#"{"code":"kept + 1"}"#.utf8)
        )
        #expect(answer.status == 200 && answer.text.contains(#""text":"42""#), "\(answer.text)")
        await server.stop()
        await #expect(throws: (any Error).self) { try await HTTP.send("GET", url + "/health") }
    }
}
