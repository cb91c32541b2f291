import Hummingbird
import NIOCore

/// Reads the parts of a multipart body one after the other, on demand, without holding more than a piece of it.
///
/// Not for several tasks at once: the next part may only be asked for when the content of the one before is not being read.
// Safety: one request owns it. It is handed to the file store as the source of one file and used by nobody else until the
// store has returned.
final class MultipartReader: @unchecked Sendable {
    private var pieces: RequestBody.AsyncIterator
    private var parser: MultipartParser
    private var isInsidePart = false
    private var isFinished = false
    private var remainingBytes: Int

    /// Reads `body`, of which `maxBytes` are allowed, boundaries and all.
    init(_ body: RequestBody, boundary: String, maxBytes: Int) {
        pieces = body.makeAsyncIterator()
        parser = MultipartParser(boundary: boundary)
        remainingBytes = maxBytes
    }

    /// Skips what is left of the current part and gives the next one; nil after the last.
    ///
    /// - Throws: ``MultipartError``, ``BodyTooLarge``.
    func nextPart() async throws -> MultipartPart? {
        while !isFinished {
            switch try await nextEvent() {
            case .begin(let part):
                isInsidePart = true
                return part
            case .content: continue
            case .end: isInsidePart = false
            case .finished: isFinished = true
            }
        }
        return nil
    }

    /// The next piece of the current part; nil at its end.
    func nextContent() async throws -> ByteBuffer? {
        guard isInsidePart else { return nil }
        guard case .content(let bytes) = try await nextEvent() else {
            isInsidePart = false
            return nil
        }
        return bytes
    }

    /// The current part as a whole.
    ///
    /// - Throws: ``PartTooLarge`` when it has more than `limit` bytes.
    func content(upTo limit: Int) async throws -> ByteBuffer {
        var whole = ByteBuffer()
        while let bytes = try await nextContent() {
            if whole.readableBytes + bytes.readableBytes > limit { throw PartTooLarge() }
            whole.writeImmutableBuffer(bytes)
        }
        return whole
    }

    struct PartTooLarge: Error {}

    struct BodyTooLarge: Error {}

    /// At the end of the body the parser gives an event or throws, so this ends.
    private func nextEvent() async throws -> MultipartParser.Event {
        while true {
            if let event = try parser.next() { return event }
            if let piece = try await pieces.next() {
                remainingBytes -= piece.readableBytes
                if remainingBytes < 0 { throw BodyTooLarge() }
                parser.receive(piece)
            } else {
                parser.receiveEnd()
            }
        }
    }
}

/// The content of the part a ``MultipartReader`` is at, as a sequence to be read once.
struct MultipartContent: AsyncSequence, Sendable {
    let reader: MultipartReader

    struct AsyncIterator: AsyncIteratorProtocol {
        let reader: MultipartReader
        func next() async throws -> ByteBuffer? { try await reader.nextContent() }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(reader: reader) }
}
