/// What a guest may say over its channel. Everything it says is as trustworthy as user code.
enum GuestFrame: Sendable, Equatable {
    /// Step `step` of `[entry]` failed.
    case failed(step: Int, code: Int32)
    case ready
    case done(exitCode: Int)
}

/// Cuts the bytes of a channel into frames.
struct FrameReader: Sendable {
    /// A guest's frames are small; a longer one is the end of the guest.
    static let limit = 1 << 20

    private var bytes: [UInt8] = []

    /// Why a guest is not listened to any longer.
    struct Refused: Error, Equatable {}

    /// Takes what was read.
    mutating func append(_ more: some Sequence<UInt8>) {
        bytes.append(contentsOf: more)
    }

    /// The next whole frame, nil until there is one.
    mutating func next() throws(Refused) -> GuestFrame? {
        guard bytes.count >= 4 else { return nil }
        let length = (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        guard length <= Self.limit else { throw Refused() }
        guard bytes.count >= 4 + length else { return nil }
        let body = Array(bytes[4..<4 + length])
        bytes.removeFirst(4 + length)
        var parser = FlatObjectParser(body)
        guard let members = parser.parse(), let frame = GuestFrame(members) else { throw Refused() }
        return frame
    }
}

extension GuestFrame {
    fileprivate init?(_ members: [String: FlatObjectParser.Value]) {
        switch members["type"] {
        case .text("ready"):
            self = .ready
        case .text("done"):
            guard case .number(let code) = members["exit_code"], 0...255 ~= code else { return nil }
            self = .done(exitCode: code)
        case .text("failed"):
            guard case .number(let step) = members["step"], case .number(let code) = members["errno"],
                let code = Int32(exactly: code), let step = Int(exactly: step)
            else { return nil }
            self = .failed(step: step, code: code)
        default:
            return nil
        }
    }
}

/// Reads a JSON object of short texts without escapes and of integers: all a guest has to say. Anything else is
/// refused.
struct FlatObjectParser {
    enum Value: Equatable {
        case text(String)
        case number(Int)
    }

    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The members; nil when the text is anything but one such object. Of a name that occurs twice the last counts.
    mutating func parse() -> [String: Value]? {
        var members: [String: Value] = [:]
        guard take("{") else { return nil }
        if take("}") { return isAtEnd ? members : nil }
        repeat {
            guard members.count < 16, let name = text(), take(":"), let value = value() else { return nil }
            members[name] = value
        } while take(",")
        return take("}") && isAtEnd ? members : nil
    }

    private var isAtEnd: Bool { bytes[position...].allSatisfy(Self.isSpace) }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (9...10) ~= byte || byte == 13 }

    private mutating func skipSpace() {
        while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func text() -> String? {
        guard take("\"") else { return nil }
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            guard bytes[position] >= 0x20, bytes[position] != UInt8(ascii: "\\") else { return nil }
            position += 1
        }
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return String(validating: bytes[start..<position], as: UTF8.self)
    }

    private mutating func value() -> Value? {
        skipSpace()
        guard position < bytes.count else { return nil }
        if bytes[position] == UInt8(ascii: "\"") { return text().map(Value.text) }
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= bytes[position] { position += 1 }
        return Int(String(decoding: bytes[start..<position], as: UTF8.self)).map(Value.number)
    }
}
