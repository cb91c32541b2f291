package import NIOCore

/// Writes compact JSON into a buffer. Who uses it sees to commas and brackets, or hands over whole values.
package struct JSONWriter: Sendable {
    package private(set) var buffer: ByteBuffer

    package init(capacity: Int = 256) { buffer = ByteBufferAllocator().buffer(capacity: capacity) }

    /// Text that is JSON already.
    package mutating func raw(_ json: StaticString) { buffer.writeStaticString(json) }

    /// JSON made elsewhere.
    package mutating func raw(_ json: ByteBuffer) { buffer.writeImmutableBuffer(json) }

    package mutating func integer(_ number: some BinaryInteger) { buffer.writeString(String(number)) }

    package mutating func bool(_ value: Bool) { buffer.writeStaticString(value ? "true" : "false") }

    package mutating func string(_ text: String) {
        buffer.writeInteger(UInt8(ascii: "\""))
        JSONTextEncoder.write(text, to: &buffer)
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    /// Program output: bytes of any kind, see ``JSONTextEncoder``.
    package mutating func text(_ bytes: ByteBuffer) {
        var encoder = JSONTextEncoder()
        buffer.writeInteger(UInt8(ascii: "\""))
        encoder.append(bytes, to: &buffer)
        encoder.finish(to: &buffer)
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    /// A number as Python's repr has it; NaN and infinities, which JSON lacks, are null.
    package mutating func number(_ value: Double) {
        guard value.isFinite else { return raw("null") }
        // Python writes whole numbers out up to 10^16, Swift up to 2^53.
        let isWrittenOut = (0x1p53..<1e16).contains(value.magnitude)
        buffer.writeString(isWrittenOut ? "\(Int64(value)).0" : "\(value)")
    }

    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: raw("null")
        case .bool(let value): bool(value)
        case .integer(let value): integer(value)
        case .bigInteger(let digits): buffer.writeString(digits)
        case .number(let value): number(value)
        case .string(let text), .brokenString(let text): string(text)
        case .array(let elements): list(elements) { $0.value($1) }
        case .object(let object):
            raw("{")
            for (index, name) in object.names.enumerated() {
                if index > 0 { raw(",") }
                string(name)
                raw(":")
                self.value(object.values[index])
            }
            raw("}")
        }
    }

    /// An array of which `write` writes each element.
    package mutating func list<Elements: Sequence>(
        _ elements: Elements,
        write: (inout JSONWriter, Elements.Element) -> Void
    ) {
        raw("[")
        var isFirst = true
        for element in elements {
            if !isFirst { raw(",") }
            isFirst = false
            write(&self, element)
        }
        raw("]")
    }
}
