import JSON
import NIOCore

/// Cuts a stream of JSON values, one a line, into values.
struct JSONLineSplitter {
    /// Most bytes of a line: labels of a container are in an event.
    static let maximumLine = 1 << 20

    private var pending = ByteBuffer()

    /// Gives each value that `bytes` complete. Empty lines are nothing.
    ///
    /// - Throws: ``EngineError/garbled(_:)`` for what is no JSON or too long, and what `emit` throws.
    mutating func feed(_ bytes: ByteBuffer, emit: (JSONValue) throws(EngineError) -> Void) throws(EngineError) {
        pending.writeImmutableBuffer(bytes)
        while let end = pending.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            guard let line = pending.readSlice(length: end - pending.readerIndex + 1) else { break }
            try Self.parse(line, emit)
        }
        if pending.readableBytes > Self.maximumLine { throw .garbled("a line of more than \(Self.maximumLine) bytes") }
        pending.discardReadBytes()
    }

    /// Gives what came after the last end of a line.
    mutating func finish(emit: (JSONValue) throws(EngineError) -> Void) throws(EngineError) {
        try Self.parse(pending, emit)
        pending.clear()
    }

    private static func parse(_ line: ByteBuffer, _ emit: (JSONValue) throws(EngineError) -> Void) throws(EngineError) {
        guard line.readableBytesView.contains(where: { $0 > 0x20 }) else { return }
        let value: JSONValue
        do {
            value = try JSONParser.parse(line)
        } catch {
            throw .garbled("a line that is no JSON")
        }
        try emit(value)
    }
}
