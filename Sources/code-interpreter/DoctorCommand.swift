import ArgumentParser
import ContainerSandbox
import Execution
import Foundation
import Glibc
import Logging
import NIOPosix
import NativeSandbox
import Settings

struct DoctorCommand: SettingsCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Says what this host can enforce, what is missing, and what to do about it.",
        discussion: "Ends with status 1 when the server could not start. Every setting of 'serve' is a flag here too."
    )

    @Flag(help: "Print one JSON object.")
    var json = false

    @Argument(parsing: .allUnrecognized, help: .hidden)
    var unknownArguments: [String] = []

    func start(_ reading: SettingsReader.Reading) throws -> Work {
        let isJSON = json
        return {
            let diagnosis = try await Diagnosis.make(reading, environment: Environment.variables)
            print(isJSON ? try diagnosis.json() : diagnosis.text)
            return diagnosis.canStart ? ExitStatus.success : ExitStatus.failure
        }
    }
}

/// What is known about this host.
struct Diagnosis: Encodable {
    var version: String
    var canStart: Bool
    /// The directory whose interpreter and packages programs get.
    var pythonEnvironment: String
    var walls: [Wall]
    var findings: [Problem]
    var reducedModes: [String]

    struct Wall: Encodable {
        var name: String
        var isStanding: Bool
        var detail: String
    }

    struct Problem: Encodable {
        /// `error` when the server cannot start with it.
        var severity: String
        var subject: String
        var what: String
        /// What to do about it; nil where nothing can be done.
        var cure: String?
    }

    static func make(_ reading: SettingsReader.Reading, environment: [String: String]) async throws -> Diagnosis {
        let settings = reading.settings
        if settings.backend == .docker { return try await ofDocker(reading, environment) }
        let identity = try ServerIdentity.resolve(settings)
        let report = HostReport.inspect(NativeSettings(settings, identity: identity))
        let doubts = reading.warnings.map { Problem(severity: "warning", subject: "settings", what: $0, cure: nil) }
        let findings = report.findings.map {
            Problem(severity: "\($0.severity)", subject: $0.subject, what: $0.what, cure: $0.cure)
        }
        let all = findings + doubts + fontProblems()
        return Diagnosis(
            version: programVersion,
            canStart: !all.contains { $0.severity == "error" },
            pythonEnvironment: PythonEnvironment.path(settings),
            walls: report.walls.map { Wall(name: $0.name, isStanding: $0.isStanding, detail: $0.detail) },
            findings: all,
            reducedModes: report.reducedModes
        )
    }

    /// What the Docker Engine can do; that a container can be made is tried.
    private static func ofDocker(
        _ reading: SettingsReader.Reading,
        _ environment: [String: String]
    ) async throws -> Diagnosis {
        let threads = NIOThreadPool(numberOfThreads: 1)
        threads.start()
        var quiet = Logger(label: "doctor")
        quiet.logLevel = .critical
        let backend = try ServerBackend.dockerBackend(
            reading.settings,
            owner: StorageDirectory.randomOwner(),
            environment: environment,
            threads: threads,
            logger: quiet
        )
        let obstacle = await backend.examine()
        let status = await backend.status()
        await backend.close()
        try await threads.shutdownGracefully()
        var findings = reading.warnings.map { Problem(severity: "warning", subject: "settings", what: $0, cure: nil) }
        if let obstacle {
            let cure = obstacle.contains("no image") ? "make images, or PYTHON_EXECUTOR_DOCKER_IMAGE" : nil
            findings.append(Problem(severity: "error", subject: "docker", what: obstacle, cure: cure))
        }
        return Diagnosis(
            version: programVersion,
            canStart: obstacle == nil,
            pythonEnvironment: "of the image \(reading.settings.dockerImage)",
            walls: status.walls.map { Wall(name: $0.name, isStanding: $0.isStanding, detail: $0.detail) },
            findings: findings,
            reducedModes: status.reducedModes
        )
    }

    private static func fontProblems() -> [Problem] {
        let folders = ["/usr/share/fonts/opentype/noto", "/usr/share/fonts/truetype/noto", "/usr/share/fonts/noto-cjk"]
        if folders.contains(where: exists) { return [] }
        return [
            Problem(
                severity: "note",
                subject: "fonts",
                what: "charts cannot show Chinese, Japanese or Korean",
                cure: "apt-get install fonts-noto-cjk"
            )
        ]
    }

    /// For programs; keys in a fixed order.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// For people.
    var text: String {
        var lines = ["code-interpreter \(version)", "Python environment: \(pythonEnvironment)", "", "Walls:"]
        lines += walls.map { "  [\($0.isStanding ? "stands" : "MISSING")] \($0.name): \($0.detail)" }
        if !reducedModes.isEmpty { lines.append("Reduced modes: \(reducedModes.joined(separator: ", "))") }
        if !findings.isEmpty { lines += ["", "Findings:"] }
        for finding in findings {
            lines.append("  \(finding.severity): \(finding.subject): \(finding.what)")
            if let cure = finding.cure { lines.append("      cure: \(cure)") }
        }
        return (lines + ["", canStart ? "The server can start." : "The server cannot start."]).joined(separator: "\n")
    }
}
