import Execution
import NIOCore
import TestSupport
import Testing

@testable import GuestProtocol

@Suite("Frames of a channel")
struct FrameTests {
    private func frame(_ body: String) -> [UInt8] {
        let length = UInt32(body.utf8.count)
        return (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(body.utf8)
    }

    private func read(_ body: String) throws -> GuestFrame? {
        var reader = FrameReader(limit: FrameReader.scriptLimit)
        frame(body).withUnsafeBytes { reader.append($0) }
        return try reader.next()
    }

    @Test("are understood however the stream is cut")
    func pieces() throws {
        var reader = FrameReader(limit: FrameReader.scriptLimit)
        var frames: [GuestFrame] = []
        let bytes =
            frame(#"{"type":"ready"}"#) + frame(#"{"exit_code":255,"type":"done"}"#)
            + frame(#"{"type":"failed","step":3,"errno":13,"message":"a\n\"b\""}"#)
        for byte in bytes {
            withUnsafeBytes(of: byte) { reader.append($0) }
            while let frame = try reader.next() { frames.append(frame) }
        }
        #expect(frames == [.ready, .done(exitCode: 255), .failed(step: 3, code: 13)])
    }

    @Test("hold no memory of those before them, also when the channel is never empty")
    func memory() throws {
        var reader = FrameReader(limit: FrameReader.contextLimit)
        let bytes = frame(#"{"type":"ready","x":"\#(String(repeating: "x", count: 4000))"}"#)
        // Every piece ends in the middle of a frame.
        bytes.prefix(2000).withUnsafeBytes { reader.append($0) }
        let shifted = Array(bytes.dropFirst(2000) + bytes.prefix(2000))
        for _ in 0..<2000 {
            shifted.withUnsafeBytes { reader.append($0) }
            #expect(try reader.next() == .ready)
        }
        #expect(reader.heldBytes < 64 << 10)
    }

    @Test("cost what of them has come, whatever their length announces")
    func announced() throws {
        let length = FrameReader.contextLimit
        var reader = FrameReader(limit: length)
        let header = (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
        header.withUnsafeBytes { reader.append($0) }
        #expect(try reader.next() == nil)
        #expect(reader.heldBytes < 1024)
        let piece = [UInt8](repeating: 32, count: 64 << 10)
        var sent = 0
        while sent < length - 1 {
            let part = min(piece.count, length - 1 - sent)
            piece.prefix(part).withUnsafeBytes { reader.append($0) }
            sent += part
            #expect(try reader.next() == nil)
            #expect(reader.heldBytes <= 2 * sent)
        }
        #expect(reader.heldBytes <= length)
    }

    @Test("leave nothing of a long one behind when the next has begun")
    func afterLongOne() throws {
        var reader = FrameReader(limit: FrameReader.contextLimit)
        let long = frame(#"{"type":"ready","x":"\#(String(repeating: "x", count: 3 << 20))"}"#)
        (long + long.prefix(100)).withUnsafeBytes { reader.append($0) }
        #expect(try reader.next() == .ready)
        #expect(try reader.next() == nil)
        #expect(reader.heldBytes < 64 << 10)
        long.dropFirst(100).withUnsafeBytes { reader.append($0) }
        #expect(try reader.next() == .ready)
        #expect(reader.heldBytes == 0)
    }

    @Test("are worth their own size, not that of the bytes they came with")
    func compact() throws {
        var reader = FrameReader(limit: FrameReader.contextLimit)
        let large = frame(#"{"type":"ready","x":"\#(String(repeating: "x", count: 1 << 20))"}"#)
        let small = frame(#"{"type":"display","id":1,"main":true,"data":{"text/plain":"'x'"}}"#)
        (large + small).withUnsafeBytes { reader.append($0) }
        #expect(try reader.next() == .ready)
        guard case .cell(_, .event(.display(let bundle, _)))? = try reader.next() else {
            Issue.record("no display")
            return
        }
        #expect(try #require(bundle.items.first).json.storageCapacity < 4096)
    }

    @Test("are refused when they are anything but what a guest says", arguments: Self.oddities)
    func odd(body: String) {
        #expect(throws: FrameReader.Refused.self) { try read(body) }
    }

    static let oddities = [
        "", "{}", "[]", "null", #"{"type":"run"}"#, #"{"type":"done"}"#,
        #"{"type":"done","exit_code":256}"#, #"{"type":"done","exit_code":-1}"#, #"{"type":"done","exit_code":1e2}"#,
        #"{"type":"done","exit_code":"0"}"#, #"{"type":"done","exit_code":99999999999999999999}"#,
        #"{"type":"ready"} x"#, #"{"type":"ready",}"#, #"{"type":{}}"#, #"{"type":"ready""#, "\u{0}",
        #"{"type": "ready"}"#, #"{"type":"ready"}"# + "\n", "{\"type\":\"ready\",\"é\":1}",
        #"{"type":"started","id":1}"#, #"{"type":"started","execution_count":1}"#,
        #"{"type":"display","id":1,"main":true,"data":[]}"#, #"{"type":"display","id":1,"main":1,"data":{}}"#,
        #"{"type":"display","id":1,"main":true,"data":{"a":NaN}}"#,
        #"{"type":"output","id":1,"stream":"stdin","text":""}"#, #"{"type":"error","id":1,"name":"E","value":1}"#,
        #"{"type":"refused","reason":"mood","message":""}"#, #"{"type":"refused","reason":"start"}"#,
        "{" + (0..<16).map { "\"\($0)\":1," }.joined() + "\"type\":\"ready\"}",
        "{\"type\":\"display\",\"id\":1,\"main\":true,\"data\":{\"a\":" + String(repeating: "[", count: 300)
            + String(repeating: "]", count: 300) + "}}",
    ]

    @Test("of a context tell what happens in a cell")
    func cells() throws {
        let json = #"{"a":[1,2.5,null]}"#
        #expect(try read(#"{"type":"opened"}"#) == .opened)
        #expect(
            try read(#"{"type":"refused","reason":"directory","message":"no \u00e9"}"#)
                == .refused(.directory("no é"))
        )
        let long = String(repeating: "x", count: 100_000)
        let refused = try read(#"{"type":"refused","reason":"start","message":"\#(long)"}"#)
        #expect(refused == .refused(.start(String(long.prefix(1000)))))
        #expect(
            try read(#"{"type":"started","id":7,"execution_count":3}"#)
                == .cell(id: 7, .event(.started(executionCount: 3)))
        )
        #expect(
            try read(#"{"type":"output","id":7,"stream":"stderr","text":"\ud83d\ude00"}"#)
                == .cell(id: 7, .event(.output(.stderr, ByteBuffer(string: "😀"))))
        )
        #expect(
            try read(#"{"type":"display","id":7,"main":false,"data":{"text\/plain":"x","application/json":\#(json)}}"#)
                == .cell(
                    id: 7,
                    .event(
                        .display(
                            MIMEBundle(items: [
                                .init(type: "text/plain", json: ByteBuffer(string: "\"x\"")),
                                .init(type: "application/json", json: ByteBuffer(string: json)),
                            ]),
                            isMain: false
                        )
                    )
                )
        )
        #expect(try read(#"{"type":"done","id":7}"#) == .cell(id: 7, .done(ends: false)))
        #expect(try read(#"{"type":"done","id":7,"ends":true}"#) == .cell(id: 7, .done(ends: true)))
        let error = CellError(name: "E", value: "v", traceback: "t\nu")
        #expect(
            try read(#"{"type":"error","id":7,"name":"E","value":"v","traceback":"t\nu"}"#)
                == .cell(id: 7, .event(.error(error)))
        )
    }

    @Test("are refused by their length alone when they are long")
    func tooLong() {
        var reader = FrameReader(limit: FrameReader.scriptLimit)
        [UInt8]([1, 0, 16, 0]).withUnsafeBytes { reader.append($0) }
        #expect(throws: FrameReader.Refused.self) { try reader.next() }
    }

    @Test("of random bytes never do more than end the guest")
    func noise() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let alphabet = Array("{}[]:,\"\\ 019-e.truedontypexi_c".utf8)
        for _ in 0..<5000 {
            let length = Int.random(in: 0..<60, using: &random)
            let body = (0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            #expect((try? read(String(decoding: body, as: UTF8.self))) == nil, "seed \(seed)")
        }
    }

    @Test("carry any code to the guest")
    func runFrame() {
        let code = "print(\"a\\b\")\n\t\u{0}\u{1f}é😀"
        var frame = ServerFrame.run(
            Script(code: code, isLastLineInteractive: false),
            filename: "/workspace/__main__.py"
        )
        #expect(frame.readInteger(endianness: .little, as: UInt32.self).map(Int.init) == frame.readableBytes)
        #expect(
            String(buffer: frame)
                == #"{"type":"run","code":"print(\"a\\b\")\n\u0009\u0000\u001fé😀","#
                + #""filename":"/workspace/__main__.py","arguments":[],"interactive":false,"environment":{}}"#
        )
    }

    @Test("carry a cell and its environment to the guest")
    func executeFrame() {
        let cell = Cell(code: "1", environment: [.init(name: "A", value: "b\"'$\n"), .init(name: "B", value: "")])
        var frame = ServerFrame.execute(cell, id: 12)
        frame.moveReaderIndex(forwardBy: 4)
        #expect(
            String(buffer: frame)
                == #"{"type":"execute","id":12,"code":"1","environment":{"A":"b\"'$\n","B":""}}"#
        )
    }
}
