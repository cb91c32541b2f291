import Execution
import JSON
import NIOCore
import Synchronization

/// The workspace of a container for file routes: every call is a request to its guest, who is as safe against racing processes as the kernel's own rules
/// make it, and has no more rights than the program.
struct ContainerTree: WorkspaceTree {
    let connection: GuestConnection

    func list(_ path: TreePath, limit: Int) async throws -> TreeListing {
        try await explaining {
            let request = try connection.ask(GuestOrder.list(path, limit: limit))
            var lines = LineReader()
            var entries: [TreeEntry] = []
            while let piece = try await request.next() {
                guard let whole = lines.take(piece) else { throw connection.refuseAnswer() }
                for line in whole {
                    guard entries.count < limit, let entry = TreeEntry(line) else { throw connection.refuseAnswer() }
                    entries.append(entry)
                }
            }
            guard let isTruncated = try await request.answer()["truncated"]?.bool else {
                throw connection.refuseAnswer()
            }
            return TreeListing(entries: TreeEntry.sorted(entries), isTruncated: isTruncated)
        }
    }

    func open(_ path: TreePath) async throws -> TreeFile {
        if path.isRoot { throw WorkspaceTreeError.isADirectory }
        return try await explaining {
            let file = try await OpenedFile(GuestOrder.open(path), connection)
            return TreeFile(size: file.size, modified: file.modified, entityTag: file.entityTag) { offset, length in
                file.read(from: offset, length: length, explaining: Self.explained)
            }
        }
    }

    func write(
        _ path: TreePath,
        content: any AsyncSequence<ByteBuffer, any Error> & Sendable,
        limit: Int,
        condition: TreeCondition
    ) async throws -> TreeWritten {
        if path.isRoot || path.mustBeDirectory { throw WorkspaceTreeError.isADirectory }
        return try await explaining {
            let request = try connection.ask(GuestOrder.write(path, limit: limit, condition: condition))
            do {
                var size = 0
                for try await piece in content {
                    size += piece.readableBytes
                    if size > limit { throw WorkspaceTreeError.tooLarge(maxBytes: limit) }
                    guard try await request.send(piece) else { break }
                }
                // A client that went away may look like one that has said all.
                try Task.checkCancellation()
            } catch {
                request.cancel()
                throw error
            }
            request.finishSending()
            let answer = try await request.answer()
            guard let isNew = answer["new"]?.bool, let tag = answer["tag"]?.string, EntityTag.isSound(tag) else {
                throw connection.refuseAnswer()
            }
            return TreeWritten(isNew: isNew, entityTag: tag)
        }
    }

    func remove(_ path: TreePath) async throws {
        if path.isRoot { throw WorkspaceTreeError.isRoot }
        try await explaining {
            _ = try await connection.ask(GuestOrder.remove(path)).answer()
        }
    }

    private func explaining<Value>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch { throw Self.explained(error) }
    }

    /// In the words of a tree.
    static func explained(_ error: any Error) -> any Error {
        switch error {
        case let refusal as GuestRefusal: explained(refusal)
        case let lost as GuestLost: WorkspaceTreeError.failed("the sandbox was lost: \(lost.reason)")
        default: error
        }
    }

    private static func explained(_ refusal: GuestRefusal) -> any Error {
        switch refusal.word {
        case "notFound": WorkspaceTreeError.notFound
        case "notADirectory": WorkspaceTreeError.notADirectory
        case "isADirectory": WorkspaceTreeError.isADirectory
        case "notARegularFile": WorkspaceTreeError.notARegularFile
        case "outsideWorkspace": WorkspaceTreeError.outsideWorkspace
        case "nameTooLong": WorkspaceTreeError.nameTooLong
        case "isRoot": WorkspaceTreeError.isRoot
        case "permissionDenied": WorkspaceTreeError.permissionDenied
        case "conditionFailed": WorkspaceTreeError.conditionFailed
        case "full": WorkspaceTreeError.full
        case "busy": WorkspaceTreeError.busy
        case "invalidPath": WorkspaceTreeError.invalidPath
        case "cancelled": CancellationError()
        default: WorkspaceTreeError.failed("\(refusal.word): \(refusal.message)")
        }
    }
}

/// A file that a guest holds open for as long as this lives.
final class OpenedFile: Sendable {
    let size: Int
    let modified: TreeTime
    let entityTag: String
    private let handle: Int
    private let connection: GuestConnection

