import Settings

/// The virtual environment whose interpreter runs programs.
enum PythonEnvironment {
    /// Where an installation without a checkout has it.
    static let installed = "/opt/code-interpreter/venv"

    /// PYTHON_ENVIRONMENT; else the `.venv` nearest above this program's file; else ``installed``.
    static func path(_ settings: Settings) -> String {
        settings.pythonEnvironment ?? executablePath().flatMap(besideCheckout) ?? installed
    }

    private static func besideCheckout(_ executable: String) -> String? {
        var folder = executable[...]
        while let slash = folder.lastIndex(of: "/") {
            folder = folder[..<slash]
            let candidate = folder + "/.venv"
            if exists(candidate + "/pyvenv.cfg") { return String(candidate) }
        }
        return nil
    }
}
