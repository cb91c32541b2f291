import AsyncHTTPClient
import NIOCore

/// Reads the lines of an answer of /execute one by one, as they arrive.
///
/// Letting go of it before its end closes the connection.
package struct NotebookLines: AsyncSequence {
    /// One line without its end.
    package struct Element: Sendable {
        package var bytes: [UInt8]

        package var text: String { String(decoding: bytes, as: UTF8.self) }

        /// The line as JSON.
        ///
        /// - Throws: ``BrokenStream`` where it is no object.
        package var json: JSON {
            get throws {
                guard let json = try? JSON(parsing: bytes), json.object != nil else { throw BrokenStream(rest: text) }
                return json
            }
        }
    }

    private let response: HTTPClientResponse

    package init(_ stream: HTTPStream) { response = stream.response }

    package func makeAsyncIterator() -> Iterator { Iterator(chunks: response.body.makeAsyncIterator()) }

    package struct Iterator: AsyncIteratorProtocol {
        var chunks: HTTPClientResponse.Body.AsyncIterator
        private var pending: [UInt8] = []
        private var taken = 0

        init(chunks: HTTPClientResponse.Body.AsyncIterator) { self.chunks = chunks }

        package mutating func next() async throws -> Element? {
            var searched = taken
            while true {
                if let end = pending[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                    defer { taken = end + 1 }
                    return Element(bytes: Array(pending[taken..<end]))
                }
                pending.removeFirst(taken)
                taken = 0
                searched = pending.count
                guard let chunk = try await chunks.next() else {
                    if pending.isEmpty { return nil }
                    throw BrokenStream(rest: String(decoding: pending, as: UTF8.self))
                }
                pending += chunk.readableBytesView
            }
        }

        /// Reads on until a line satisfies `condition`.
        ///
        /// - Throws: ``BrokenStream`` where the stream ends before.
        package mutating func next(where condition: (JSON) -> Bool) async throws -> JSON {
            while let line = try await next() {
                let json = try line.json
                if condition(json) { return json }
            }
            throw BrokenStream(rest: "the end of the stream")
        }
    }

    /// Reads to the end.
    ///
    /// - Throws: ``BrokenStream`` where the stream is not as the contract says.
    package func cell() async throws -> CellAnswer {
        var lines: [JSON] = []
        for try await line in self { lines.append(try line.json) }
        return try CellAnswer(lines: lines)
    }
}
