import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@testable import HTTPAPI

/// To Swift a character with an accent behind it is one that equals neither.
@Suite("Targets whose separators have accents behind them")
struct RequestTargetTests {
    private static let accent = "\u{301}"

    @Test("are taken apart at every slash") func paths() {
        let router = Router([
            Route(.get, "/files/{path...}") { _ in .json(ByteBuffer()) },
            Route(.get, "/v1/files/{file_id}") { _ in .json(ByteBuffer()) },
        ])
        for (path, expected) in [
            ("/files/\(Self.accent)x/\(Self.accent)y", "\(Self.accent)x/\(Self.accent)y"),
            ("/v1/files/\(Self.accent)x", "\(Self.accent)x"),
        ] {
            guard case .route(_, let parameters) = router.match(.get, path) else {
                Issue.record("no route")
                continue
            }
            #expect(parameters.map { Array($0.utf8) } == [Array(expected.utf8)])
        }
    }

    @Test("are taken apart at their question mark, and queries at what separates them") func queries() {
        let path = "/files?\(Self.accent)=1&\(Self.accent)=2&path=\(Self.accent)x"
        let target = RequestTarget(HTTPRequest(method: .get, scheme: "http", authority: "localhost", path: path))
        #expect(target.path == "/files")
        #expect(target.queryValue("path") == Array("\(Self.accent)x".utf8))
        #expect(target.queryValue(Self.accent) == [UInt8(ascii: "2")])
        #expect(target.queryValue("missing") == nil)
    }
}
