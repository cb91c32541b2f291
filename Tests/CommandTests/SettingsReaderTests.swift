import Settings
import Testing

@Suite("Reading settings")
struct SettingsReaderTests {
    /// Reads what a command line and an environment would give.
    private func read(_ arguments: [String] = [], _ environment: [String: String] = [:]) throws
        -> SettingsReader.Reading
    {
        let line = SettingFlags.split(arguments)
        return try SettingsReader.read(flags: line.flags, unknownFlags: line.rest, environment: environment)
    }

    private func problems(_ arguments: [String] = [], _ environment: [String: String] = [:]) -> [String] {
        do {
            _ = try read(arguments, environment)
            return []
        } catch let error as SettingsProblems {
            return error.problems
        } catch {
            return ["\(error)"]
        }
    }

    @Test("nothing given leaves every default, without doubts")
    func defaults() throws {
        let reading = try read()
        #expect(reading.settings == Settings())
        #expect(reading.warnings.isEmpty)
    }

    @Test("a flag wins over the prefixed variable, that over the plain one")
    func precedence() throws {
        var environment = ["PORT": "1"]
        #expect(try read([], environment).settings.port == 1)
        environment["CODE_INTERPRETER_PORT"] = "2"
        #expect(try read([], environment).settings.port == 2)
        #expect(try read(["--port", "3"], environment).settings.port == 3)
    }

    @Test("the last of several flags counts")
    func lastFlagCounts() throws {
        #expect(try read(["--port", "3", "--port=4"]).settings.port == 4)
    }

    @Test("an empty variable is the same as none")
    func emptyVariable() throws {
        #expect(try read([], ["PORT": "", "CODE_INTERPRETER_HOST": " "]).settings == Settings())
    }

    @Test("a setting that is overruled is not looked at")
    func overruledVariable() throws {
        #expect(try read(["--port", "3"], ["PORT": "nonsense"]).settings.port == 3)
    }

    @Test(
        "every kind of value is understood",
        arguments: [
            (["--warm-imports", "numpy, scipy.stats"], \Settings.warmImports, ["numpy", "scipy.stats"]),
            (["--warm-imports=none"], \Settings.warmImports, []),
            (["--allowed-hosts=a.example,b"], \Settings.allowedHosts, ["a.example", "b"]),
        ] as [([String], any KeyPath<Settings, [String]> & Sendable, [String])]
    )
    func lists(arguments: [String], path: any KeyPath<Settings, [String]> & Sendable, expected: [String]) throws {
        #expect(try read(arguments).settings[keyPath: path] == expected)
    }

