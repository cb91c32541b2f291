package import NIOCore

/// Takes apart the JSON that guests write, without making values of it.
///
/// Stricter than RFC 8259: ASCII only, no white space, no unpaired surrogate, bounded depth and numbers. What passes can therefore be forwarded as it
/// is, inside a line of its own, and no reader takes a part of it for anything else.
package enum JSONScanner {
    /// Most containers inside one another.
    package static let maximumDepth = 256
    /// Longest number, in characters.
    package static let maximumNumberLength = 400

    /// The members of the object that `json` is: each name decoded, each value as JSON text that shares the memory of `json`. Of a name that occurs twice
    /// both are given. Nil when `json` is anything else, or has more than `limit` members.
    package static func members(of json: ByteBuffer, limit: Int = 64) -> [(name: String, value: ByteBuffer)]? {
        let ranges = json.withUnsafeReadableBytes { bytes -> [(name: Range<Int>, value: Range<Int>)]? in
            var scan = Scan(bytes: bytes)
            guard let ranges = scan.members(limit: limit), scan.isAtEnd else { return nil }
            return ranges
        }
        guard let ranges else { return nil }
        var members: [(name: String, value: ByteBuffer)] = []
        for range in ranges {
            guard let name = string(slice(json, range.name)) else { return nil }
            members.append((name, slice(json, range.value)))
        }
        return members
    }

    /// Whether `json` is one value.
    package static func isValue(_ json: ByteBuffer) -> Bool {
        json.withUnsafeReadableBytes { bytes in
            var scan = Scan(bytes: bytes)
            return scan.value() && scan.isAtEnd
        }
    }

    /// Whether `json`, a value, is a string.
    package static func isString(_ json: ByteBuffer) -> Bool { json.readableBytesView.first == UInt8(ascii: "\"") }

    /// The text that the string `json` stands for; nil when it is no string.
    package static func string(_ json: ByteBuffer) -> String? {
        guard json.readableBytes >= 2, isString(json), isValue(json) else { return nil }
        return json.withUnsafeReadableBytes {
            JSONString.decode(UnsafeRawBufferPointer(rebasing: $0[1..<$0.count - 1]))
        }
    }

    /// The integer that `json` is; nil for anything else.
    package static func integer(_ json: ByteBuffer) -> Int? {
        guard json.readableBytes <= 20, isValue(json) else { return nil }
        return Int(String(buffer: json))
    }

    /// The truth value that `json` is; nil for anything else.
    package static func bool(_ json: ByteBuffer) -> Bool? {
        switch String(buffer: json.getSlice(at: json.readerIndex, length: min(json.readableBytes, 8)) ?? json) {
        case "true": true
        case "false": false
        default: nil
        }
    }

    private static func slice(_ json: ByteBuffer, _ range: Range<Int>) -> ByteBuffer {
        guard let slice = json.getSlice(at: json.readerIndex + range.lowerBound, length: range.count) else {
            preconditionFailure("a value lies within its text")
        }
        return slice
    }
}

/// One pass over a text.
///
/// Safety: `bytes` is borrowed from a closure that the scan does not leave, and every read is below `bytes.count`.
private struct Scan {
    let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// The members of an object, as ranges.
    mutating func members(limit: Int) -> [(name: Range<Int>, value: Range<Int>)]? {
        guard take("{") else { return nil }
        if take("}") { return [] }
        var members: [(name: Range<Int>, value: Range<Int>)] = []
        repeat {
            let nameStart = position
            guard members.count < limit, string() else { return nil }
            let name = nameStart..<position
            guard take(":") else { return nil }
            let valueStart = position
            guard value() else { return nil }
            members.append((name, valueStart..<position))
        } while take(",")
        return take("}") ? members : nil
    }

    /// Passes over one value of any allowed depth, without recursion.
    mutating func value() -> Bool {
        // Whether each open container is an object.
        var open: [Bool] = []
        while true {
            guard let first = next else { return false }
            var isOpened = false
            if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
                guard open.count < JSONScanner.maximumDepth else { return false }
                position += 1
                open.append(first == UInt8(ascii: "{"))
                isOpened = true
            } else {
                guard scalar(first) else { return false }
            }
            if isOpened, !take(open[open.count - 1] ? "}" : "]") {
                guard beginMember(isObject: open[open.count - 1]) else { return false }
                continue
            }
            if isOpened { open.removeLast() }
            // A value ended: go on in its container, or up.
            while let isObject = open.last {
                if take(",") {
                    guard beginMember(isObject: isObject) else { return false }
                    break
                }
                guard take(isObject ? "}" : "]") else { return false }
                open.removeLast()
            }
            if open.isEmpty { return true }
        }
    }

    /// Stands before the value of the next member.
    private mutating func beginMember(isObject: Bool) -> Bool { !isObject || string() && take(":") }

    private mutating func scalar(_ first: UInt8) -> Bool {
        switch first {
        case UInt8(ascii: "\""): string()
        case UInt8(ascii: "t"): word("true")
        case UInt8(ascii: "f"): word("false")
        case UInt8(ascii: "n"): word("null")
        default: number()
        }
    }

    private mutating func word(_ word: StaticString) -> Bool {
        guard bytes.count - position >= word.utf8CodeUnitCount else { return false }
        for offset in 0..<word.utf8CodeUnitCount where bytes[position + offset] != word.utf8Start[offset] {
            return false
        }
        position += word.utf8CodeUnitCount
        return true
    }

    private mutating func digits() -> Int {
        let start = position
        while let digit = next, (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= digit { position += 1 }
        return position - start
    }

    private mutating func number() -> Bool {
        let start = position
        _ = take("-")
        let isZero = next == UInt8(ascii: "0")
        let count = digits()
        guard count > 0, !isZero || count == 1 else { return false }
        if take("."), digits() == 0 { return false }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            if digits() == 0 { return false }
        }
        return position - start <= JSONScanner.maximumNumberLength
    }

    mutating func string() -> Bool {
        guard take("\"") else { return false }
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"): guard escape() else { return false }
            case 0x20...0x7F: continue
            default: return false
            }
        }
        return false
    }

    /// What follows a backslash.
    private mutating func escape() -> Bool {
        guard let byte = next else { return false }
        position += 1
        if byte != UInt8(ascii: "u") { return #""\/bfnrt"#.utf8.contains(byte) }
        guard let unit = codeUnit() else { return false }
        if UTF16.isTrailSurrogate(unit) { return false }
        guard UTF16.isLeadSurrogate(unit) else { return true }
        guard take("\\"), take("u"), let second = codeUnit() else { return false }
        return UTF16.isTrailSurrogate(second)
    }

    private mutating func codeUnit() -> UInt16? {
        guard bytes.count - position >= 4 else { return nil }
        defer { position += 4 }
        return JSONString.codeUnit(bytes, at: position)
    }
}
