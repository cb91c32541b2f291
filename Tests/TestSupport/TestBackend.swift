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
    package var settings: [String: String] {
        switch self {
        case .native: [:]
        case .docker(let host, let image):
            [
                "EXECUTOR_BACKEND": "docker", "DOCKER_HOST": host, "PYTHON_EXECUTOR_DOCKER_IMAGE": image,
                "DOCKER_PULL": "false", "DOCKER_RUNTIME": "runc", "POOL_SIZE_BARE": "3", "POOL_SIZE_FULL": "2",
            ]
        }
    }
}

extension TestBackend {
    /// Ids of all containers that the server with that storage folder made, running or not, or those that run.
    package static func containers(of owner: String, running: Bool = false) async -> [String] {
        if isNative { return [] }
        let label = "code-interpreter.owner%3D\(owner)"
        let filter = "%7B%22label%22%3A%5B%22\(label)%22%5D%7D"
        let answer = try? await engine("GET", "/containers/json?all=\(running ? 0 : 1)&filters=\(filter)")
        guard let answer, answer.status == 200, let list = try? answer.json.array else { return ["unknown: no answer"] }
        return list.compactMap { $0["Id"]?.string }
    }

    /// Makes and starts a container as if a server had, whose guest does not end with its input.
    ///
    /// - Returns: its id.
    package static func leaveContainer(labels: [String: String]) async throws -> String {
        guard case .docker(_, let image) = current else { throw NoEngine() }
        let body: JSON = [
            "Image": .string(image), "Entrypoint": ["sleep", "600"], "Cmd": [],
            "Labels": .object(labels.mapValues { .string($0) }),
            "HostConfig": ["NetworkMode": "none", "Runtime": "runc"],
        ]
        let made = try await engine("POST", "/containers/create", body)
        guard made.status == 201, let id = try made.json["Id"]?.string else {
            throw UnexpectedAnswer(answer: made, log: "")
        }
        let started = try await engine("POST", "/containers/\(id)/start")
        guard started.status == 204 else { throw UnexpectedAnswer(answer: started, log: "") }
        return id
    }

    /// Removes a container, running or not.
    package static func removeContainer(_ id: String) async {
        _ = try? await engine("DELETE", "/containers/\(id)?force=1")
    }

    /// There is no engine, or it is not reached over a Unix socket.
    package struct NoEngine: Error {
        package init() {}
    }

    private static func engine(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> HTTPAnswer {
        guard case .docker(let host, _) = current, host.hasPrefix("unix://") else { throw NoEngine() }
        let socket = host.dropFirst(7).utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return try await HTTP.send(
            method,
            "http+unix://\(socket)/v1.41\(path)",
            headers: [("Host", "docker"), ("Content-Type", "application/json")],
            body: body.map { Array($0.description.utf8) }
        )
    }
}

extension Trait where Self == ConditionTrait {
    /// Says nothing about sandboxes that are containers; the reason stands in docs/ARCHITECTURE.md, "Two backends, one behaviour".
    package static func nativeOnly(_ reason: String) -> ConditionTrait {
        .enabled(if: TestBackend.isNative, "native only: \(reason)")
    }

    /// Is about sandboxes that are containers.
    package static var dockerOnly: ConditionTrait { .disabled(if: TestBackend.isNative, "docker only") }
}
