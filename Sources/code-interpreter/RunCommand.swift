import ArgumentParser
import Execution
import Glibc
import Logging
import NIOCore
import Settings

struct RunCommand: SettingsCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs one program in a sandbox, without a server.",
        usage:
            "code-interpreter run [<options>] <script.py | -> [<files> …]\ncode-interpreter run [<options>] -c <code> [<files> …]",
        discussion: """
            Files are put into the workspace under their base names. Standard input goes to the program unless it is a terminal or \
            the script itself. The exit code is the program's; 124 after a time-out, 137 after another limit. Every setting of \
            'serve' is a flag here too.
            """
    )

    @Option(name: .customShort("c"), help: "Run this code instead of a script.")
    var code: String?

    @Option(
        name: .shortAndLong,
        help: "Put files that the program made into this directory; without it they are only listed."
    )
    var output: String?

    @Option(name: .shortAndLong, help: "Seconds until the program is stopped. (default: MAX_EXEC_TIMEOUT_MS)")
    var timeout: Double?

    @Argument(help: "The script, - for standard input, unless -c is given; then files for the workspace.")
    var paths: [String] = []

    var unknownArguments: [String] { [] }

    func validate() throws {
        if code == nil && paths.isEmpty { throw ValidationError("Give a script, - or -c.") }
        if let timeout, !(timeout > 0 && timeout <= 86_400) {
            throw ValidationError("--timeout must be above 0 and at most 86400.")
        }
    }

    func start(_ reading: SettingsReader.Reading) throws -> Work {
        var settings = reading.settings
        // One program needs no modules ahead of time: importing them all would only make it later.
        settings.warmImports = []
        settings.logLevel = max(settings.logLevel, .warning)
        let logger = Logger(settings)
        let program = try ProgramFiles.load(code: code, paths: paths, limitMB: settings.workspaceSizeMB)
        let single = try SingleExecution(settings, logger: logger)
        let (timeout, output) = (duration(settings), output)
        return { try await single.run(program, timeout: timeout, output: output) }
    }

    private func duration(_ settings: Settings) -> Duration {
        timeout.map { .seconds($0) } ?? .milliseconds(settings.maxTimeoutMilliseconds)
    }
}

/// What `run` gives to the sandbox.
struct ProgramFiles {
    var script: Script
    var files: [StagedFile]

    /// Reads everything, at most `limitMB` for each file.
    ///
    /// - Throws: ``StartFailure``, naming the file.
    static func load(code: String?, paths: [String], limitMB: Int) throws -> ProgramFiles {
        let limit = limitMB << 20
        var paths = paths[...]
        let name = code == nil ? paths.popFirst() : nil
        let text = try code ?? text(of: FileReader.read(name ?? "-", limit: limit), name: name ?? "-")
        var input: String?
        if name != "-" && isatty(STDIN_FILENO) == 0 {
            input = try self.text(of: FileReader.read("-", limit: limit), name: "standard input")
        }
        let script = Script(code: text, standardInput: input, isLastLineInteractive: false)
        return ProgramFiles(script: script, files: try staged(paths, limit: limit))
    }

    private static func staged(_ paths: ArraySlice<String>, limit: Int) throws -> [StagedFile] {
        var names: Set<String> = []
        return try paths.map { path in
            let name = path.split(separator: "/").last.map(String.init) ?? path
            guard let place = try? WorkspacePath(name), place != .entrypoint else {
                throw StartFailure("\(path): a workspace cannot have a file named \(name)")
            }
            guard names.insert(name).inserted else { throw StartFailure("\(path): two files are named \(name)") }
            return StagedFile(path: place, content: .bytes(ByteBuffer(bytes: try FileReader.read(path, limit: limit))))
        }
    }

    private static func text(of bytes: [UInt8], name: String) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw StartFailure("\(name): not UTF-8") }
        return text
    }
}

/// Reads whole files.
enum FileReader {
    /// The content of a file, or of standard input when `path` is `-`.
    ///
    /// - Throws: ``StartFailure`` when it cannot be read or is larger than `limit` bytes.
    static func read(_ path: String, limit: Int) throws -> [UInt8] {
        let descriptor = path == "-" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StartFailure("\(path): \(errorText(errno))") }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { return content }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw StartFailure("\(path): \(errorText(errno))") }
            content += chunk[..<count]
            guard content.count <= limit else { throw StartFailure("\(path): larger than \(limit >> 20) MB") }
        }
    }
}
