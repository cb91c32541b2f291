import Glibc

extension TestServer {
    /// Bytes of all files in the storage folder, at any depth, without the index.
    package var storedBytes: Int { Self.bytes(below: storage) }

    private static func bytes(below folder: String) -> Int {
        Host.directory(folder).filter { !$0.hasPrefix("index.") }.reduce(0) { sum, name in
            let path = "\(folder)/\(name)"
            var status = stat()
            // A file that was removed meanwhile counts nothing.
            guard lstat(path, &status) == 0 else { return sum }
            return sum + (status.st_mode & S_IFMT == S_IFDIR ? bytes(below: path) : Int(status.st_size))
        }
    }
}
