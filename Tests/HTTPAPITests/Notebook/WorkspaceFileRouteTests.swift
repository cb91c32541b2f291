import Execution
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import HTTPAPI

@Suite struct WorkspaceFileRouteTests {
    private struct API {
        let port: Int
        let tree: FakeTree

        func request(
            _ method: String,
            _ path: String,
            _ headers: [String] = [],
            body: String? = nil
        ) async throws -> RawResponse {
            try await RawConnection.with(port: port) { connection in
                let body = body.map { Array($0.utf8) }
                try await connection.send(TestAPI.request(method, path, headers: headers, body: body))
                guard let response = try await connection.response(toHead: method == "HEAD" || method == "DELETE")
                else {
                    throw RawConnection.UnexpectedEnd(received: "")
                }
                return response
            }
        }
    }

    private static func with(_ files: [String: String] = [:], _ body: (API) async throws -> Void) async throws {
        let tree = FakeTree(files.mapValues { Array($0.utf8) })
        let routes = WorkspaceFileRoutes(trees: { _ in tree }, maxFileBytes: 3 << 20).routes
        try await TestServer.with(routes) { port in try await body(API(port: port, tree: tree)) }
    }

    @Test("a listing, of the root where nothing else is said") func lists() async throws {
        try await Self.with(["b.txt": "12", "d/e": "1", "a": ""]) { api in
            let entries =
                #"[{"name":"d","type":"dir","size":null,"modified":1700000000.5},{"name":"a","type":"file","size":0,"modified":1700000000.5},"#
                + #"{"name":"b.txt","type":"file","size":2,"modified":1700000000.5}]"#
            for (query, path) in [
                ("", "."), ("?path=.", "."), ("?path=", ""), ("?path=%2Fhome%2Fuser", "/home/user"),
                ("?x=1&path=./", "./"),
            ] {
                let response = try await api.request("GET", "/files" + query)
                #expect(response.status == 200, "\(query)")
                #expect(response["content-type"] == "application/json")
                #expect(response.text == #"{"path":"\#(path)","entries":\#(entries)}"#, "\(query)")
            }
            let inner = try await api.request("GET", "/files?path=d+x&path=d")
            #expect(inner.text.hasPrefix(#"{"path":"d","entries":[{"name":"e""#))
        }
    }

    @Test("a listing that is too long says so") func truncates() async throws {
        let files = Dictionary(uniqueKeysWithValues: (0...WorkspaceFileRoutes.maxEntries).map { ("f\($0)", "") })
        try await Self.with(files) { api in
            let response = try await api.request("GET", "/files")
            #expect(response.text.hasSuffix(#"],"truncated":true}"#))
            #expect(response.text.split(separator: "\"name\"").count == WorkspaceFileRoutes.maxEntries + 1)
        }
    }

    @Test("a file is put, overwritten, read and deleted") func files() async throws {
        try await Self.with { api in
            let put = try await api.request("PUT", "/files/a%20b/c.txt", body: "content")
            #expect(put.status == 201)
            #expect(put.text == "")
            #expect(api.tree["a b/c.txt"] == Array("content".utf8))
            let again = try await api.request("PUT", "/files/a%20b/c.txt", body: "new")
            #expect(again.status == 200)
            let read = try await api.request("GET", "/files/a%20b/c.txt")
            #expect(read.status == 200)
            #expect(read.text == "new")
            #expect(read["content-type"] == "text/plain; charset=utf-8")
            #expect(read["content-length"] == "3")
            #expect(read["etag"] == again["etag"])
            #expect(read["last-modified"] == "Sun, 06 Nov 1994 08:49:37 GMT")
            #expect(read["accept-ranges"] == "bytes")
            #expect(read["x-content-type-options"] == "nosniff")
            #expect(read["content-disposition"] == nil)
            let head = try await api.request("HEAD", "/files/a%20b/c.txt")
            #expect(head.status == 200)
            #expect(head["content-length"] == "3")
            #expect(head["etag"] == read["etag"])
            let delete = try await api.request("DELETE", "/files/a%20b")
            #expect(delete.status == 204)
            let gone = try await api.request("GET", "/files/a%20b/c.txt")
            #expect(gone.status == 404)
            #expect(gone["content-type"] == "text/plain; charset=utf-8")
            #expect(gone.text == "Not found: a b/c.txt")
        }
    }

