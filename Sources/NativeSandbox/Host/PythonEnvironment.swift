/// A virtual environment, and what else of the host its interpreter needs.
struct PythonEnvironment: Sendable, Equatable {
    var path: String
    /// Directories outside /usr and the environment itself that must be seen at their own paths: where the interpreter
    /// was installed.
    var prefixes: [String]
    /// Why it cannot be used; nil when it can.
    var problem: String?

    static func inspect(_ path: String, _ files: HostFiles) -> PythonEnvironment {
        func unusable(_ reason: String) -> PythonEnvironment {
            PythonEnvironment(path: path, prefixes: [], problem: reason)
        }
        guard path.hasPrefix("/") else { return unusable("the path is not absolute") }
        guard let text = files.read(path + "/pyvenv.cfg") else { return unusable("there is no \(path)/pyvenv.cfg") }
        guard let home = value(of: "home", in: text) else { return unusable("\(path)/pyvenv.cfg names no home") }
        guard let interpreter = files.resolved(path + "/bin/python3") else {
            return unusable("there is no \(path)/bin/python3")
        }
        // Programs run as users of their own, who own nothing of it.
        for needed in [path, interpreter] where !files.isOpenToAll(needed) {
            return unusable("others may not read \(needed)")
        }
        var prefixes: [String] = []
        for program in [files.resolved(home).map { $0 + "/python3" }, interpreter] {
            guard let program else { return unusable("\(home), the home of its interpreter, is missing") }
            let prefix = parent(parent(program))
            if isBelow(prefix, "/usr") || isBelow(prefix, path) || prefixes.contains(prefix) { continue }
            guard prefix.split(separator: "/").count >= 2 else {
                return unusable("its interpreter \(program) lies in a directory too close to the root to be shown")
            }
            prefixes.append(prefix)
        }
        return PythonEnvironment(path: path, prefixes: prefixes, problem: nil)
    }

    private static func value(of key: String, in text: String) -> String? {
        for line in text.split(separator: "\n") {
            guard let equals = line.firstIndex(of: "="), line[..<equals].trimmed == key else { continue }
            return line[line.index(after: equals)...].trimmed
        }
        return nil
    }

    private static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return String(path[..<slash])
    }

    private static func isBelow(_ path: String, _ directory: String) -> Bool {
        path == directory || path.hasPrefix(directory + "/")
    }
}
