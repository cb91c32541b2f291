import Glibc

/// Makes tar archives, as images of containers are imported from.
package struct TarArchive: Sendable {
    /// The archive so far; ``finished`` ends it.
    private var bytes: [UInt8] = []

    package init() {}

    /// The archive with its end.
    package var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    /// Adds a file of root; folders above it need not be added.
    package mutating func add(_ path: String, _ content: [UInt8], mode: Int = 0o755) {
        header(path, size: content.count, mode: mode, type: "0")
        bytes += content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    /// Adds an empty folder.
    package mutating func addFolder(_ path: String, mode: Int = 0o755) {
        header(path + "/", size: 0, mode: mode, type: "5")
    }

    /// A root with a shell, some small programs and the libraries they need, copied from this machine.
    package static func ofHostPrograms() -> [UInt8] {
        var archive = TarArchive()
        for name in ["sh", "cat", "sleep", "dd", "head", "env", "true", "echo"] {
            if let content = file("/usr/bin/\(name)") ?? file("/bin/\(name)") { archive.add("bin/\(name)", content) }
        }
        let libraries = [
            "/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6", "/lib/ld-linux-aarch64.so.1",
            "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/lib64/libtinfo.so.6",
        ]
        for path in libraries {
            if let content = file(path) { archive.add(String(path.dropFirst()), content) }
        }
        for path in ["proc", "dev", "sys", "etc", "work"] { archive.addFolder(path) }
        // Runc gives a tmpfs the mode of the folder under it.
        archive.addFolder("tmp", mode: 0o1777)
        return archive.finished
    }

    private mutating func header(_ path: String, size: Int, mode: Int, type: Character) {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            block.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        put(path, at: 0)
        put(octal(mode, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(size, 11), at: 124)
        put(octal(0, 11), at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        put(octal(block.reduce(0) { $0 + Int($1) }, 6), at: 148)
        block[154] = 0
        bytes += block
    }

    private static func file(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 { return nil }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }
}
