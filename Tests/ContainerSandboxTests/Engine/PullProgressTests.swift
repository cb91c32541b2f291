import JSON
import NIOCore
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("The progress of a pull")
struct PullProgressTests {
    private func lines(_ stream: String, cutting size: Int) throws -> [String] {
        var splitter = JSONLineSplitter()
        var progress = PullProgress()
        var lines: [String] = []
        let bytes = Array(stream.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            try splitter.feed(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)])) {
                value throws(EngineError) in
                if let line = try progress.line(for: value) { lines.append(line) }
            }
        }
        try splitter.finish { value throws(EngineError) in
            if let line = try progress.line(for: value) { lines.append(line) }
        }
        return lines
    }

    private static let stream = """
        {"status":"Pulling from a/b","id":"latest"}\r
        {"status":"Downloading","progressDetail":{"current":1,"total":9},"id":"one"}\r
        {"status":"Downloading","progressDetail":{"current":2,"total":9},"id":"one"}\r
        {"status":"Downloading","id":"two"}\r

        {"status":"Pull complete","id":"one"}\r
        {"status":"Status: Downloaded"}
        """

    @Test("is a line for each change of a layer, however the stream is cut", arguments: [1, 2, 3, 7, 50, 1000])
    func changes(size: Int) throws {
        let expected = [
            "latest: Pulling from a/b", "one: Downloading", "two: Downloading", "one: Pull complete",
            "Status: Downloaded",
        ]
        #expect(try lines(Self.stream, cutting: size) == expected)
    }

    @Test("ends with the daemon's error")
    func error() {
        let stream = Self.stream + "\n" + #"{"errorDetail":{"message":"no space"},"error":"no space"}"#
        #expect(throws: EngineError.refused(status: 500, message: "no space")) { try lines(stream, cutting: 9) }
    }

    @Test("has a bound, as its lines have")
    func bounds() throws {
        let many = (0..<5000).map { #"{"status":"s\#($0)","id":"x"}"# }.joined(separator: "\n")
        #expect(try lines(many, cutting: 4096).count == PullProgress.maximumLines)
        #expect(throws: EngineError.self) { try lines(String(repeating: "x", count: 3 << 20), cutting: 65_536) }
        #expect(throws: EngineError.self) { try lines("no\n", cutting: 10) }
    }

    @Test(
        "a reference has a name and a tag or digest",
        arguments: [
            ("python", "python", "latest"), ("a/b:1", "a/b", "1"), ("host:5000/a", "host:5000/a", "latest"),
            ("host:5000/a:2", "host:5000/a", "2"), ("a@sha256:ff", "a", "sha256:ff"),
        ]
    )
    func references(text: String, name: String, tag: String) {
        #expect(DockerEngine.parts(of: text) == (name, tag))
    }
}
