import Glibc

/// Reads small text files of the kernel and of /etc.
enum SmallFile {
    /// The whole file, at most 1 MiB; nil when it cannot be read or is not UTF-8.
    static func read(_ path: String) -> String? {
        let raw = open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        let file = Descriptor(owning: raw)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while bytes.count < 1 << 20 {
            let count = Glibc.read(file.raw, &chunk, chunk.count)
            if count < 0 { return nil }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Its one number; nil when it has none.
    static func number(_ path: String) -> Int? {
        read(path).flatMap { Int($0.trimmed) }
    }

    /// Writes `text` with one write(2), as files of the kernel want it.
    static func write(_ text: String, to path: String) throws(SystemError) {
        let file = Descriptor(owning: try systemCall("open", on: path) { open(path, O_WRONLY | O_CLOEXEC) })
        try systemCall("write", on: path) { Glibc.write(file.raw, text, text.utf8.count) }
    }
}

extension StringProtocol {
    /// Without white space at both ends.
    var trimmed: String {
        var rest = Substring(self)
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return String(rest)
    }
}
