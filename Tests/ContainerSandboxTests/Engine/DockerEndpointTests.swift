import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("Where the daemon is")
struct DockerEndpointTests {
    private func endpoint(_ host: String?, _ environment: [String: String] = [:]) throws -> DockerEndpoint.Address {
        try DockerEndpoint(dockerHost: host, environment: environment).address
    }

    @Test("reads the addresses of sockets and hosts")
    func addresses() throws {
        #expect(try endpoint("unix:///run/docker.sock") == .unix(path: "/run/docker.sock"))
        #expect(try endpoint("tcp://127.0.0.1:2375") == .tcp(host: "127.0.0.1", port: 2375))
        #expect(try endpoint("tcp://docker") == .tcp(host: "docker", port: 2375))
        #expect(try endpoint("http://docker:80/") == .tcp(host: "docker", port: 80))
        #expect(try endpoint("tcp://[::1]:99") == .tcp(host: "::1", port: 99))
        #expect(try endpoint("TCP://[::1]") == .tcp(host: "::1", port: 2375))
    }

    @Test("describes itself as DOCKER_HOST would be written", arguments: ["unix:///a/b", "tcp://h:1", "tcp://[::1]:1"])
    func description(text: String) throws {
        #expect(try DockerEndpoint(dockerHost: text, environment: [:]).description == text)
    }

    @Test(
        "refuses what it cannot speak to, with a cure",
        arguments: [
            ("ssh://user@host", "SSH"), ("https://host:2376", "TLS"), ("/run/docker.sock", "unix:///"),
            ("unix://relative.sock", "absolute"), ("npipe:////./pipe/docker", "tcp://"), ("tcp://host:99999", "65535"),
            ("tcp://host:", "65535"), ("tcp://", "tcp://host:port"), ("tcp://user@host:1", "tcp://host:port"),
            ("tcp://host:1/path", "tcp://host:port"), ("tcp://::1:5", "65535"),
            ("unix:///" + String(repeating: "a", count: 120), "107"),
        ]
    )
    func refusals(text: String, part: String) throws {
        let error = try #require(throws: EngineError.self) { try endpoint(text) }
        guard case .unsupported(let message) = error else { return #expect(Bool(false), "\(error)") }
        #expect(message.contains(part), "\(message)")
    }

    @Test("refuses TLS that the environment asks for, of hosts only")
    func tls() throws {
        let environment = ["DOCKER_TLS_VERIFY": "1"]
        #expect(throws: EngineError.self) { try endpoint("tcp://host:2376", environment) }
        #expect(try endpoint("tcp://host:2375", ["DOCKER_TLS_VERIFY": ""]) == .tcp(host: "host", port: 2375))
        #expect(try endpoint("unix:///a", environment) == .unix(path: "/a"))
    }

    @Test("without DOCKER_HOST takes the usual socket, or that of a rootless daemon where only that exists")
    func usual() throws {
        let folder = try TemporaryFolder("endpoint")
        defer { folder.remove() }
        #expect(try endpoint(nil, ["XDG_RUNTIME_DIR": folder.path]) == .unix(path: "/var/run/docker.sock"))
        try folder.file("docker.sock", "".utf8)
        let isUsual = Host.directory("/var/run").contains("docker.sock")
        let expected = isUsual ? "/var/run/docker.sock" : "\(folder.path)/docker.sock"
        #expect(try endpoint(nil, ["XDG_RUNTIME_DIR": folder.path]) == .unix(path: expected))
        #expect(try endpoint("", ["XDG_RUNTIME_DIR": folder.path]) == .unix(path: expected))
    }
}