    @Test("a switch stands alone or has a value")
    func switches() throws {
        #expect(try read(["--allow-without-cgroups"]).settings.allowWithoutCgroups)
        #expect(
            try read(["--allow-without-cgroups=no"], ["ALLOW_WITHOUT_CGROUPS": "1"]).settings.allowWithoutCgroups
                == false
        )
        #expect(try read([], ["ALLOW_WITHOUT_LANDLOCK": "TRUE"]).settings.allowWithoutLandlock)
    }

    @Test("names of levels and formats may be written in any case")
    func choices() throws {
        let settings = try read([], ["LOG_LEVEL": "WARNING", "LOG_FORMAT": "json"]).settings
        #expect(settings.logLevel == .warning)
        #expect(settings.logFormat == .json)
    }

    @Test(
        "a value outside its range or kind is refused by name",
        arguments: [
            ("PORT", "65536"), ("PORT", "-1"), ("PORT", "80a"), ("PORT", "8.0"), ("MEMORY_LIMIT_MB", "31"),
            ("MAX_OUTPUT_BYTES", "31"), ("MAX_EXEC_TIMEOUT_MS", "0"), ("LOG_LEVEL", "loud"), ("LOG_FORMAT", "xml"),
            ("WARM_IMPORTS", "os;import sys"), ("WARM_IMPORTS", "numpy,,pandas"), ("ALLOW_WITHOUT_CGROUPS", "maybe"),
            ("HOST", "http://x"), ("FILE_STORAGE_DIR", "//"), ("RUN_AS_USER", "root"), ("RUN_AS_USER", "0:0"),
            ("RUN_AS_USER", "a:b:c"), ("PYTHON_ENVIRONMENT", "venv"), ("PORT", "99999999999999999999"),
        ]
    )
    func refusals(name: String, value: String) {
        let found = problems([], [name: value])
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("\(name): \"\(value)\" is ") == true, "\(found)")
    }

    @Test("all problems are listed at once, each with where it stands")
    func allProblems() {
        let found = problems(
            ["--port", "x", "--memory-limt-mb", "5", "--host"],
            ["CODE_INTERPRETER_MAX_PROCESSES": "1", "CODE_INTERPRETER_POOL_SIZE": "3", "CPU_TIME_LIMIT_SEC": "0"]
        )
        let sources = found.compactMap { $0.split(separator: ":").first.map(String.init) }
        let expected = [
            "--memory-limt-mb", "5", "CODE_INTERPRETER_POOL_SIZE", "--host", "--port", "CPU_TIME_LIMIT_SEC",
            "CODE_INTERPRETER_MAX_PROCESSES",
        ]
        #expect(Set(sources) == Set(expected), "\(found)")
        #expect(found.count == expected.count)
        #expect(found.contains("--memory-limt-mb: unknown flag; did you mean --memory-limit-mb?"))
    }

    @Test("an unknown variable of ours is refused with what was probably meant")
    func unknownVariable() {
        let found = problems([], ["CODE_INTERPRETER_MAX_PROCESES": "9"])
        #expect(
            found == ["CODE_INTERPRETER_MAX_PROCESES: unknown setting; did you mean CODE_INTERPRETER_MAX_PROCESSES?"]
        )
        #expect(
            problems([], ["CODE_INTERPRETER_ZZZZZZZZZZZZ": ""]) == ["CODE_INTERPRETER_ZZZZZZZZZZZZ: unknown setting"]
        )
    }

    @Test("variables of others are none of our business")
    func foreignVariables() throws {
        #expect(try read([], ["PATH": "/bin", "MAX_PROCESES": "x", "CODE": "y"]).settings == Settings())
    }

    @Test(
        "settings of a backend that is still to come are accepted and have no effect",
        arguments: ["KUBERNETES_EXECUTOR_NAMESPACE", "CODE_INTERPRETER_KUBERNETES_EXECUTOR_SERVICE_ACCOUNT"]
    )
    func otherBackends(name: String) throws {
        #expect(try read([], [name: "anything"]).settings == Settings())
    }

    @Test("a backend this version does not have is refused")
    func missingBackend() {
        let found = problems([], ["EXECUTOR_BACKEND": "kubernetes"])
        #expect(found == ["EXECUTOR_BACKEND: this version has no kubernetes backend; use native or docker"])
    }

    @Test("pools of containers are smaller unless somebody says how large they are")
    func poolSizes() throws {
        let docker = try read([], ["EXECUTOR_BACKEND": "docker"]).settings
        #expect([docker.poolSizeBare, docker.poolSizeFull, docker.poolSizeNotebook] == [2, 2, 1])
        let given = try read([], ["EXECUTOR_BACKEND": "docker", "POOL_SIZE_FULL": "7"]).settings
        #expect([given.poolSizeBare, given.poolSizeFull] == [2, 7])
        #expect(try read([], [:]).settings.poolSizeBare == 8)
    }

    @Test("what contradicts itself is refused")
    func contradictions() {
        #expect(problems(["--run-as-user", "100007"]).first?.contains("among the ids of sandboxes") == true)
        #expect(problems(["--run-as-user", "99999:99999"]).isEmpty)
    }

    @Test("what is hardly meant is a warning")
    func doubts() throws {
        #expect(try read(["--workspace-size-mb", "64"]).warnings.count == 1)
        #expect(try read(["--pool-size-bare=0", "--pool-size-full=0"]).warnings.count == 1)
    }

    @Test("flags of settings are found anywhere before a double dash")
    func splitting() {
        let line = SettingFlags.split([
            "run", "--port=1", "a.py", "--memory-limit-mb", "64", "-c", "x", "--", "--port", "2",
        ])
        #expect(line.rest == ["run", "a.py", "-c", "x", "--", "--port", "2"])
        #expect(line.flags.map(\.setting) == ["PORT", "MEMORY_LIMIT_MB"])
        #expect(line.flags.map(\.value) == ["1", "64"])
    }
}
