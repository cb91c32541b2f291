import Execution
import JSON
import NIOCore

/// Makes the server-sent events of one execution.
///
/// Each event is two lines and an empty one. Whatever a program prints is inside a JSON string, where line ends are escaped, so it cannot make events of its own.
struct EventEncoder {
    private var stdout = JSONTextEncoder()
    private var stderr = JSONTextEncoder()

    /// One output event for each chunk; none for a chunk that is only the beginning of a character.
    mutating func output(_ chunks: [OutputQueue.Chunk]) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: chunks.reduce(0) { $0 + $1.bytes.readableBytes + 80 })
        for chunk in chunks {
            Self.writeOutput(of: chunk.stream, to: &buffer) { buffer in
                switch chunk.stream {
                case .stdout: stdout.append(chunk.bytes, to: &buffer)
                case .stderr: stderr.append(chunk.bytes, to: &buffer)
                }
            }
        }
        return buffer
    }

    /// The unfinished characters, then the result.
    mutating func result(_ result: ExecutionResult) -> ByteBuffer {
        var buffer = unfinished()
        var writer = JSONWriter()
        writer.raw("event: result\ndata: {")
        ExecutionAnswer.writeFields(of: result, to: &writer)
        writer.raw("}\n\n")
        buffer.writeImmutableBuffer(writer.buffer)
        return buffer
    }

    /// The unfinished characters, then why there is no result.
    mutating func error(_ message: String) -> ByteBuffer {
        var buffer = unfinished()
        var writer = JSONWriter()
        writer.raw("event: error\ndata: {\"message\":")
        writer.string(message)
        writer.raw("}\n\n")
        buffer.writeImmutableBuffer(writer.buffer)
        return buffer
    }

    private mutating func unfinished() -> ByteBuffer {
        var buffer = ByteBuffer()
        Self.writeOutput(of: .stdout, to: &buffer) { stdout.finish(to: &$0) }
        Self.writeOutput(of: .stderr, to: &buffer) { stderr.finish(to: &$0) }
        return buffer
    }

    private static func writeOutput(
        of stream: OutputStream,
        to buffer: inout ByteBuffer,
        text: (inout ByteBuffer) -> Void
    ) {
        let start = buffer.writerIndex
        buffer.writeStaticString("event: output\ndata: {\"stream\":\"")
        buffer.writeString(stream.rawValue)
        buffer.writeStaticString("\",\"data\":\"")
        let empty = buffer.writerIndex
        text(&buffer)
        if buffer.writerIndex == empty {
            buffer.moveWriterIndex(to: start)
        } else {
            buffer.writeStaticString("\"}\n\n")
        }
    }
}
