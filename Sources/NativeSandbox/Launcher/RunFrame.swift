import Execution

/// The one thing the server says to a guest: run this.
enum RunFrame {
    /// The frame as bytes, its length in front.
    static func encode(_ script: Script) -> [UInt8] {
        var bytes: [UInt8] = [0, 0, 0, 0]
        bytes.reserveCapacity(script.code.utf8.count + script.code.utf8.count / 8 + 256)
        bytes += "{\"type\":\"run\",\"code\":".utf8
        append(script.code, to: &bytes)
        bytes += ",\"filename\":\"\(SandboxPlan.Path.workspace)/\(WorkspacePath.entrypoint)\"".utf8
        bytes += ",\"arguments\":[],\"interactive\":\(script.isLastLineInteractive),\"environment\":{}}".utf8
        let length = UInt32(bytes.count - 4)
        for index in 0..<4 { bytes[index] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(index))) }
        return bytes
    }

    /// Adds `text` as a JSON string.
    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 10:
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(UInt8(ascii: "n"))
            case 0..<0x20:
                bytes += "\\u00".utf8
                bytes.append(hexadecimalDigits[Int(byte >> 4)])
                bytes.append(hexadecimalDigits[Int(byte & 15)])
            default:
                bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static let hexadecimalDigits = Array("0123456789abcdef".utf8)
}
