import ArgumentParser
import Dispatch
import Execution
import Glibc
import Settings

/// The entry point: settings are taken out of the command line first, so that every command has them.
@main
enum Program {
    /// Not asynchronous: a command's start happens on the main thread while that is the only one. An asynchronous `main` would have
    /// turned it into a thread that no longer follows when the others give up root.
    static func main() {
        let line = SettingFlags.split(Array(CommandLine.arguments.dropFirst()))
        do {
            var command = try RootCommand.parseAsRoot(line.rest)
            guard let settingsCommand = command as? any SettingsCommand else { return try command.run() }
            run(settingsCommand, line.flags)
        } catch  where RootCommand.exitCode(for: error) == .validationFailure {
            StandardError.write(RootCommand.fullMessage(for: error) + "\n")
            exit(ExitStatus.wrongUsage)
        } catch {
            RootCommand.exit(withError: error)
        }
    }

    private static func run(_ command: any SettingsCommand, _ flags: [SettingFlags.Flag]) -> Never {
        do {
            let reading = try SettingsReader.read(
                flags: flags,
                unknownFlags: command.unknownArguments,
                environment: Environment.variables,
                readFile: SettingsFile.read
            )
            Environment.forget(SettingsReader.secretVariables)
            let work = try command.start(reading)
            // Nobody waits for this task, because the process ends with it.
            Task { exit(await status(of: work)) }
            dispatchMain()
        } catch {
            exit(status(for: error))
        }
    }

    private static func status(of work: SettingsCommand.Work) async -> Int32 {
        do { return try await work() } catch { return status(for: error) }
    }

    /// Says what went wrong; the status to end with.
    private static func status(for error: any Error) -> Int32 {
        StandardError.write("code-interpreter: \(explanation(of: error))\n")
        return error is SettingsProblems ? ExitStatus.wrongUsage : ExitStatus.failure
    }
}

/// A command that is configured by settings.
protocol SettingsCommand: ParsableCommand {
    /// What the command line has beyond settings and the command's own flags.
    var unknownArguments: [String] { get }

    /// What is left to do after the start; gives the status the program ends with.
    typealias Work = @Sendable () async throws -> Int32

    /// Does what must be done while the main thread is the only one, giving up root above all.
    func start(_ reading: SettingsReader.Reading) throws -> Work
}

struct RootCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "code-interpreter",
        abstract: "Runs untrusted code in sandboxes of its own.",
        version: programVersion,
        subcommands: [ServeCommand.self, RunCommand.self, DoctorCommand.self, HealthCommand.self]
    )
}

/// Statuses the program ends with, besides those of a program it ran.
enum ExitStatus {
    static let success: Int32 = 0
    static let failure: Int32 = 1
    static let wrongUsage: Int32 = 2
    /// As timeout(1) does.
    static let timedOut: Int32 = 124
    /// As a shell reports SIGPIPE.
    static let brokenPipe: Int32 = 141
}

/// Why the program cannot do what it was started for: one line with what to do about it.
struct StartFailure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// What an error means to whoever started the program.
func explanation(of error: any Error) -> String {
    if case FileStoreError.storage(let reason) = error { return "FILE_STORAGE_DIR: \(reason)" }
    return "\(error)"
}
