import Glibc

/// Where the programs under test are.
package enum Installation {
    /// The `code-interpreter` program: CODE_INTERPRETER_BINARY, else the one built beside the tests.
    package static let program: String =
        Host.environment("CODE_INTERPRETER_BINARY") ?? "\(folder)/code-interpreter"

    /// The folder of the running test program.
    package static let folder: String = {
        let executable = Host.link("/proc/self/exe") ?? ""
        let bundle = bundleArgument() ?? executable
        return parent(of: bundle)
    }()

    /// The folder of Package.swift, nil where the tests run away from their sources.
    package static let packageRoot: String? = {
        var candidate = folder
        while candidate.count > 1 {
            if access("\(candidate)/Package.swift", R_OK) == 0 { return candidate }
            candidate = parent(of: candidate)
        }
        return nil
    }()

    /// The Python environment sandboxes are to use: PYTHON_ENVIRONMENT, else `.venv` beside Package.swift, else the server's own choice.
    package static let pythonEnvironment: String? = {
        if let named = Host.environment("PYTHON_ENVIRONMENT") { return named }
        guard let root = packageRoot, access("\(root)/.venv/bin/python3", X_OK) == 0 else { return nil }
        return "\(root)/.venv"
    }()

    /// Whether an ordinary user may read and run the program: every folder above it lets everybody pass.
    static var isReadableByEverybody: Bool {
        var paths = [program, pythonEnvironment].compactMap { $0 }
        while let path = paths.popLast(), path.count > 1 {
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & 0o5 == 0o5 else { return false }
            paths.append(parent(of: path))
        }
        return true
    }

    /// The folder a path is in.
    package static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    private static func bundleArgument() -> String? {
        let arguments = CommandLine.arguments
        guard let flag = arguments.firstIndex(of: "--test-bundle-path"), flag + 1 < arguments.count else { return nil }
        return arguments[flag + 1]
    }
}
