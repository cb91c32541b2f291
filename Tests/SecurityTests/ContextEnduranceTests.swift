import Glibc
import TestSupport
import Testing

/// The script that torments contexts for long, for a moment.
@Suite(
    "Endurance of contexts",
    .machine,
    .serialized,
    .nativeOnly("processes and control groups are counted on this machine")
)
struct ContextEnduranceTests {
    @Test(
        "two hundred random cells, disconnects, interrupts, kills and restarts: every stream ends, nothing leaks",
        .needs(.root),
        .timeLimit(.minutes(5))
    )
    func randomActions() async throws {
        try await run("actions", count: 200)
    }

    @Test("contexts come and go, and several live at once, each with its variables", .timeLimit(.minutes(5)))
    func manyAndCycles() async throws {
        try await run("many", "cycles", count: 200)
    }

    /// Runs parts of the script against a server that it starts itself; its seed is RANDOM_SEED or new, and in its output.
    private func run(_ parts: String..., count: Int) async throws {
        let root = try #require(Installation.packageRoot)
        let folder = try TemporaryFolder("endurance")
        defer { folder.remove() }
        let output = "\(folder.path)/output"
        var arguments = ["/usr/bin/env", "python3", "\(root)/Tests/SecurityTests/endurance_contexts.py"]
        arguments += ["--program", Installation.program, "--count", "\(count)", "--parts"] + parts
        if let seed = Host.environment("RANDOM_SEED") { arguments += ["--seed", seed] }
        var environment = ["PATH": TestServer.defaults["PATH"] ?? "", "PYTHONDONTWRITEBYTECODE": "1"]
        environment["PYTHON_ENVIRONMENT"] = Installation.pythonEnvironment
        let script = try ChildProcess(arguments, environment: environment, output: output, error: output)
        let ending = await script.ending()
        #expect(ending == .exited(0), "\(Host.text(output) ?? "it printed nothing")")
    }
}
