import JSON
import NIOCore

/// Reads the answer to a request to attach, up to where the stream of the container begins.
///
/// Daemons answer 101 where the upgrade was understood and 200 where it was not; the stream is the same. All else is an error with a body.
struct AttachmentAnswer {
    enum Result: Equatable {
        case incomplete
        /// The stream begins with these bytes.
        case stream(ByteBuffer)
    }

    private static let maximumHead = 16 << 10
    private static let maximumErrorBody = 64 << 10

    private var pending = ByteBuffer()
    /// Status and length of the body of an error, once its head is there.
    private var refusal: (status: Int, length: Int?)?

    /// - Throws: ``EngineError`` where the daemon refused, or what came is no HTTP.
    mutating func feed(_ bytes: ByteBuffer) throws(EngineError) -> Result {
        pending.writeImmutableBuffer(bytes)
        if refusal == nil, let end = endOfHead() {
            let text = pending.readString(length: end) ?? ""
            let head = try Self.parse(text)
            if head.status == 101 || head.status == 200 { return .stream(pending) }
            refusal = head
        }
        guard let refusal else {
            guard pending.readableBytes <= Self.maximumHead else { throw .garbled("a head of more than 16 KiB") }
            return .incomplete
        }
        if pending.readableBytes >= refusal.length ?? Self.maximumErrorBody { throw failure(refusal.status) }
        return .incomplete
    }

    /// The connection has ended before there was a stream.
    func ended() -> EngineError {
        if let refusal { return failure(refusal.status) }
        return pending.readableBytes == 0
            ? .unreachable("it closed the connection without an answer") : .garbled("half an answer")
    }

    /// A body without a length may be in chunks; the object is what stands between the outermost braces.
    private func failure(_ status: Int) -> EngineError {
        let bytes = pending.readableBytesView
        guard let first = bytes.firstIndex(of: UInt8(ascii: "{")), let last = bytes.lastIndex(of: UInt8(ascii: "}")),
            first < last
        else { return EngineTransport.failure(EngineAnswer(status: status, body: pending)) }
        return EngineTransport.failure(EngineAnswer(status: status, body: ByteBuffer(bytes[first...last])))
    }

    /// How many bytes the head has with the empty line at its end.
    private func endOfHead() -> Int? {
        let bytes = pending.readableBytesView
        guard bytes.count >= 4 else { return nil }
        return (bytes.startIndex...bytes.endIndex - 4).first { bytes[$0..<$0 + 4].elementsEqual("\r\n\r\n".utf8) }
            .map { $0 + 4 - bytes.startIndex }
    }

    private static func parse(_ head: String) throws(EngineError) -> (status: Int, length: Int?) {
        let lines = head.split(separator: "\r\n")
        let words = (lines.first ?? "").split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0] == "HTTP/1.1" || words[0] == "HTTP/1.0", words[1].utf8.count == 3,
            let status = Int(words[1])
        else { throw .garbled("no HTTP") }
        let length = lines.dropFirst().first { $0.lowercased().hasPrefix("content-length:") }
            .flatMap { Int($0.dropFirst("content-length:".count).trimming { $0 == " " }) }
        return (status, length.map { min(max($0, 0), maximumErrorBody) })
    }
}

extension Substring {
    fileprivate func trimming(_ isUnwanted: (Character) -> Bool) -> Substring {
        var rest = drop(while: isUnwanted)
        while let last = rest.last, isUnwanted(last) { rest.removeLast() }
        return rest
    }
}
