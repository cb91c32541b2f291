import Glibc
import Settings

/// The environment of this process.
enum Environment {
    /// Every variable that is UTF-8; of a name that occurs twice the first counts, as with getenv(3).
    static var variables: [String: String] {
        var found: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            next += 1
            guard let text = String(validatingCString: entry), let equals = text.firstIndex(of: "=") else { continue }
            let name = String(text[..<equals])
            if found[name] == nil { found[name] = String(text[text.index(after: equals)...]) }
        }
        return found
    }

    /// Removes variables, and what /proc/self/environ shows of them, which unsetenv(3) leaves.
    ///
    /// To be called while the main thread is the only one.
    static func forget(_ names: [String]) {
        for name in names {
            var next = environ
            while let entry = next.pointee {
                next += 1
                guard strncmp(entry, name + "=", name.utf8.count + 1) == 0 else { continue }
                let value = entry + name.utf8.count + 1
                memset(value, 0, strlen(value))
            }
            unsetenv(name)
        }
    }
}

extension SettingsFile {
    /// Reads a file of at most one megabyte, a pipe too.
    ///
    /// - Throws: ``SettingsFile/Failure``.
    static func read(_ path: String) throws -> SettingsFile {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard file >= 0 else { throw Failure(errorText(errno)) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw Failure(errorText(errno)) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure(errorText(errno)) }
            if count == 0 { break }
            content += chunk[..<count]
            if content.count > 1 << 20 { throw Failure("it is larger than a megabyte") }
        }
        guard let text = String(validating: content, as: UTF8.self) else { throw Failure("it is not UTF-8") }
        return SettingsFile(text: text, isReadableByAll: status.st_mode & 0o004 != 0)
    }
}

/// The error output of this process.
enum StandardError {
    static func write(_ text: String) {
        var text = text
        text.withUTF8 { _ = FileDescriptorWriter.writeAll(UnsafeRawBufferPointer($0), to: STDERR_FILENO) }
    }
}

/// Writes to descriptors that belong to somebody else.
enum FileDescriptorWriter {
    /// Writes everything; whether that worked. A reader that went away is not an error of ours.
    static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var remaining = bytes[...]
        while !remaining.isEmpty {
            let written = Glibc.write(
                descriptor,
                UnsafeRawBufferPointer(rebasing: remaining).baseAddress,
                remaining.count
            )
            if written >= 0 {
                remaining = remaining.dropFirst(written)
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, -1)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}

/// What errno means, for people.
func errorText(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// The absolute path of this program's file.
func executablePath() -> String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard length > 0 else { return nil }
    return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Whether there is anything at `path`, links followed.
func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// Lets this process have as many open files as the host allows: each sandbox and each connection needs some.
func raiseOpenFileLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max else {
        return
    }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