    /// - Throws: ``GuestRefusal``, ``GuestLost``, `CancellationError`.
    init(_ order: ByteBuffer, _ connection: GuestConnection) async throws {
        let request = try connection.ask(order)
        let answer: JSONObject
        do { answer = try await request.answer() } catch let error as CancellationError {
            // It may have been opened all the same.
            connection.tell(GuestOrder.close(request.handle))
            throw error
        }
        guard let size = answer["size"]?.integer, size >= 0, let modified = TreeTime(answer),
            let tag = answer["tag"]?.string, EntityTag.isSound(tag)
        else { throw connection.refuseAnswer() }
        self.size = size
        self.modified = modified
        entityTag = tag
        handle = request.handle
        self.connection = connection
    }

    deinit { connection.tell(GuestOrder.close(handle)) }

    /// Reads piece by piece, each when it is asked for; the file stays open for as long.
    func read(
        from offset: Int,
        length: Int,
        explaining: @escaping @Sendable (any Error) -> any Error
    ) -> AsyncThrowingStream<ByteBuffer, any Error> {
        let reading = Reading(file: self, offset: offset, length: length)
        return AsyncThrowingStream {
            do { return try await reading.next() } catch { throw explaining(error) }
        }
    }

    /// One pass through a part of a file.
    private final class Reading: Sendable {
        private let file: OpenedFile
        private let request: Result<GuestRequest, any Error>
        /// What it may still bring: clients were told how much comes.
        private let left: Mutex<Int>

        init(file: OpenedFile, offset: Int, length: Int) {
            self.file = file
            left = Mutex(length)
            request = Result {
                try file.connection.ask(GuestOrder.read(file.handle, offset: offset, length: length))
            }
        }

        deinit { (try? request.get())?.cancel() }

        func next() async throws -> ByteBuffer? {
            let request = try request.get()
            if let piece = try await request.next() {
                let isWanted = left.withLock { left in
                    left -= piece.readableBytes
                    return left >= 0
                }
                guard isWanted else { throw file.connection.refuseAnswer() }
                return piece
            }
            _ = try await request.answer()
            return nil
        }
    }
}

/// Cuts data into the lines of a listing.
struct LineReader {
    private var rest = ByteBuffer()
    /// Longer than any line can be: a path of 4,096 bytes in hexadecimal, and what stands around it.
    private static let longest = 16 << 10

    /// The whole lines there are now; nil when one does not end.
    mutating func take(_ piece: ByteBuffer) -> [ByteBuffer]? {
        rest.writeImmutableBuffer(piece)
        var lines: [ByteBuffer] = []
        while let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            let length = end - rest.readerIndex
            guard length <= Self.longest, let line = rest.readSlice(length: length) else { break }
            rest.moveReaderIndex(forwardBy: 1)
            lines.append(line)
        }
        // The lines hold what they are made of.
        rest.discardReadBytes()
        return rest.readableBytes <= Self.longest ? lines : nil
    }
}

extension TreeEntry {
    /// One line of a listing; nil for what is none.
    fileprivate init?(_ line: ByteBuffer) {
        guard let fields = JSONValue.object(in: line),
            let name = fields["name"]?.string.flatMap(HexadecimalName.decode),
            1...255 ~= name.count, !name.contains(0), !name.contains(UInt8(ascii: "/")),
            let isDirectory = fields["directory"]?.bool, let modified = TreeTime(fields)
        else { return nil }
        let size = fields["size"]?.integer
        if let size, size < 0 { return nil }
        self.init(name: name, isDirectory: isDirectory, size: size, modified: modified)
    }
}

extension TreeTime {
    /// nil for what is no moment.
    fileprivate init?(_ fields: JSONObject) {
        guard let seconds = fields["seconds"]?.integer, let nanoseconds = fields["nanoseconds"]?.integer,
            0..<1_000_000_000 ~= nanoseconds
        else { return nil }
        self.init(seconds: seconds, nanoseconds: nanoseconds)
    }
}

/// What guests call states of files; it stands in headers.
private enum EntityTag {
    static func isSound(_ tag: String) -> Bool {
        guard 3...130 ~= tag.utf8.count, tag.utf8.first == quote, tag.utf8.last == quote else { return false }
        return tag.utf8.dropFirst().dropLast().allSatisfy { $0 == UInt8(ascii: "-") || Hexadecimal.value($0) != nil }
    }

    private static let quote = UInt8(ascii: "\"")
}
