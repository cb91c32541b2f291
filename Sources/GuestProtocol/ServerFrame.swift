package import Execution
import JSON
package import NIOCore

/// What the server says to a guest, as bytes: four of length, then JSON.
package enum ServerFrame {
    /// Run this program, which lies at `filename` inside.
    package static func run(_ script: Script, filename: String) -> ByteBuffer {
        frame(capacity: script.code.utf8.count + script.code.utf8.count / 8 + 256) { body in
            body.writeStaticString("{\"type\":\"run\",\"code\":")
            JSONString.append(script.code, to: &body)
            body.writeStaticString(",\"filename\":")
            JSONString.append(filename, to: &body)
            body.writeStaticString(",\"arguments\":[],\"interactive\":")
            body.writeStaticString(script.isLastLineInteractive ? "true" : "false")
            body.writeStaticString(",\"environment\":{}}")
        }
    }

    /// Become the interpreter of a context.
    package static func context(language: String, directory: String) -> ByteBuffer {
        frame(capacity: 256) { body in
            body.writeStaticString("{\"type\":\"context\",\"language\":")
            JSONString.append(language, to: &body)
            body.writeStaticString(",\"cwd\":")
            JSONString.append(directory, to: &body)
            body.writeStaticString(",\"environment\":{}}")
        }
    }

    /// Run this cell.
    package static func execute(_ cell: Cell, id: Int) -> ByteBuffer {
        frame(capacity: cell.code.utf8.count + cell.code.utf8.count / 8 + 256) { body in
            body.writeStaticString("{\"type\":\"execute\",\"id\":")
            body.writeString(String(id))
            body.writeStaticString(",\"code\":")
            JSONString.append(cell.code, to: &body)
            body.writeStaticString(",\"environment\":{")
            for (index, variable) in cell.environment.enumerated() {
                if index > 0 { body.writeStaticString(",") }
                JSONString.append(variable.name, to: &body)
                body.writeStaticString(":")
                JSONString.append(variable.value, to: &body)
            }
            body.writeStaticString("}}")
        }
    }

    private static func frame(capacity: Int, _ write: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: capacity)
        buffer.writeInteger(UInt32(0))
        write(&buffer)
        buffer.setInteger(UInt32(buffer.writerIndex - 4), at: 0, endianness: .little)
        return buffer
    }
}