    @Test("a name may begin with an accent, which leaves the slash before it a slash") func accents() async throws {
        try await Self.with { api in
            for path in ["/files/%CC%81x", "/files/a/%CC%81x"] {
                let made = try await api.request("PUT", path, body: "1")
                let read = try await api.request("GET", path)
                let removed = try await api.request("DELETE", path)
                #expect(made.status == 201 && read.text == "1" && removed.status == 204, "\(path)")
            }
        }
    }

    @Test("paths that lead out, in every spelling") func refusesPaths() async throws {
        try await Self.with(["f": "x"]) { api in
            let refused = [
                ("/../f", "../f"), ("/%2e%2e/f", "../f"), ("/..%2ff", "../f"), ("/a/../../f", "a/../../f"),
                ("//etc/passwd", "/etc/passwd"),
                ("/%2Fetc/passwd", "/etc/passwd"), ("//home/user2/f", "/home/user2/f"),
                ("//home/user/../user2", "/home/user/../user2"),
            ]
            for (path, shown) in refused {
                for method in ["GET", "PUT", "DELETE", "HEAD"] {
                    let response = try await api.request(method, "/files" + path, body: method == "PUT" ? "x" : nil)
                    #expect(response.status == 400, "\(method) \(path)")
                    if method == "GET" || method == "PUT" {
                        #expect(response.text == "Path outside workspace: \(shown)", "\(method) \(path)")
                    }
                }
            }
            let list = try await api.request("GET", "/files?path=%2e%2e/x")
            #expect(list.status == 400)
            #expect(list.text == "Path outside workspace: ../x")
            for path in ["/%252e%252e/f", "/a%5C..%5Cf", "/%00f", "/f%00", "/" + String(repeating: "x", count: 256)] {
                let response = try await api.request("GET", "/files" + path)
                #expect(
                    response.status == (path.contains("%25") || path.contains("%5C") ? 404 : 400),
                    "\(path.prefix(20))"
                )
            }
            for path in ["/f", "//home/user/f", "/%2Fworkspace%2Ff", "/./f", "/x/..%2Ff", "//home/user/../user/f"] {
                let response = try await api.request("GET", "/files" + path)
                #expect(response.status == 200, "\(path)")
            }
        }
    }

    @Test("errors of a tree are plain text with the path as it was given") func explains() async throws {
        let answers: [(WorkspaceTreeError, Int, String)] = [
            (.outsideWorkspace, 400, "Path outside workspace: p"), (.notFound, 404, "Not found: p"),
            (.notADirectory, 400, "Not a directory: p"),
            (.isADirectory, 400, "Is a directory: p"), (.notARegularFile, 400, "Not a regular file: p"),
            (.nameTooLong, 400, "Name too long: p"),
            (.isRoot, 400, "The workspace itself cannot be deleted: p"),
            (.permissionDenied, 403, "Permission denied: p"),
            (.conditionFailed, 412, "Precondition failed: p"),
            (.tooLarge(maxBytes: 3 << 20), 413, "File exceeds maximum of 3 MB: p"),
            (.full, 507, "No space left in the workspace: p"), (.busy, 503, "The workspace changes too fast: p"),
            (.failed("secret"), 500, "Internal Server Error"),
        ]
        try await Self.with { api in
            for (error, status, text) in answers {
                api.tree.fail(error)
                for (method, path) in [("GET", "/files/p"), ("PUT", "/files/p"), ("GET", "/files?path=p")] {
                    let response = try await api.request(method, path, body: method == "PUT" ? "x" : nil)
                    #expect(response.status == status)
                    #expect(response.text == text)
                    #expect(response["content-type"] == "text/plain; charset=utf-8")
                }
            }
        }
    }

    @Test("types by name, text with its character set, what browsers run as an attachment") func contentTypes()
        async throws
    {
        let types: [(String, String, Bool)] = [
            ("a.txt", "text/plain; charset=utf-8", false), ("a.CSV", "text/csv; charset=utf-8", false),
            ("a.xyz", "application/octet-stream", false),
            ("a", "application/octet-stream", false), (".txt", "application/octet-stream", false),
            ("a.png", "image/png", false),
            ("a.json", "application/json", false), ("a.html", "text/html; charset=utf-8", true),
            ("a.svg", "image/svg+xml", true),
            ("a.tar.gz", "application/gzip", false), ("a.py", "text/x-python; charset=utf-8", false),
            ("a.xml", "text/xml; charset=utf-8", true),
        ]
        try await Self.with(Dictionary(uniqueKeysWithValues: types.map { ($0.0, "x") })) { api in
            for (name, type, isAttachment) in types {
                let response = try await api.request("GET", "/files/\(name)")
                #expect(response["content-type"] == type, "\(name)")
                #expect(
                    response["content-disposition"] == (isAttachment ? "attachment; filename=\"\(name)\"" : nil),
                    "\(name)"
                )
            }
        }
        try await Self.with(["a\"\r\nX: y.html": "x"]) { api in
            let response = try await api.request("GET", "/files/a%22%0D%0AX:%20y.html")
            #expect(response.status == 200)
            #expect(response["x"] == nil)
            #expect(
                response["content-disposition"]?.hasPrefix(
                    "attachment; filename=\"a___X: y.html\"; filename*=UTF-8''a%22%0D%0A"
                ) == true
            )
        }
    }

    @Test(
        "ranges",
        arguments: [
            ("bytes=0-1", 206, "01", "bytes 0-1/10"), ("bytes=3-", 206, "3456789", "bytes 3-9/10"),
            ("bytes=-2", 206, "89", "bytes 8-9/10"),
            ("bytes=-99", 206, "0123456789", "bytes 0-9/10"),
            ("bytes=8-99999999999999999999999", 206, "89", "bytes 8-9/10"),
            ("bytes=10-", 416, "", "bytes */10"), ("bytes=99-100", 416, "", "bytes */10"),
            ("bytes=-0", 416, "", "bytes */10"),
            ("bytes=0-1,3-4", 200, "0123456789", nil), ("bytes=5-2", 200, "0123456789", nil),
            ("bytes=x-", 200, "0123456789", nil),
            ("lines=0-1", 200, "0123456789", nil), ("bytes=-", 200, "0123456789", nil),
            ("Bytes=0-0", 206, "0", "bytes 0-0/10"),
        ] as [(String, Int, String, String?)]
    )
    func ranges(range: String, status: Int, text: String, contentRange: String?) async throws {
        try await Self.with(["f": "0123456789"]) { api in
            let response = try await api.request("GET", "/files/f", ["Range: \(range)"])
            #expect(response.status == status)
            #expect(response.text == text)
            #expect(response["content-range"] == contentRange)
            #expect(response["content-length"] == "\(text.utf8.count)")
        }
    }

    @Test("validators") func validators() async throws {
        try await Self.with(["f": "0123456789"]) { api in
            let date = "Sun, 06 Nov 1994 08:49:37 GMT"
            for (header, status) in [
                ("If-None-Match: \"1\"", 304), ("If-None-Match: W/\"1\"", 304), ("If-None-Match: \"0\", \"1\"", 304),
                ("If-None-Match: *", 304),
                ("If-None-Match: \"2\"", 200), ("If-Modified-Since: \(date)", 304),
                ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", 200),
                ("If-None-Match: \"2\"\r\nIf-Modified-Since: \(date)", 200), ("If-Match: \"2\"", 412),
                ("If-Match: \"1\"", 200),
                ("Range: bytes=0-1\r\nIf-Range: \"1\"", 206), ("Range: bytes=0-1\r\nIf-Range: \"2\"", 200),
                ("Range: bytes=0-1\r\nIf-Range: \(date)", 206),
            ] {
                let response = try await api.request("HEAD", "/files/f", [header])
                #expect(response.status == status, "\(header)")
                if status == 304 { #expect(response["etag"] == "\"1\"") }
            }
            for (header, status) in [
                ("If-Match: \"0\"", 412), ("If-None-Match: *", 412), ("If-Match: W/\"1\"", 412),
                ("If-Match: \"1\"", 200), ("If-Match: *", 200),
            ] {
                let response = try await api.request("PUT", "/files/f", [header], body: "x")
                #expect(response.status == status, "\(header)")
            }
            let missing = try await api.request("PUT", "/files/g", ["If-Match: *"], body: "x")
            #expect(missing.status == 412)
            let new = try await api.request("PUT", "/files/g", ["If-None-Match: *"], body: "x")
            #expect(new.status == 201)
        }
    }

    @Test("a file above the limit is refused, announced or not") func refusesLargeFiles() async throws {
        try await Self.with { api in
            try await RawConnection.with(port: api.port) { connection in
                try await connection.send("PUT /files/f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3145729\r\n\r\n")
                let response = try await connection.response()
                #expect(response?.status == 413)
            }
            try await RawConnection.with(port: api.port) { connection in
                try await connection.send(
                    "PUT /files/f HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                let chunk = [UInt8](repeating: 0x78, count: 1_000_000)
                for _ in 0..<4 { try await connection.send(Array("f4240\r\n".utf8) + chunk + Array("\r\n".utf8)) }
                try await connection.send("0\r\n\r\n")
                let response = try await connection.response()
                #expect(response?.status == 413)
                #expect(response?.text == "File exceeds maximum of 3 MB: f")
            }
            #expect(api.tree["f"] == nil)
        }
    }

    @Test("a client that goes away in the middle leaves nothing") func abandonedUpload() async throws {
        try await Self.with(["f": "old"]) { api in
            let begun = Signal()
            api.tree.slowDown { _ in begun.announce() }
            try await RawConnection.with(port: api.port) { connection in
                try await connection.send("PUT /files/f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nnew")
                #expect(await begun.arrives())
                connection.abort()
            }
            #expect(try await api.request("GET", "/files/f").text == "old")
        }
    }

    @Test("a file that shrinks while it is sent ends the connection, one that grows does not show") func keepsFraming()
        async throws
    {
        try await Self.with(["f": "0123456789"]) { api in
            api.tree.stream("f", size: 10) { _, _ in
                AsyncThrowingStream {
                    $0.yield(ByteBuffer(string: "0123"))
                    $0.finish()
                }
            }
            try await RawConnection.with(port: api.port) { connection in
                try await connection.send(TestAPI.request("GET", "/files/f"))
                #expect(try await connection.head()?["content-length"] == "10")
                #expect(try await connection.remainder() == "0123")
            }
        }
    }

    @Test("neither side is read faster than the other takes it") func limitsMemory() async throws {
        try await Self.with(["f": ""]) { api in
            let asked = Atomic(0)
            let piece = ByteBuffer(repeating: 0x78, count: 100_000)
            api.tree.stream("f", size: 400_000_000) { _, length in
                AsyncThrowingStream {
                    let now = asked.add(piece.readableBytes, ordering: .relaxed).newValue
                    return now <= length ? piece : nil
                }
            }
            try await RawConnection.with(port: api.port) { connection in
                try await connection.send(TestAPI.request("GET", "/files/f"))
                _ = try await connection.head()
                // This connection takes nothing more: once its buffers are full the server may not go on.
                var before = -1
                while before != asked.load(ordering: .relaxed) {
                    before = asked.load(ordering: .relaxed)
                    try await Task.sleep(for: .milliseconds(300))
                }
                // What the kernel holds is not ours.
                #expect(before < 200_000_000, "\(before)")
                connection.abort()
            }
        }
    }

    @Test(
        "dates",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (951_827_696, "Tue, 29 Feb 2000 12:34:56 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"), (-5, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ]
    )
    func dates(seconds: Int, text: String) { #expect(HTTPDate.text(secondsSince1970: seconds) == text) }

    @Test("a name that is no text is listed as it stands in a path") func strangeNames() async throws {
        let tree = OneName()
        let routes = WorkspaceFileRoutes(trees: { _ in tree }, maxFileBytes: 1).routes
        try await TestServer.with(routes) { port in
            try await RawConnection.with(port: port) { connection in
                try await connection.send(TestAPI.request("GET", "/files"))
                let text = try await connection.response()?.text ?? ""
                #expect(text.contains("\"name\":\"\u{FFFD}a\u{FFFD}\",\"type\":\"file\""), "\(text)")
                #expect(text.contains(#""encoded_name":"%FFa%FE""#), "\(text)")
            }
        }
    }

    /// A tree with one name, and that no UTF-8.
    private struct OneName: WorkspaceTree {
        func list(_ path: TreePath, limit: Int) async throws -> TreeListing {
            let time = TreeTime(seconds: 0, nanoseconds: 0)
            let entry = TreeEntry(name: [0xFF, 0x61, 0xFE], isDirectory: false, size: 0, modified: time)
            return TreeListing(entries: [entry], isTruncated: false)
        }

        func open(_ path: TreePath) async throws -> TreeFile { throw WorkspaceTreeError.notFound }

        func write(
            _ path: TreePath,
            content: any AsyncSequence<ByteBuffer, any Error> & Sendable,
            limit: Int,
            condition: TreeCondition
        ) async throws -> TreeWritten {
            throw WorkspaceTreeError.full
        }

        func remove(_ path: TreePath) async throws { throw WorkspaceTreeError.notFound }
    }
}
