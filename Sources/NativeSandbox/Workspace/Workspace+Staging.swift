import CLinux
import Crypto
import Execution
import Glibc
import NIOCore

extension Workspace {
    /// What was put in, by path: an unchanged one is no product of the program.
    struct Staged: Sendable, Equatable {
        var size: Int
        /// Hexadecimal, in lower case.
        var sha256: String
    }

    /// Writes `files`, parents included. The last one wins where a path occurs twice. `isCancelled` is asked before each.
    ///
    /// - Throws: ``SandboxError``, `CancellationError`.
    func stage(_ files: [StagedFile], isCancelled: () -> Bool = { false }) throws -> [String: Staged] {
        var staged: [String: Staged] = [:]
        for file in files {
            if isCancelled() { throw CancellationError() }
            staged[file.path.string] = try stage(file)
        }
        return staged
    }

    /// Writes one file in one go, in place of what was there.
    func write(_ bytes: ByteBufferView, to path: WorkspacePath) throws {
        do {
            let target = try create(path)
            try bytes.withUnsafeBytes { try Self.writeAll($0, to: target) }
        } catch let error as SystemError {
            throw Self.explained(error, path)
        }
    }

    private func stage(_ file: StagedFile) throws -> Staged {
        switch file.content {
        case .bytes(let bytes):
            try write(bytes.readableBytesView, to: file.path)
            var hash = SHA256()
            bytes.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
            return Staged(size: bytes.readableBytes, sha256: Self.hexadecimal(hash.finalize()))
        case .blob(let path, let size, let sha256):
            do {
                try copy(blob: path, size: size, to: file.path)
            } catch let error as SystemError {
                throw Self.explained(error, file.path)
            }
            return Staged(size: size, sha256: sha256)
        }
    }

    private func copy(blob: String, size: Int, to path: WorkspacePath) throws {
        let source = try Self.openBlob(blob)
        let target = try create(path)
        var copied = 0
        try withUnsafeTemporaryAllocation(byteCount: Self.chunkBytes, alignment: 16) { chunk in
            while true {
                let count = try systemCall("read", on: blob) {
                    Glibc.read(source.raw, chunk.baseAddress, chunk.count)
                }
                if count == 0 { break }
                copied += count
                try Self.writeAll(UnsafeRawBufferPointer(rebasing: chunk[..<count]), to: target)
            }
        }
        guard copied == size else { throw SandboxError.setup("a stored file has \(copied) bytes instead of \(size)") }
    }

    /// Ours, on our disk.
    private static func openBlob(_ path: String) throws(SandboxError) -> Descriptor {
        let raw = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard raw >= 0 else { throw .setup("a stored file cannot be read: \(SystemError("open", code: errno))") }
        return Descriptor(owning: raw)
    }

    /// Copying goes in steps of so many bytes.
    static let chunkBytes = 256 << 10

    private func create(_ path: WorkspacePath) throws(SystemError) -> Descriptor {
        let components = path.string.utf8.split(separator: UInt8(ascii: "/"))
            .map { String(decoding: $0, as: UTF8.self) }
        var directory = root
        for name in components.dropLast() { directory = try enter(name, in: directory) }
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK
        let name = components.last ?? path.string
        let file = try Self.open(name, in: directory, flags: flags, mode: 0o644)
        guard let status = Self.status(of: file), Self.isRegular(status) else {
            throw SystemError("openat2", on: name, code: EISDIR)
        }
        return file
    }

    /// Opens a directory, made if it is missing.
    private func enter(_ name: String, in directory: Descriptor) throws(SystemError) -> Descriptor {
        if mkdirat(directory.raw, name, 0o755) != 0, errno != EEXIST {
            throw SystemError("mkdirat", on: name, code: errno)
        }
        return try Self.open(name, in: directory, flags: CI_O_PATH | O_DIRECTORY | O_NOFOLLOW)
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Descriptor) throws(SystemError) {
        var written = 0
        while written < bytes.count {
            let count = try systemCall("write") {
                Glibc.write(file.raw, bytes.baseAddress?.advanced(by: written), min(bytes.count - written, chunkBytes))
            }
            written += count
        }
    }

    private static func explained(_ error: SystemError, _ path: WorkspacePath) -> SandboxError {
        switch error.code {
        case ENOSPC, EDQUOT: .workspaceFull(path)
        case EISDIR, ENOTDIR, ELOOP, EEXIST, ENXIO: .notARegularFile(path)
        default: .setup(error.description)
        }
    }

    static func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
        var text = ""
        for byte in digest { text += byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16) }
        return text
    }
}
