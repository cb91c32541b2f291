import ArgumentParser
import Settings

struct HealthCommand: SettingsCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Asks a server that runs whether it can make sandboxes; ends with status 0 when it can, else with 1.",
        discussion: "For health checks of containers and services. Where the server listens is what HOST and PORT say."
    )

    @Option(help: "Where it listens, instead: http://127.0.0.1:8000")
    var url: String?

    @Argument(parsing: .allUnrecognized, help: .hidden)
    var unknownArguments: [String] = []

    func start(_ reading: SettingsReader.Reading) throws -> Work {
        let probe = try url.map(HealthProbe.init(url:)) ?? HealthProbe(reading.settings)
        return {
            try await probe.expectHealth(within: .seconds(4))
            return ExitStatus.success
        }
    }
}
