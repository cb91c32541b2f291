import Foundation
import Logging
import Settings
import Testing

@testable import code_interpreter

@Suite("Lines of the log")
struct LogLineTests {
    @Test("what comes from outside cannot forge a line, a colour or a direction")
    func injection() {
        let hostile = "a\nb\r\u{1B}[31m\u{202E}\u{2028}\u{85}\u{7F}"
        for format in [Settings.LogFormat.plain, .json] {
            let line = LineLogHandler.line(format, "T", .info, hostile, ["key\n": "\(hostile)"])
            #expect(line.unicodeScalars.filter { $0.value < 0x20 } == ["\n"])
            #expect(line.hasSuffix("\n"))
            #expect(!line.unicodeScalars.contains { ["\u{202E}", "\u{2028}", "\u{85}", "\u{7F}"].contains($0) })
        }
    }

    @Test("a JSON line is an object with time, level, message and every field")
    func json() throws {
        let line = LineLogHandler.line(.json, "T", .warning, "say \"hi\" \\ é\n", ["n": "1", "error": "x\ty"])
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
        #expect(
            object == ["time": "T", "level": "warning", "message": "say \"hi\" \\ é\n", "n": "1", "error": "x\ty"]
        )
    }

    @Test("a plain line quotes what has spaces, quotes or equals signs")
    func plain() {
        let line = LineLogHandler.line(.plain, "T", .notice, "listening", ["a": "b", "c": "d e", "f": "g=h", "i": ""])
        #expect(line == "T NOTICE listening a=b c=\"d e\" f=\"g=h\" i=\"\"\n")
    }

    @Test("times are UTC with milliseconds")
    func time() throws {
        let text = Timestamp.now()
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        #expect(abs(try style.parse(text).timeIntervalSinceNow) < 60)
    }
}
