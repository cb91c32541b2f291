package import NIOCore

/// Why a text is no JSON, in the words and at the place Python's json module gives.
package enum JSONParseError: Error, Equatable {
    /// `offset` counts characters (Unicode scalars) from the beginning, a byte order mark left out.
    case syntax(message: String, offset: Int)
    /// What Python reports by other errors than a decoding error: bytes that are not UTF-8, nesting, digits or members beyond its or our limits.
    case unreadable
}

/// Reads JSON as Python's json module does, with the same messages at the same places.
///
/// It accepts `NaN`, `Infinity`, `-Infinity`, numbers beyond every range, repeated names (the last wins) and unpaired surrogate escapes. It works
/// without recursion and refuses what is nested too deeply or has too many values.
package struct JSONParser {
    /// Most containers inside one another; Python's own limit is of this size.
    package static let maximumDepth = 900
    /// Most values of one text, so that a small text cannot become a large tree.
    package static let maximumValues = 100_000
    /// Most digits of an integer, as in Python.
    package static let maximumDigits = 4300

    private let bytes: [UInt8]
    private let start: Int
    private var position: Int
    private var valueCount = 0
    private var stack: [Container] = []

    private struct Container {
        var isObject: Bool
        var names: [String] = []
        var values: [JSONValue] = []
    }

    package static func parse(_ buffer: ByteBuffer) throws(JSONParseError) -> JSONValue {
        var parser = JSONParser(bytes: Array(buffer.readableBytesView))
        return try parser.parseText()
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
        self.start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        self.position = start
    }

    private mutating func parseText() throws(JSONParseError) -> JSONValue {
        // Which byte is at fault is all the same to the client.
        guard (try? UTF8Span(validating: bytes.span)) != nil else { throw .unreadable }
        skipWhitespace()
        let value = try parseValue()
        skipWhitespace()
        if position < bytes.count { throw failure("Extra data", at: position) }
        return value
    }

    /// Reads one value of any depth: goes down by pushing containers, comes up by closing them.
    private mutating func parseValue() throws(JSONParseError) -> JSONValue {
        while true {
            guard var value = try openOrReadValue() else { continue }
            while true {
                if stack.isEmpty { return value }
                stack[stack.count - 1].values.append(value)
                guard let closed = try closeOrAdvance() else { break }
                value = closed
            }
        }
    }

    /// Reads a scalar or an empty container, or goes into a container and gives nil.
    private mutating func openOrReadValue() throws(JSONParseError) -> JSONValue? {
        valueCount += 1
        if valueCount > Self.maximumValues { throw .unreadable }
        guard let byte = current, byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") else {
            return try parseScalar()
        }
        let isObject = byte == UInt8(ascii: "{")
        position += 1
        skipWhitespace()
        if current == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
            position += 1
            return isObject ? .object(JSONObject(names: [], values: [])) : .array([])
        }
        if stack.count == Self.maximumDepth { throw .unreadable }
        stack.append(Container(isObject: isObject))
        if isObject { try parseName() }
        return nil
    }

    /// After a value: closes its container and gives it, or passes the comma and gives nil.
    private mutating func closeOrAdvance() throws(JSONParseError) -> JSONValue? {
        let isObject = stack[stack.count - 1].isObject
        skipWhitespace()
        if current == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
            position += 1
            let container = stack.removeLast()
            return isObject
                ? .object(JSONObject(names: container.names, values: container.values)) : .array(container.values)
        }
        guard current == UInt8(ascii: ",") else { throw failure("Expecting ',' delimiter", at: position) }
        position += 1
        skipWhitespace()
        if isObject { try parseName() }
        return nil
    }

    private mutating func parseName() throws(JSONParseError) {
        guard current == UInt8(ascii: "\"") else {
            throw failure("Expecting property name enclosed in double quotes", at: position)
        }
        let name = try parseString().text
        skipWhitespace()
        guard current == UInt8(ascii: ":") else { throw failure("Expecting ':' delimiter", at: position) }
        position += 1
        skipWhitespace()
        stack[stack.count - 1].names.append(name)
    }

    private mutating func parseScalar() throws(JSONParseError) -> JSONValue {
        switch current {
        case UInt8(ascii: "\""):
            let string = try parseString()
            return string.isBroken ? .brokenString(string.text) : .string(string.text)
        case UInt8(ascii: "n") where take("null"): return .null
        case UInt8(ascii: "t") where take("true"): return .bool(true)
        case UInt8(ascii: "f") where take("false"): return .bool(false)
        case UInt8(ascii: "N") where take("NaN"): return .number(.nan)
        case UInt8(ascii: "I") where take("Infinity"): return .number(.infinity)
        case UInt8(ascii: "-") where take("-Infinity"): return .number(-.infinity)
        default: return try parseNumber()
        }
    }

    // MARK: Small steps

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipWhitespace() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func take(_ word: String) -> Bool {
        guard bytes[position...].starts(with: word.utf8) else { return false }
        position += word.utf8.count
        return true
    }

    private func failure(_ message: String, at place: Int) -> JSONParseError {
        let characters = bytes[start..<place].count { $0 & 0xC0 != 0x80 }
        return .syntax(message: message, offset: characters)
    }
}

