import CLinux
import Crypto
import Execution
import Glibc

extension Workspace {
    /// Regular files that are new or differ from what was staged.
    func produced(since staged: [String: Staged], limits: ProducedFileLimits) -> ProducedFiles {
        var survey = Survey(limits: limits)
        if let top = Self.openDirectory(".", in: root) { survey.visit(top, path: "", depth: 0) }
        return select(survey, staged, limits)
    }

    private func select(_ survey: Survey, _ staged: [String: Staged], _ limits: ProducedFileLimits) -> ProducedFiles {
        var files: [ProducedFiles.File] = []
        var omitted = survey.omitted
        var total = 0
        for (path, size) in survey.found.sorted(by: { $0.path < $1.path }) {
            if let original = staged[path.string], original.size == size, isUnchanged(path, original) { continue }
            guard files.count < limits.count, size <= limits.bytesPerFile, size <= limits.totalBytes - total else {
                omitted += 1
                continue
            }
            total += size
            files.append(ProducedFiles.File(path: path, size: size))
        }
        return ProducedFiles(files: files, omitted: omitted)
    }

    /// Compares the content. Times would not do: writing through a mapping leaves those of a file in memory as they
    /// are.
    private func isUnchanged(_ path: WorkspacePath, _ original: Staged) -> Bool {
        guard let (file, _) = Self.openRegular(path.string, in: root) else { return false }
        var hash = SHA256()
        var remaining = original.size
        return withUnsafeTemporaryAllocation(byteCount: Self.chunkBytes, alignment: 16) { chunk in
            while remaining > 0 {
                let count = Glibc.read(file.raw, chunk.baseAddress, min(chunk.count, remaining))
                if count <= 0 { return false }
                hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: chunk[..<count]))
                remaining -= count
            }
            return Self.hexadecimal(hash.finalize()) == original.sha256
        }
    }
}

/// A walk through a tree that others may change at the same time.
private struct Survey {
    let limits: ProducedFileLimits
    var found: [(path: WorkspacePath, size: Int)] = []
    var omitted = 0
    private var entriesLeft: Int

    init(limits: ProducedFileLimits) {
        self.limits = limits
        self.entriesLeft = limits.entries
    }

    mutating func visit(_ directory: Descriptor, path: String, depth: Int) {
        var listing = DirectoryListing(directory, bufferBytes: 32 << 10)
        while let entry = listing.next() {
            guard entriesLeft > 0 else { return omitted += 1 }
            entriesLeft -= 1
            // Names that are no text are left out.
            guard let name = String(validating: entry.name, as: UTF8.self) else { continue }
            let path = path.isEmpty ? name : path + "/" + name
            switch entry.type {
            case .directory: descend(name, in: directory, path: path, depth: depth + 1)
            case .file: consider(name, in: directory, path: path)
            case .other: continue
            }
        }
    }

    private mutating func descend(_ name: String, in directory: Descriptor, path: String, depth: Int) {
        guard depth <= limits.depth, path.utf8.count <= 4096 else { return omitted += 1 }
        guard let inner = Workspace.openDirectory(name, in: directory) else { return }
        visit(inner, path: path, depth: depth)
    }

    private mutating func consider(_ name: String, in directory: Descriptor, path: String) {
        guard let path = try? WorkspacePath(path) else { return omitted += 1 }  // Too long to be named.
        if path == .entrypoint { return }
        guard let held = try? Workspace.open(name, in: directory, flags: CI_O_PATH | O_NOFOLLOW),  // It vanished.
            let status = Workspace.status(of: held), Workspace.isRegular(status)
        else { return }
        found.append((path, Int(status.st_size)))
    }
}

extension Workspace {
    /// Whether there is nothing but the program itself: the common case, found without a walk.
    var holdsOnlyTheProgram: Bool {
        guard let top = Self.openDirectory(".", in: root) else { return false }
        var listing = DirectoryListing(top, bufferBytes: 512)
        while let entry = listing.next() {
            if !entry.name.elementsEqual(WorkspacePath.entrypoint.string.utf8) { return false }
        }
        return true
    }
}
