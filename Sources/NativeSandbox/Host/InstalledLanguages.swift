import CLinux
package import Execution
import Glibc
import JSON
import NIOCore

/// What contexts can be written in: Python, and the languages of the Jupyter kernels that are installed where sandboxes see them.
package struct InstalledLanguages: Sendable, Equatable {
    /// One kernel.
    package struct Kernel: Sendable, Equatable {
        /// The name of its kernelspec, in lower case.
        package var name: String
        /// In lower case.
        package var language: String
        /// For people.
        package var displayName: String

        package init(name: String, language: String, displayName: String) {
            self.name = name
            self.language = language
            self.displayName = displayName
        }
    }

    /// A kernelspec that is left out.
    package struct Broken: Sendable, Equatable {
        /// Its kernel.json.
        package var path: String
        package var reason: String
    }

    /// Python first, the others by name.
    package let kernels: [Kernel]
    /// For `doctor`.
    package let broken: [Broken]

    /// Looks them up; blocks while it reads small files.
    ///
    /// - Parameter environment: the virtual environment that sandboxes see.
    package init(environment: String) {
        self.init(places: ["\(environment)/\(Self.folder)", "/usr/local/\(Self.folder)", "/usr/\(Self.folder)"])
    }

    /// Of kernelspecs with the same name the one in an earlier place counts.
    init(places: [String]) {
        var found: [String: Kernel] = [:]
        var broken: [Broken] = []
        for place in places {
            for name in Self.folders(in: place) where found[name.lowercased()] == nil {
                let path = "\(place)/\(name)/kernel.json"
                do {
                    guard let kernel = try Self.readKernel(named: name.lowercased(), at: path) else { continue }
                    found[kernel.name] = kernel
                } catch {
                    broken.append(Broken(path: path, reason: error.reason))
                }
            }
        }
        // Contexts of Python need no kernelspec, and use none.
        let others = found.values.filter { $0.language != Self.python.language }
        kernels = [Self.python] + others.sorted { $0.name < $1.name }
        self.broken = broken
    }

    /// The languages, each once, Python first.
    package var languages: [Language] {
        kernels.reduce(into: []) { languages, kernel in
            if languages.contains(where: { $0.name == kernel.language }) { return }
            languages.append(Language(name: kernel.language, displayName: kernel.displayName))
        }
    }

    private static let python = Kernel(name: "python", language: "python", displayName: "Python")
    private static let folder = "share/jupyter/kernels"
    private static let maximumSpecs = 64
    private static let maximumBytes = 64 << 10

    private struct Unusable: Error {
        var reason: String
    }

    /// The names in a place, in order; none where there is no such place.
    private static func folders(in place: String) -> [String] {
        let raw = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { return [] }
        var listing = DirectoryListing(Descriptor(owning: raw), bufferBytes: 16_384)
        var names: [String] = []
        while let entry = listing.next(), names.count < 4 * maximumSpecs {
            guard let name = String(validating: entry.name, as: UTF8.self) else { continue }
            names.append(name)
        }
        return Array(names.sorted().prefix(maximumSpecs))
    }

    /// One kernelspec; nil where there is none.
    private static func readKernel(named name: String, at path: String) throws(Unusable) -> Kernel? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Unusable(reason: "it is no file") }
        guard let text = SmallFile.read(path) else { throw Unusable(reason: "it cannot be read, or is not UTF-8") }
        guard text.utf8.count <= maximumBytes else { throw Unusable(reason: "it is larger than 64 KiB") }
        guard case .object(let spec)? = try? JSONParser.parse(ByteBuffer(string: text)) else {
            throw Unusable(reason: "it is no JSON object")
        }
        guard case .array(let arguments)? = spec["argv"], case .string? = arguments.first else {
            throw Unusable(reason: "it has no argv")
        }
        guard case .string(let language)? = spec["language"], !language.trimmed.isEmpty else {
            throw Unusable(reason: "it names no language")
        }
        var displayName = name
        if case .string(let text)? = spec["display_name"] { displayName = text }
        return Kernel(name: name, language: language.trimmed.lowercased(), displayName: displayName)
    }
}