// MARK: Numbers

extension JSONParser {
    private mutating func parseNumber() throws(JSONParseError) -> JSONValue {
        let begin = position
        var end = begin
        if byte(at: end) == UInt8(ascii: "-") { end += 1 }
        let digits = end
        if byte(at: end) == UInt8(ascii: "0") { end += 1 } else { end = endOfDigits(from: end) }
        guard end > digits else { throw failure("Expecting value", at: begin) }
        let integerEnd = end
        if byte(at: end) == UInt8(ascii: "."), isDigit(at: end + 1) { end = endOfDigits(from: end + 1) }
        end = endOfExponent(from: end)
        position = end
        let text = String(decoding: bytes[begin..<end], as: UTF8.self)
        if end > integerEnd {
            guard let number = Double(text) else { throw .unreadable }
            return .number(number)
        }
        if end - digits > Self.maximumDigits { throw .unreadable }
        return Int(text).map(JSONValue.integer) ?? .bigInteger(text)
    }

    private func endOfExponent(from place: Int) -> Int {
        guard let byte = byte(at: place), byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") else { return place }
        var end = place + 1
        if let sign = self.byte(at: end), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { end += 1 }
        let last = endOfDigits(from: end)
        return last > end ? last : place
    }

    private func endOfDigits(from place: Int) -> Int {
        var end = place
        while isDigit(at: end) { end += 1 }
        return end
    }

    private func isDigit(at place: Int) -> Bool {
        byte(at: place).map { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? false
    }

    private func byte(at place: Int) -> UInt8? { place < bytes.count ? bytes[place] : nil }
}

// MARK: Strings

extension JSONParser {
    /// Reads the string that begins at the quotation mark under `position`.
    private mutating func parseString() throws(JSONParseError) -> (text: String, isBroken: Bool) {
        let begin = position
        position += 1
        var runStart = position
        var unescaped: [UInt8] = []
        var isBroken = false
        while true {
            guard let byte = current else { throw failure("Unterminated string starting at", at: begin) }
            if byte == UInt8(ascii: "\"") {
                defer { position += 1 }
                if unescaped.isEmpty { return (String(decoding: bytes[runStart..<position], as: UTF8.self), isBroken) }
                unescaped += bytes[runStart..<position]
                return (String(decoding: unescaped, as: UTF8.self), isBroken)
            }
            if byte < 0x20 { throw failure("Invalid control character at", at: position) }
            guard byte == UInt8(ascii: "\\") else {
                position += 1
                continue
            }
            unescaped += bytes[runStart..<position]
            let scalar = try parseEscape(stringStart: begin)
            if scalar == nil { isBroken = true }
            unescaped += UTF8.encode(scalar ?? "\u{FFFD}") ?? UTF8.encodedReplacementCharacter
            runStart = position
        }
    }

    /// Reads the escape under `position`; nil for an unpaired surrogate.
    private mutating func parseEscape(stringStart: Int) throws(JSONParseError) -> Unicode.Scalar? {
        guard let letter = byte(at: position + 1) else {
            throw failure("Unterminated string starting at", at: stringStart)
        }
        if letter == UInt8(ascii: "u") { return try parseUnicodeEscape() }
        guard let scalar = Self.simpleEscape(letter) else { throw failure("Invalid \\escape", at: position) }
        position += 2
        return scalar
    }

    private static func simpleEscape(_ letter: UInt8) -> Unicode.Scalar? {
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): Unicode.Scalar(letter)
        case UInt8(ascii: "b"): "\u{8}"
        case UInt8(ascii: "f"): "\u{C}"
        case UInt8(ascii: "n"): "\n"
        case UInt8(ascii: "r"): "\r"
        case UInt8(ascii: "t"): "\t"
        default: nil
        }
    }

    private mutating func parseUnicodeEscape() throws(JSONParseError) -> Unicode.Scalar? {
        let first = try parseCodeUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, current == UInt8(ascii: "\\"), byte(at: position + 1) == UInt8(ascii: "u") else {
            return nil
        }
        let afterFirst = position
        let second = try parseCodeUnit()
        guard (0xDC00...0xDFFF).contains(second) else {
            position = afterFirst
            return nil
        }
        return Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    }

    /// Reads `\uXXXX`; something must follow it, as in Python.
    private mutating func parseCodeUnit() throws(JSONParseError) -> UInt32 {
        var unit: UInt32 = 0
        for place in position + 2..<position + 6 {
            guard let digit = byte(at: place).flatMap(Hexadecimal.value) else {
                throw failure("Invalid \\uXXXX escape", at: position + 1)
            }
            unit = unit << 4 | UInt32(digit)
        }
        guard position + 6 < bytes.count else { throw failure("Invalid \\uXXXX escape", at: position + 1) }
        position += 6
        return unit
    }
}
