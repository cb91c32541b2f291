import Settings
import Testing

@testable import code_interpreter

@Suite("The health command")
struct HealthProbeTests {
    @Test(
        "a server that listens everywhere is asked on loopback",
        arguments: [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.1", "192.0.2.1"), ("localhost", "localhost")]
    )
    func address(listening: String, asked: String) {
        var settings = Settings()
        settings.host = listening
        settings.port = 9001
        let probe = HealthProbe(settings)
        #expect(probe.host == asked)
        #expect(probe.port == 9001)
    }

    @Test("--url names another server")
    func urls() throws {
        let named = try HealthProbe(url: "http://box:8123/")
        #expect(named.host == "box" && named.port == 8123)
        let sixth = try HealthProbe(url: "http://[::1]:8000")
        #expect(sixth.host == "::1" && sixth.port == 8000)
    }

    @Test(
        "what is no URL of a server is refused",
        arguments: ["", "box:8000", "https://box", "http://", "http://box/path", "http://u@box"]
    )
    func notURLs(text: String) {
        #expect(throws: StartFailure.self) { try HealthProbe(url: text) }
    }

    @Test("only a server that can make sandboxes is well")
    func answers() {
        func trouble(_ status: String, _ body: String) -> String? {
            HealthProbe.trouble(in: "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\n\r\n\(body)")
        }
        #expect(trouble("200 OK", #"{"status":"ok","message":null,"walls":[]}"#) == nil)
        #expect(trouble("200 OK", #"{"status":"error","message":"no daemon"}"#) == "no daemon")
        #expect(trouble("200 OK", "<html>")?.contains("not that of") == true)
        #expect(trouble("404 Not Found", "{}")?.contains("404") == true)
        #expect(HealthProbe.trouble(in: "SSH-2.0-OpenSSH") == "this is no HTTP server")
        #expect(HealthProbe.trouble(in: "") == "this is no HTTP server")
    }

    @Test("nobody listening is a failure with one line")
    func nobody() async {
        await #expect(throws: StartFailure.self) {
            try await HealthProbe(url: "http://127.0.0.1:1").expectHealth(within: .seconds(4))
        }
    }
}
