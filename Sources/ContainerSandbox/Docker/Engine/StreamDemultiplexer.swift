import NIOCore

/// Takes the two outputs of a container apart, which the daemon sends as one stream of frames.
///
/// A frame is its output (0 or 1: standard output, 2: standard error, 3: an error of the daemon), three zeros, the length of its payload as a
/// big-endian 32-bit number, and the payload. Frames may be cut anywhere; payloads are handed on as they come.
struct StreamDemultiplexer {
    enum Output: Sendable, Equatable {
        case standardOutput
        case standardError
    }

    /// Longest payload that is believed. Daemons send at most 32 KiB at a time.
    static let maximumFrame = 16 << 20
    /// Most bytes kept of an error of the daemon.
    private static let maximumMessage = 4096

    private enum State {
        /// Some bytes of a header, at most seven.
        case header
        case payload(Output, missing: Int)
        case daemonError(missing: Int)
    }

    private var state = State.header
    /// The beginning of a header, or of an error of the daemon.
    private var pending = ByteBuffer()

    /// Gives the payloads in `bytes`, never an empty one.
    ///
    /// - Throws: ``EngineError/garbled(_:)`` for what is no frame; the stream is of no use then.
    mutating func feed(_ bytes: ByteBuffer, emit: (Output, ByteBuffer) -> Void) throws(EngineError) {
        var bytes = bytes
        while bytes.readableBytes > 0 {
            switch state {
            case .header:
                try takeHeader(&bytes)
            case .payload(let output, let missing):
                let count = min(missing, bytes.readableBytes)
                if let slice = bytes.readSlice(length: count) { emit(output, slice) }
                state = missing == count ? .header : .payload(output, missing: missing - count)
            case .daemonError(let missing):
                try takeDaemonError(&bytes, missing: missing)
            }
        }
    }

    /// The stream has ended.
    ///
    /// - Throws: ``EngineError/garbled(_:)`` where that was inside a frame.
    func finish() throws(EngineError) {
        if case .header = state, pending.readableBytes == 0 { return }
        throw .garbled("the stream of a container ended inside a frame")
    }

    private mutating func takeHeader(_ bytes: inout ByteBuffer) throws(EngineError) {
        let count = min(8 - pending.readableBytes, bytes.readableBytes)
        if let slice = bytes.readSlice(length: count) { pending.writeImmutableBuffer(slice) }
        guard pending.readableBytes == 8, let kind = pending.readInteger(as: UInt8.self),
            let zeros = pending.readBytes(length: 3), let length = pending.readInteger(as: UInt32.self)
        else { return }
        pending.clear()
        guard kind <= 3, zeros == [0, 0, 0] else {
            throw .garbled("no header of a frame. Has the container a terminal?")
        }
        guard length <= Self.maximumFrame else { throw .garbled("a frame of \(length) bytes") }
        let missing = Int(length)
        switch kind {
        case 3: state = .daemonError(missing: missing)
        case _ where missing == 0: state = .header
        case 2: state = .payload(.standardError, missing: missing)
        default: state = .payload(.standardOutput, missing: missing)
        }
    }

    private mutating func takeDaemonError(_ bytes: inout ByteBuffer, missing: Int) throws(EngineError) {
        let count = min(missing, bytes.readableBytes)
        if let slice = bytes.readSlice(length: count), pending.readableBytes < Self.maximumMessage {
            pending.writeImmutableBuffer(slice)
        }
        guard count == missing else {
            state = .daemonError(missing: missing - count)
            return
        }
        throw .refused(status: 500, message: EngineError.legible(String(buffer: pending)))
    }
}
