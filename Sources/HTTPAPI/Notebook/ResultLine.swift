import Execution
import JSON
import NIOCore

/// The line of something to show.
enum ResultLine {
    /// MIME types that have a field of their own, in the order in which the fields stand.
    private static let fields: [(type: String, name: StaticString)] = [
        ("text/plain", "text"), ("text/html", "html"), ("text/markdown", "markdown"), ("image/svg+xml", "svg"),
        ("image/png", "png"), ("image/jpeg", "jpeg"), ("application/pdf", "pdf"), ("text/latex", "latex"),
        ("application/json", "json"), ("application/javascript", "javascript"), ("e2b/data", "data"),
        ("e2b/chart", "chart"),
    ]

    /// Whose values are JSON of any kind; those of others must be strings.
    private static func isStructured(_ type: String) -> Bool {
        type == "e2b/data" || type == "e2b/chart" || type == "application/json" || type.hasSuffix("+json")
    }

    static func write(_ bundle: MIMEBundle, isMain: Bool, to buffer: inout ByteBuffer) {
        // Of a type that occurs twice the last counts.
        var values: [String: ByteBuffer] = [:]
        for item in bundle.items where isStructured(item.type) || JSONScanner.isString(item.json) {
            values[item.type] = item.json
        }
        buffer.writeStaticString("{\"type\":\"result\"")
        for (type, name) in fields {
            guard let json = values.removeValue(forKey: type) else { continue }
            buffer.writeStaticString(",\"")
            buffer.writeStaticString(name)
            buffer.writeStaticString("\":")
            buffer.writeImmutableBuffer(type == "text/plain" ? withoutQuotes(json) : json)
        }
        buffer.writeStaticString(",\"extra\":{")
        for (index, type) in values.keys.sorted().enumerated() {
            if index > 0 { buffer.writeStaticString(",") }
            buffer.writeStaticString("\"")
            // Not as it came: some readers take more than a newline for the end of a line.
            JSONTextEncoder.write(type, to: &buffer)
            buffer.writeStaticString("\":")
            if let json = values[type] { buffer.writeImmutableBuffer(json) }
        }
        buffer.writeStaticString("},\"is_main_result\":")
        buffer.writeStaticString(isMain ? "true}\n" : "false}\n")
    }

    /// A string without the one pair of matching quotes that the repr of a string has.
    static func withoutQuotes(_ json: ByteBuffer) -> ByteBuffer {
        let bytes = json.readableBytesView
        // In JSON a single quote stands as it is, a double one behind a backslash.
        for quote in ["'", "\\\""] {
            let length = 1 + quote.utf8.count
            guard bytes.count >= 2 * length, bytes.dropFirst().starts(with: quote.utf8),
                bytes.dropLast().suffix(quote.utf8.count).elementsEqual(quote.utf8),
                let inside = json.getSlice(at: json.readerIndex + length, length: json.readableBytes - 2 * length)
            else { continue }
            var text = ByteBuffer(string: "\"")
            text.writeImmutableBuffer(inside)
            text.writeStaticString("\"")
            return text
        }
        return json
    }
}
