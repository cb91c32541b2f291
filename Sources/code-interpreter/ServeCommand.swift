import ArgumentParser
import Logging
import Settings

struct ServeCommand: SettingsCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Runs the server until SIGTERM or SIGINT; a second signal does not wait for executions.",
        discussion: SettingsHelp.text
    )

    @Argument(parsing: .allUnrecognized, help: .hidden)
    var unknownArguments: [String] = []

    func start(_ reading: SettingsReader.Reading) throws -> Work {
        let logger = Logger(reading.settings)
        for warning in reading.warnings { logger.warning("\(warning)") }
        let server = try Server(reading.settings, environment: Environment.variables, logger: logger)
        return { await server.run() ? ExitStatus.success : ExitStatus.failure }
    }
}
