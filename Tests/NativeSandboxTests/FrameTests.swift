import Execution
import Testing

@testable import NativeSandbox

@Suite("Frames of a channel")
struct FrameTests {
    private func frame(_ body: String) -> [UInt8] {
        let length = UInt32(body.utf8.count)
        return (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(body.utf8)
    }

    @Test("are understood however the stream is cut")
    func pieces() throws {
        var reader = FrameReader()
        var frames: [GuestFrame] = []
        let bytes =
            frame("{\"type\":\"ready\"}") + frame("{ \"exit_code\" : 255 , \"type\" : \"done\" } ")
            + frame("{\"type\":\"failed\",\"step\":3,\"errno\":13}")
        for byte in bytes {
            reader.append([byte])
            while let frame = try reader.next() { frames.append(frame) }
        }
        #expect(frames == [.ready, .done(exitCode: 255), .failed(step: 3, code: 13)])
    }

    @Test(
        "are refused when they are anything but what a guest says",
        arguments: [
            "", "{}", "[]", "null", "{\"type\":\"run\"}", "{\"type\":\"done\"}",
            "{\"type\":\"done\",\"exit_code\":256}",
            "{\"type\":\"done\",\"exit_code\":-1}", "{\"type\":\"done\",\"exit_code\":1e2}",
            "{\"type\":\"done\",\"exit_code\":\"0\"}",
            "{\"type\":\"done\",\"exit_code\":99999999999999999999}", "{\"type\":\"rea\\u0064y\"}",
            "{\"type\":\"ready\"} x",
            "{\"type\":\"ready\",}", "{\"type\":{}}", "{\"type\":\"ready\"", "\u{0}",
            "{" + (0..<16).map { "\"\($0)\":1," }.joined() + "\"type\":\"ready\"}",
        ]
    )
    func odd(body: String) {
        var reader = FrameReader()
        reader.append(frame(body))
        #expect(throws: FrameReader.Refused.self) { try reader.next() }
    }

    @Test("are refused by their length alone when they are long")
    func tooLong() {
        var reader = FrameReader()
        reader.append([1, 0, 16, 0])
        #expect(throws: FrameReader.Refused.self) { try reader.next() }
    }

    @Test("of random bytes never do more than end the guest")
    func noise() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SplitMix(seed: seed)
        let alphabet = Array("{}[]:,\"\\ 019-e.truedontypexi_c".utf8)
        for _ in 0..<5000 {
            var reader = FrameReader()
            let length = Int.random(in: 0..<60, using: &random)
            let body = (0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            reader.append(frame(String(decoding: body, as: UTF8.self)))
            #expect((try? reader.next()) == nil, "seed \(seed)")
        }
    }

    @Test("carry any code to the guest")
    func runFrame() {
        let code = "print(\"a\\b\")\n\t\u{0}\u{1f}é😀"
        let bytes = RunFrame.encode(Script(code: code, isLastLineInteractive: false))
        let body = String(decoding: bytes[4...], as: UTF8.self)
        #expect(Int(bytes[0]) | Int(bytes[1]) << 8 == bytes.count - 4)
        #expect(
            body
                == "{\"type\":\"run\",\"code\":\"print(\\\"a\\\\b\\\")\\n\\u0009\\u0000\\u001fé😀\","
                + "\"filename\":\"/workspace/__main__.py\","
                + "\"arguments\":[],\"interactive\":false,\"environment\":{}}"
        )
    }
}

@Suite("Statistics of a sandbox")
struct StatisticsTests {
    @Test("are read from files of either version")
    func numbers() {
        func number(_ text: String, _ name: String?) -> Int? {
            SandboxStatistics.number(in: Array(text.utf8), named: name)
        }
        #expect(number("1234\n", nil) == 1234)
        #expect(number("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", "oom_kill") == 2)
        #expect(number("low 0\nhigh 0\nmax 9\noom 3\noom_kill 1\noom_group_kill 1\n", "oom_kill") == 1)
        #expect(number("usage_usec 77\nuser_usec 1\n", "usage_usec") == 77)
        #expect(number("usage_usec 77\nuser_usec 1\n", nil) == nil)
        #expect(number("", nil) == nil)
        #expect(number("max\n", nil) == nil)
    }
}

@Suite("Wait statuses")
struct ExitStatusTests {
    @Test("tell codes from signals")
    func statuses() {
        #expect(ExitStatus(7 << 8).code == 7)
        #expect(ExitStatus(7 << 8).signal == nil)
        #expect(ExitStatus(9).signal == 9)
        #expect(ExitStatus(0x8b).signal == 11)
        #expect(ExitStatus(0x8b).code == nil)
    }
}
