import Glibc
import TestSupport
import Testing

/// The program's other commands, each started as a person would.
@Suite("Commands", .machine)
struct CommandTests {
    /// Runs the program with `arguments` and gives its ending and what it wrote.
    private func command(
        _ arguments: [String],
        _ settings: [String: String] = [:],
        within deadline: Duration = .seconds(90)
    ) async throws -> (ending: ChildProcess.Ending, output: String, error: String) {
        let folder = try TemporaryFolder("command")
        defer { folder.remove() }
        var environment = [
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": folder.path, "LANG": "C.UTF-8",
        ]
        environment["PYTHON_ENVIRONMENT"] = Installation.pythonEnvironment
        environment.merge(TestBackend.current.settings) { _, new in new }
        environment.merge(settings) { _, new in new }
        let process = try ChildProcess(
            [Installation.program] + arguments,
            environment: environment,
            output: "\(folder.path)/out",
            error: "\(folder.path)/err"
        )
        if !(await eventually(within: deadline, { process.endingSoFar != nil })) { process.signal(SIGKILL) }
        let ending = await process.ending()
        return (ending, Host.text("\(folder.path)/out") ?? "", Host.text("\(folder.path)/err") ?? "")
    }

    @Test("run executes a script without a server and passes on its output and exit code")
    func run() async throws {
        let folder = try TemporaryFolder("script")
        defer { folder.remove() }
        let script = try folder.file(
            "script.py",
            "import sys, os\nprint('out', os.getuid())\nprint('err', file=sys.stderr)\nsys.exit(3)\n".utf8
        )
        let result = try await command(["run", script])
        #expect(result.ending == .exited(3), "\(result)")
        #expect(result.output == "out 1000\n", "\(result)")
        #expect(result.error.contains("err\n"), "\(result)")
    }

    @Test("run puts files into the workspace")
    func runWithFiles() async throws {
        let folder = try TemporaryFolder("script")
        defer { folder.remove() }
        let script = try folder.file("script.py", "print(open('data.csv').read())\n".utf8)
        let data = try folder.file("data.csv", "1,2,3".utf8)
        let result = try await command(["run", script, data])
        #expect(result.output == "1,2,3\n", "\(result)")
        #expect(result.ending == .exited(0))
    }

    @Test("run leaves nothing behind")
    func runIsClean() async throws {
        let folder = try TemporaryFolder("script")
        defer { folder.remove() }
        let script = try folder.file(
            "script.py",
            "import subprocess\nsubprocess.Popen(['sleep', '987654'], stdout=-3, stderr=-3)\n".utf8
        )
        let before = MachineState.now()
        _ = try await command(["run", script])
        await before.expectNothingLeft(of: ProcessTree(root: -1), folder: folder.path)
        #expect(await eventually { ProcessTree.commandLines.allSatisfy { !$0.contains("987654") } })
    }

    @Test("run says what is wrong with a script that does not exist")
    func runMissingScript() async throws {
        let result = try await command(["run", "/nonexistent/script.py"])
        #expect(result.ending != .exited(0))
        #expect(result.error.contains("/nonexistent/script.py"), "\(result)")
    }

    @Test("doctor names every wall and ends with 0 where all can be built", .needs(.root))
    func doctor() async throws {
        let result = try await command(["doctor"])
        #expect(result.ending == .exited(0), "\(result)")
        let text = (result.output + result.error).lowercased()
        let own = TestBackend.isNative ? ["namespace", "cgroup"] : ["capabilities", "network"]
        let walls = ["seccomp", "landlock"] + own
        for wall in walls {
            #expect(text.contains(wall), "\(wall) in \(text)")
        }
    }

    @Test("doctor and run say at once that there is no engine", .dockerOnly)
    func noEngine() async throws {
        let settings = ["DOCKER_HOST": "unix:///nonexistent/docker.sock"]
        let doctor = try await command(["doctor"], settings)
        #expect(doctor.ending == .exited(1) && doctor.output.contains("/nonexistent/docker.sock"), "\(doctor)")
        let folder = try TemporaryFolder("script")
        defer { folder.remove() }
        let run = try await command(["run", try folder.file("script.py", "print(1)".utf8)], settings)
        #expect(run.ending == .exited(1) && run.error.contains("/nonexistent/docker.sock"), "\(run)")
    }

    @Test(
        "doctor ends with 1 and names the cure where something is missing",
        .nativeOnly("the image of containers has the Python")
    )
    func doctorWithoutPython() async throws {
        let result = try await command(["doctor"], ["PYTHON_ENVIRONMENT": "/nonexistent/env"])
        #expect(result.ending == .exited(1), "\(result)")
        #expect((result.output + result.error).contains("/nonexistent/env"))
        #expect((result.output + result.error).contains("make setup"))
    }

    @Test("help lists the commands")
    func help() async throws {
        let result = try await command(["--help"])
        #expect(result.ending == .exited(0))
        for name in ["serve", "run", "doctor"] { #expect(result.output.contains(name)) }
    }

    @Test("wrong settings stop the server at once, all problems told together")
    func wrongSettings() async throws {
        let settings = [
            "PORT": "eighty", "MEMORY_LIMIT_MB": "-5", "MAX_CONCURRENT_EXECUTIONS": "0",
            "CODE_INTERPRETER_NO_SUCH_THING": "1",
        ]
        let result = try await command(["serve"], settings)
        #expect(result.ending != .exited(0))
        for name in settings.keys { #expect((result.output + result.error).contains(name), "\(name) in \(result)") }
    }

    @Test("a port that is taken stops the server with one clear line")
    func portTaken() async throws {
        let folder = try TemporaryFolder("storage")
        defer { folder.remove() }
        let server = try await TestServer.start()
        let result = try await command(
            ["serve"],
            ["PORT": "\(server.port)", "FILE_STORAGE_DIR": "\(folder.path)/storage", "HOST": "127.0.0.1"]
        )
        await server.stop()
        #expect(result.ending != .exited(0))
        #expect((result.output + result.error).contains("\(server.port)"), "\(result)")
    }

    @Test(
        "a Python environment that does not exist stops the server with one clear line",
        .nativeOnly("the image of containers has the Python")
    )
    func noEnvironment() async throws {
        let folder = try TemporaryFolder("storage")
        defer { folder.remove() }
        let result = try await command(
            ["serve"],
            [
                "PORT": "\(try TestServer.freePort())", "FILE_STORAGE_DIR": "\(folder.path)/storage",
                "PYTHON_ENVIRONMENT": "/nonexistent/env",
            ]
        )
        #expect(result.ending != .exited(0))
        #expect((result.output + result.error).contains("/nonexistent/env"), "\(result)")
    }
}
