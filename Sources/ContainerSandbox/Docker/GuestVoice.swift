import Logging
import NIOCore
import Synchronization

/// What a guest has to say to people, on its standard error: a line at a time, few of them, and as trustworthy as user code.
final class GuestVoice: Sendable {
    private let logger: Logger
    private let container: String
    private let state = Mutex(State())

    private struct State {
        var rest: [UInt8] = []
        var lines = 0
        var lastLine: String?
    }

    private static let mostLines = 20
    private static let longestLine = 500

    init(logger: Logger, container: String) {
        self.logger = logger
        self.container = String(container.prefix(12))
    }

    /// The last line it said.
    var lastLine: String? { state.withLock { $0.lastLine } }

    func hear(_ bytes: ByteBuffer) {
        let lines = state.withLock { state -> [String] in
            var lines: [String] = []
            for byte in bytes.readableBytesView where state.lines < Self.mostLines {
                if byte != UInt8(ascii: "\n") {
                    if state.rest.count < Self.longestLine { state.rest.append(byte) }
                    continue
                }
                let line = EngineError.legible(String(decoding: state.rest, as: UTF8.self))
                state.rest = []
                if line.isEmpty { continue }
                state.lines += 1
                state.lastLine = line
                lines.append(line)
            }
            return lines
        }
        for line in lines { logger.debug("a guest says", metadata: ["container": "\(container)", "line": "\(line)"]) }
    }
}
