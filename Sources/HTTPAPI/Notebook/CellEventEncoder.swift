import Execution
import JSON
import NIOCore

/// Makes the lines of one cell's stream: newline-delimited JSON.
///
/// Whatever a program prints or shows is inside a JSON string or was checked to be one line, so it cannot make lines of its own.
struct CellEventEncoder {
    /// Most bytes of output in a line. An escaped byte becomes six at the most, so that a line stays below the 64 KiB at which readers of lines give up.
    static let textBytes = 10_000

    private var stdout = JSONTextEncoder()
    private var stderr = JSONTextEncoder()
    private var clock = TimestampWriter()
    private var hasStarted = false

    static let keepalive = ByteBuffer(string: "{\"type\":\"keepalive\"}\n")
    private static let end = "{\"type\":\"end_of_execution\"}\n"

    /// The lines of some events; a chunk that is only the beginning of a character makes none.
    mutating func lines(_ events: [CellEvent]) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: 1024)
        for event in events {
            switch event {
            case .started(let count): writeStart(count, to: &buffer)
            case .output(let stream, let bytes): writeOutput(bytes, of: stream, to: &buffer)
            case .display(let bundle, let isMain):
                ResultLine.write(bundle, isMain: isMain, to: &buffer)
            case .error(let error): Self.write(error, to: &buffer)
            }
        }
        return buffer
    }

    /// The unfinished characters, how it ended where that is unusual, and the end.
    mutating func end(_ ending: CellEnding) -> ByteBuffer {
        var buffer = unfinished()
        if let error = CellEndingLine.error(of: ending) { Self.write(error, to: &buffer) }
        CellEndingLine.write(ending, to: &buffer)
        buffer.writeString(Self.end)
        return buffer
    }

    /// The unfinished characters, why the cell did not run to its end, and the end.
    mutating func failure(_ message: String) -> ByteBuffer {
        var buffer = unfinished()
        Self.write(CellError(name: "ExecutionError", value: message, traceback: message), to: &buffer)
        buffer.writeString(Self.end)
        return buffer
    }

    private mutating func writeStart(_ count: Int, to buffer: inout ByteBuffer) {
        hasStarted = true
        buffer.writeString("{\"type\":\"number_of_executions\",\"execution_count\":\(count)}\n")
    }

    /// Whatever an end needs before it: a beginning, where the cell never had one, and the unfinished characters.
    private mutating func unfinished() -> ByteBuffer {
        var buffer = ByteBuffer()
        if !hasStarted { writeStart(0, to: &buffer) }
        let timestamp = clock.now()
        Self.writeText(of: .stdout, timestamp, to: &buffer) { stdout.finish(to: &$0) }
        Self.writeText(of: .stderr, timestamp, to: &buffer) { stderr.finish(to: &$0) }
        return buffer
    }

    private mutating func writeOutput(_ bytes: ByteBuffer, of stream: OutputStream, to buffer: inout ByteBuffer) {
        let timestamp = clock.now()
        var rest = bytes
        while let piece = rest.readSlice(length: min(Self.textBytes, rest.readableBytes)), piece.readableBytes > 0 {
            Self.writeText(of: stream, timestamp, to: &buffer) { buffer in
                switch stream {
                case .stdout: stdout.append(piece, to: &buffer)
                case .stderr: stderr.append(piece, to: &buffer)
                }
            }
        }
    }

    private static func writeText(
        of stream: OutputStream,
        _ timestamp: String,
        to buffer: inout ByteBuffer,
        text: (inout ByteBuffer) -> Void
    ) {
        let start = buffer.writerIndex
        buffer.writeStaticString(
            stream == .stdout ? "{\"type\":\"stdout\",\"text\":\"" : "{\"type\":\"stderr\",\"text\":\""
        )
        let empty = buffer.writerIndex
        text(&buffer)
        if buffer.writerIndex == empty { return buffer.moveWriterIndex(to: start) }
        buffer.writeStaticString("\",\"timestamp\":\"")
        buffer.writeString(timestamp)
        buffer.writeStaticString("\"}\n")
    }

    private static func write(_ error: CellError, to buffer: inout ByteBuffer) {
        var writer = JSONWriter()
        writer.raw("{\"type\":\"error\",\"name\":")
        writer.string(error.name)
        writer.raw(",\"value\":")
        writer.string(error.value)
        writer.raw(",\"traceback\":")
        writer.string(error.traceback)
        writer.raw("}\n")
        buffer.writeImmutableBuffer(writer.buffer)
    }
}
