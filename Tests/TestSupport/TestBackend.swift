package import Testing

/// What makes the sandboxes of the servers under test: the suites of BehaviorTests and SecurityTests run over each of them from one source.
package enum TestBackend: Sendable, Equatable {
    case native
    /// A Docker Engine and the image of guests there.
    case docker(host: String, image: String)

    /// As CODE_INTERPRETER_TEST_BACKEND names it; `docker` needs CODE_INTERPRETER_TEST_DOCKER_HOST and CODE_INTERPRETER_TEST_DOCKER_IMAGE.
    package static let current: TestBackend = {
        guard let name = Host.environment("CODE_INTERPRETER_TEST_BACKEND"), name != "native" else { return .native }
        precondition(name == "docker", "CODE_INTERPRETER_TEST_BACKEND is native or docker")
        guard let host = Host.environment("CODE_INTERPRETER_TEST_DOCKER_HOST"),
            let image = Host.environment("CODE_INTERPRETER_TEST_DOCKER_IMAGE")
        else { preconditionFailure("docker needs CODE_INTERPRETER_TEST_DOCKER_HOST and …_IMAGE") }
        return .docker(host: host, image: image)
    }()

    package static var isNative: Bool { current == .native }

    /// As EXECUTOR_BACKEND has it.
    package static var name: String { isNative ? "native" : "docker" }

    /// What getcwd(2) says in the workspace of an execution: in containers /workspace is a symbolic link.
    package static var workingDirectory: String { isNative ? "/workspace" : "/home/user" }

    /// Settings of a server that uses it.
    var settings: [String: String] {
        switch self {
        case .native: [:]
        case .docker(let host, let image):
            [
                "EXECUTOR_BACKEND": "docker", "DOCKER_HOST": host, "PYTHON_EXECUTOR_DOCKER_IMAGE": image,
                "DOCKER_PULL": "false", "POOL_SIZE_BARE": "3", "POOL_SIZE_FULL": "2",
            ]
        }
    }
}

extension TestBackend {
    /// Ids of all containers that the server with that storage folder made, running or not.
    package static func containers(of owner: String) async -> [String] {
        guard case .docker(let host, _) = current, host.hasPrefix("unix://") else { return [] }
        let socket = host.dropFirst(7).utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let label = "code-interpreter.owner%3D\(owner)"
        let filter = "%7B%22label%22%3A%5B%22\(label)%22%5D%7D"
        let answer = try? await HTTP.send(
            "GET",
            "http+unix://\(socket)/v1.41/containers/json?all=1&filters=\(filter)",
            headers: [("Host", "docker")]
        )
        guard let answer, answer.status == 200, let list = try? answer.json.array else { return ["unknown: no answer"] }
        return list.compactMap { $0["Id"]?.string }
    }
}

extension Trait where Self == ConditionTrait {
    /// Says nothing about sandboxes that are containers; the reason stands in docs/ARCHITECTURE.md, "Two backends, one behaviour".
    package static func nativeOnly(_ reason: Comment) -> ConditionTrait {
        .enabled(if: TestBackend.isNative, reason)
    }
}
