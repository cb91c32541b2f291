import AsyncHTTPClient
import NIOCore

/// One frame of an event stream.
package struct ServerSentEvent: Equatable, Sendable {
    package var event: String
    package var data: String

    package init(event: String, data: String) {
        self.event = event
        self.data = data
    }

    package var json: JSON {
        get throws { try JSON(parsing: data) }
    }
}

/// Reads events of a response one by one, as they arrive.
///
/// Letting go of it before its end closes the connection.
package struct ServerSentEvents: AsyncSequence {
    package typealias Element = ServerSentEvent

    private let response: HTTPClientResponse

    package init(_ stream: HTTPStream) { response = stream.response }

    package func makeAsyncIterator() -> Iterator {
        Iterator(chunks: response.body.makeAsyncIterator())
    }

    package struct Iterator: AsyncIteratorProtocol {
        var chunks: HTTPClientResponse.Body.AsyncIterator
        private var pending: [UInt8] = []

        init(chunks: HTTPClientResponse.Body.AsyncIterator) { self.chunks = chunks }

        package mutating func next() async throws -> ServerSentEvent? {
            while true {
                if let event = try takeEvent() { return event }
                guard let chunk = try await chunks.next() else {
                    if pending.isEmpty { return nil }
                    throw BrokenStream(rest: String(decoding: pending, as: UTF8.self))
                }
                pending += chunk.readableBytesView
            }
        }

        private mutating func takeEvent() throws -> ServerSentEvent? {
            guard let end = endOfFrame() else { return nil }
            let frame = String(decoding: pending[..<end], as: UTF8.self)
            pending.removeFirst(end + 2)
            var event = ServerSentEvent(event: "message", data: "")
            var data: [Substring] = []
            for line in frame.unicodeScalars.split(separator: "\n").map(Substring.init) {
                if line.hasPrefix("event: ") {
                    event.event = String(line.dropFirst(7))
                } else if line.hasPrefix("data: ") {
                    data.append(line.dropFirst(6))
                } else {
                    throw BrokenStream(rest: frame)
                }
            }
            event.data = data.joined(separator: "\n")
            return event
        }

        private func endOfFrame() -> Int? {
            var index = 0
            while index + 1 < pending.count {
                if pending[index] == 0x0A && pending[index + 1] == 0x0A { return index }
                index += 1
            }
            return nil
        }
    }
}

/// A stream that ended in the middle of a frame, or a line that is neither `event: ` nor `data: `.
package struct BrokenStream: Error, CustomStringConvertible {
    var rest: String

    package var description: String { "not an event stream: \(rest.prefix(300))" }
}
