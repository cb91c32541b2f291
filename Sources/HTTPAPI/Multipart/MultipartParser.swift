import NIOCore

/// Why a body is not the multipart/form-data it claims to be.
enum MultipartError: Error, Equatable {
    /// It breaks the rules of RFC 2046 or ends too early.
    case malformed
    /// A part has no Content-Disposition with a name.
    case unnamedPart
    case tooManyParts(limit: Int)
    case headersTooLarge
}

/// Splits a multipart/form-data body into its parts, however the body is cut into pieces.
///
/// Feed it with ``receive(_:)`` and ``receiveEnd()``, and take events with ``next()`` until that gives nil. It holds at most what was fed and not yet
/// taken, plus what may still turn out to be a boundary. A pure value: no I/O.
struct MultipartParser {
    enum Event: Equatable {
        case begin(MultipartPart)
        case content(ByteBuffer)
        case end
        /// After the last boundary. What follows it is ignored.
        case finished
    }

    struct Limits: Sendable {
        var parts = 1000
        /// Of the headers of one part.
        var headerBytes = 16 * 1024
        var headerCount = 32
        /// Before the first boundary.
        var preambleBytes = 64 * 1024
    }

    private enum State {
        case preamble
        /// A boundary line lies at the front of the buffer, whole.
        case boundary
        case headers(MultipartPart, count: Int, bytes: Int)
        case content
        case finished
    }

    /// CR LF "--" boundary. The first one needs no line before it, which a made-up line end hides.
    private let delimiter: [UInt8]
    private let limits: Limits
    private var state = State.preamble
    private var buffer = ByteBuffer(string: "\r\n")
    private var hasEnded = false
    private var partCount = 0
    private var preambleBytes = 0

    /// `boundary` is that of the Content-Type and not empty.
    init(boundary: String, limits: Limits = Limits()) {
        delimiter = Array("\r\n--\(boundary)".utf8)
        self.limits = limits
    }

    mutating func receive(_ bytes: ByteBuffer) {
        if case .finished = state { return }
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            // Appending in place would copy what the slices given out still share.
            var joined = ByteBufferAllocator().buffer(capacity: buffer.readableBytes + bytes.readableBytes)
            joined.writeImmutableBuffer(buffer)
            joined.writeImmutableBuffer(bytes)
            buffer = joined
        }
    }

    mutating func receiveEnd() { hasEnded = true }

    /// The next event, nil when more must be received first.
    mutating func next() throws(MultipartError) -> Event? {
        while true {
            switch state {
            case .finished: return nil
            case .preamble: guard try skipPreamble() else { return nil }
            case .boundary: if try passBoundaryLine() { return .finished }
            case .headers(let part, let count, let bytes):
                switch try readHeader(of: part, count: count, bytes: bytes) {
                case .incomplete: return nil
                case .one: continue
                case .last: return .begin(part)
                }
            case .content: return try readContent()
            }
        }
    }

    // MARK: Boundaries

    private enum Delimiter {
        /// Bytes before it.
        case found(Int)
        /// Bytes that surely are not part of one; the rest may be.
        case notYet(Int)
    }

    /// Looks for a line that consists of the boundary.
    private func findDelimiter() -> Delimiter {
        let view = buffer.readableBytesView
        var place = view.startIndex
        while let candidate = view[place...].firstIndex(of: UInt8(ascii: "\r")) {
            switch isDelimiter(view[candidate...]) {
            case true?: return .found(candidate - view.startIndex)
            case nil: return .notYet(candidate - view.startIndex)
            case false?: place = candidate + 1
            }
        }
        return .notYet(view.count)
    }

    /// nil when it is too short to tell.
    private func isDelimiter(_ view: ByteBufferView) -> Bool? {
        let start = view.prefix(delimiter.count)
        guard delimiter.starts(with: start) else { return false }
        guard start.count == delimiter.count else { return nil }
        let rest = view.dropFirst(delimiter.count)
        guard let first = rest.first else { return nil }
        if first == UInt8(ascii: "-") {
            guard rest.count > 1 else { return nil }
            return rest[rest.startIndex + 1] == UInt8(ascii: "-")
        }
        let padding = rest.prefix(Self.maximumPadding + 1).prefix { $0 == 0x20 || $0 == 0x09 }
        if padding.count > Self.maximumPadding { return false }
        let end = rest.dropFirst(padding.count).prefix(2)
        guard "\r\n".utf8.starts(with: end) else { return false }
        return end.count == 2 ? true : nil
    }

    /// White space that may follow a boundary on its line.
    private static let maximumPadding = 64

    private mutating func skipPreamble() throws(MultipartError) -> Bool {
        switch findDelimiter() {
        case .found(let count):
            if preambleBytes + count > limits.preambleBytes { throw .malformed }
            buffer.moveReaderIndex(forwardBy: count)
            state = .boundary
            return true
        case .notYet(let count):
            buffer.moveReaderIndex(forwardBy: count)
            preambleBytes += count
            if hasEnded || preambleBytes > limits.preambleBytes { throw .malformed }
            return false
        }
    }

    /// Passes the line of the boundary; true when it was the last boundary.
    private mutating func passBoundaryLine() throws(MultipartError) -> Bool {
        buffer.moveReaderIndex(forwardBy: delimiter.count)
        if buffer.readableBytesView.first == UInt8(ascii: "-") {
            state = .finished
            buffer = ByteBuffer()
            return true
        }
        while let byte = buffer.readInteger(as: UInt8.self), byte != UInt8(ascii: "\n") {}
        partCount += 1
        if partCount > limits.parts { throw .tooManyParts(limit: limits.parts) }
        state = .headers(MultipartPart(), count: 0, bytes: 0)
        return false
    }

    private mutating func readContent() throws(MultipartError) -> Event? {
        switch findDelimiter() {
        case .found(0):
            state = .boundary
            return .end
        case .notYet(0):
            if hasEnded { throw .malformed }
            return nil
        case .found(let count), .notYet(let count):
            return buffer.readSlice(length: count).map(Event.content)
        }
    }

    // MARK: Headers

    private enum HeaderLine {
        case incomplete
        case one
        case last
    }

    private mutating func readHeader(
        of part: MultipartPart,
        count: Int,
        bytes: Int
    ) throws(MultipartError) -> HeaderLine {
        guard let lineFeed = buffer.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else {
            if bytes + buffer.readableBytes > limits.headerBytes { throw .headersTooLarge }
            if hasEnded { throw .malformed }
            return .incomplete
        }
        let length = lineFeed - buffer.readerIndex + 1
        guard bytes + length <= limits.headerBytes, count < limits.headerCount else { throw .headersTooLarge }
        guard let line = buffer.readBytes(length: length), line.count >= 2, line[line.count - 2] == UInt8(ascii: "\r")
        else { throw .malformed }
        if line.count == 2 {
            if part.name == nil { throw .unnamedPart }
            state = .content
            return .last
        }
        var part = part
        guard part.takeHeader(line.dropLast(2)) else { throw .malformed }
        state = .headers(part, count: count + 1, bytes: bytes + length)
        return .one
    }
}
