import Glibc
import Logging
import Settings

/// Writes one line an event to standard error, for people or for programs.
///
/// What comes from outside cannot forge a line: control characters are escaped in both formats.
struct LineLogHandler: LogHandler {
    let format: Settings.LogFormat
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(format: Settings.LogFormat, level: Logger.Level) {
        self.format = format
        self.logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = metadata.merging(metadataProvider?.get() ?? [:]) { $1 }.merging(event.metadata ?? [:]) { $1 }
        if let error = event.error { fields["error"] = "\(error)" }
        let time = Timestamp.now()
        StandardError.write(Self.line(format, time, event.level, "\(event.message)", fields))
    }

    /// The line of one event, its end included.
    static func line(
        _ format: Settings.LogFormat,
        _ time: String,
        _ level: Logger.Level,
        _ message: String,
        _ fields: Logger.Metadata
    ) -> String {
        let sorted = fields.sorted { $0.key < $1.key }.map { (key: $0.key, value: "\($0.value)") }
        switch format {
        case .plain:
            let texts = sorted.map { " \(escaped($0.key))=\(quotedWhereNeeded($0.value))" }
            return "\(time) \(level.rawValue.uppercased()) \(escaped(message))\(texts.joined())\n"
        case .json:
            let head = [("time", time), ("level", level.rawValue), ("message", message)]
            let pairs = (head + sorted).map { "\(quoted($0.0)):\(quoted($0.1))" }
            return "{\(pairs.joined(separator: ","))}\n"
        }
    }

    private static func quotedWhereNeeded(_ text: String) -> String {
        let isPlain = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x7F && $0 != 0x3D }
        return isPlain ? escaped(text) : quoted(text)
    }

    /// A JSON string.
    private static func quoted(_ text: String) -> String { "\"\(escaped(text, inQuotes: true))\"" }

    /// Control characters, and line separators that some viewers break lines at, written as JSON does.
    private static func escaped(_ text: String, inQuotes: Bool = false) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"" where inQuotes: result += "\\\""
            case "\\" where inQuotes: result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _
            where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                || (0x2028...0x202E).contains(scalar.value):
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// Times as the log writes them.
enum Timestamp {
    /// Now, UTC, in milliseconds: `2026-01-31T09:05:07.042Z`.
    static func now() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var parts = tm()
        gmtime_r(&time.tv_sec, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S", &parts)
        let seconds = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let milliseconds = String(time.tv_nsec / 1_000_000)
        return "\(seconds).\(String(repeating: "0", count: 3 - milliseconds.count))\(milliseconds)Z"
    }
}

extension Logger {
    /// The log of this program as settings want it.
    init(_ settings: Settings) {
        let level = Logger.Level(rawValue: settings.logLevel.rawValue) ?? .info
        let format = settings.logFormat
        LoggingSystem.bootstrap { _ in LineLogHandler(format: format, level: level) }
        self.init(label: "code-interpreter")
    }
}
