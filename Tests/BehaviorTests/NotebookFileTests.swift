import TestSupport
import Testing

/// The workspace of contexts over HTTP: `/files`.
@Suite(
    "Workspace files",
    .server(
        ["WORKSPACE_SIZE_MB": "120", "WORKSPACE_MAX_FILES": "300", "POOL_SIZE_NOTEBOOK": "1"],
        usesContexts: true
    ),
    .serialized
)
struct NotebookFileTests {
    /// Runs `body` with a server and a folder of its workspace.
    static func withFolder(_ body: @Sendable (TestServer, String) async throws -> Void) async throws {
        let server = try TestServer.current
        try await server.withWorkspaceFolder { try await body(server, $0) }
    }

    /// Runs a cell of the default context that must not fail; `FOLDER` in it is the folder's name.
    @discardableResult
    static func run(_ code: String, in folder: String) async throws -> CellAnswer {
        let cell = try await TestServer.current.cell(CellRequest(code.replacing("FOLDER", with: folder)))
        #expect(cell.error == nil && cell.ending == nil, "\(cell)")
        return cell
    }

    static func expect(_ answer: HTTPAnswer, _ status: Int, _ text: String, _ note: String = "") {
        #expect(answer.status == status, "\(note) \(answer.text.prefix(300))")
        #expect(answer.text == text, "\(note)")
        #expect(answer.header("Content-Type")?.hasPrefix("text/plain") == true, "\(note)")
    }

    @Suite("Listings")
    struct Listings {
        @Test("directories come first, then each kind by code point, dotfiles included")
        func order() async throws {
            try await withFolder { server, folder in
                try await run(
                    """
                    import os
                    os.makedirs('FOLDER/b'); os.mkdir('FOLDER/.a'); os.mkdir('FOLDER/B'); os.mkdir('FOLDER/\u{e9}')
                    for name, size in ('z', 0), ('Z', 3), ('a', 70000), ('.hidden', 1), ('\u{1F600}', 2), ('\u{FF5E}', 4):
                        open('FOLDER/' + name, 'w').write('x' * size)
                        os.utime('FOLDER/' + name, (1735689600.5, 1735689600.5))
                    """,
                    in: folder
                )
                let entries = try await server.workspaceEntries(folder)
                #expect(
                    entries.compactMap { $0["name"]?.string } == [
                        ".a", "B", "b", "\u{e9}", ".hidden", "Z", "a", "z", "\u{FF5E}", "\u{1F600}",
                    ]
                )
                #expect(
                    entries.map { $0["type"] } == Array(repeating: "dir", count: 4) + Array(repeating: "file", count: 6)
                )
                #expect(entries.map { $0["size"] } == [.null, .null, .null, .null, 1, 3, 70000, 0, 4, 2])
                #expect(entries.dropFirst(4).allSatisfy { $0["modified"]?.double == 1735689600.5 }, "\(entries)")
                #expect(entries.allSatisfy { $0.keys == ["modified", "name", "size", "type"] }, "\(entries)")
                #expect(entries.allSatisfy { $0["modified"]?.int == nil }, "a time is a number with a fraction")
            }
        }

        @Test("the path comes back as it was given, however it was spelled")
        func path() async throws {
            try await withFolder { server, folder in
                _ = try await server.put("\(folder)/one", "1".utf8)
                for spelling in [
                    folder, "./\(folder)", "\(folder)/", "/home/user/\(folder)", "/workspace/\(folder)",
                    "\(folder)/../\(folder)", "/home/user/../user/\(folder)",
                ] {
                    let answer = try await server.get("/files?path=\(spelling)")
                    #expect(answer.status == 200, "\(spelling): \(answer.text)")
                    #expect(answer.header("Content-Type")?.hasPrefix("application/json") == true)
                    #expect(try answer.json["path"]?.string == spelling)
                    #expect(try answer.json["entries"]?.array?.map { $0["name"] } == ["one"], "\(spelling)")
                }
                let root = try await server.get("/files")
                #expect(try root.json["path"] == ".")
                #expect(try root.json["entries"]?.array?.contains { $0["name"]?.string == folder } == true)
            }
        }

        @Test("an empty directory, one that is not there, and a file")
        func otherThings() async throws {
            try await withFolder { server, folder in
                #expect(try await server.workspaceEntries(folder) == [])
                _ = try await server.put("\(folder)/file", [])
                expect(try await server.get("/files?path=\(folder)/no"), 404, "Not found: \(folder)/no")
                expect(try await server.get("/files?path=\(folder)/file"), 400, "Not a directory: \(folder)/file")
                expect(try await server.get("/files?path=\(folder)/file/x"), 400, "Not a directory: \(folder)/file/x")
            }
        }

        @Test("links, pipes, sockets and names that are no UTF-8 do not break a listing")
        func oddEntries() async throws {
            try await withFolder { server, folder in
                try await run(
                    """
                    import os, socket
                    for name, target in ('dangling', 'nowhere'), ('loop', 'loop'), ('out', '/etc'), ('up', '../..'):
                        os.symlink(target, 'FOLDER/' + name)
                    os.mkfifo('FOLDER/pipe'); socket.socket(socket.AF_UNIX).bind('FOLDER/socket')
                    open(b'FOLDER/\\xff\\n', 'w').write('odd')
                    """,
                    in: folder
                )
                let entries = try await server.workspaceEntries(folder)
                #expect(entries.count == 7, "\(entries)")
                #expect(entries.allSatisfy { ["dir", "file"].contains($0["type"]?.string) }, "\(entries)")
                let names = entries.compactMap { $0["encoded_name"]?.string }
                #expect(names.count == 1, "\(entries)")
                let encoded = try #require(names.first)
                #expect(encoded == "%FF%0A")
                for (method, status, text) in [("GET", 200, "odd"), ("DELETE", 204, ""), ("GET", 404, nil)] {
                    // The other client changes what is no UTF-8.
                    let connection = try await RawConnection(port: server.port)
                    try await connection.send(
                        "\(method) /files/\(folder)/\(encoded) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                    )
                    let answer = await connection.receive()
                    #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(method): \(answer)")
                    if let text { #expect(answer.hasSuffix("\r\n\r\n" + text), "\(method): \(answer)") }
                    await connection.close()
                }
            }
        }
    }

    @Suite("Reading")
    struct Reading {
        static let types = [
            ("a.txt", "text/plain; charset=utf-8"), ("a.csv", "text/csv; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.py", "text/x-python; charset=utf-8"), ("a.png", "image/png"), ("A.HTML", "text/html; charset=utf-8"),
            ("a.pdf", "application/pdf"), ("a.xyz", "application/octet-stream"), ("none", "application/octet-stream"),
        ]

        @Test("all 256 bytes come back, with the type of the name", arguments: types)
        func bytes(name: String, type: String) async throws {
            try await withFolder { server, folder in
                let content = Array(UInt8.min...UInt8.max)
                #expect(try await server.put("\(folder)/\(name)", content).status == 201)
                for method in ["GET", "HEAD"] {
                    let answer = try await server.send(method, "/files/\(folder)/\(name)")
                    #expect(answer.status == 200)
                    #expect(answer.body == (method == "GET" ? content : []))
                    #expect(answer.header("Content-Type") == type)
                    #expect(answer.header("Content-Length") == "256")
                    #expect(answer.header("ETag")?.hasSuffix("\"") == true)
                    #expect(answer.header("Last-Modified")?.hasSuffix(" GMT") == true)
                }
            }
        }

        @Test("a client that has the file is told so, until it changes")
        func conditions() async throws {
            try await withFolder { server, folder in
                let path = "/files/\(folder)/file"
                _ = try await server.put("\(folder)/file", "one".utf8)
                let first = try await server.get(path)
                let tag = try #require(first.header("ETag"))
                let date = try #require(first.header("Last-Modified"))
                for (name, value) in [
                    ("If-None-Match", tag), ("If-None-Match", "\"x\", \(tag)"), ("If-None-Match", "*"),
                    ("If-Modified-Since", date),
                ] {
                    let answer = try await server.get(path, headers: [(name, value)])
                    #expect(answer.status == 304, "\(name): \(value)")
                    #expect(answer.body == [] && answer.header("ETag") == tag)
                }
                #expect(try await server.get(path, headers: [("If-None-Match", "\"x\"")]).text == "one")
                try await run("open('FOLDER/file', 'w').write('two')", in: folder)
                let second = try await server.get(path, headers: [("If-None-Match", tag)])
                #expect(second.status == 200 && second.text == "two")
                #expect(second.header("ETag") != tag, "same size, another content")
            }
        }

        @Test(
            "a range of a file",
            arguments: [
                ("bytes=2-4", 206, "234", "bytes 2-4/10"), ("bytes=7-", 206, "789", "bytes 7-9/10"),
                ("bytes=-3", 206, "789", "bytes 7-9/10"), ("bytes=-99", 206, "0123456789", "bytes 0-9/10"),
                ("bytes=8-99", 206, "89", "bytes 8-9/10"), ("bytes=0-0", 206, "0", "bytes 0-0/10"),
                ("lines=1-2", 200, "0123456789", nil), ("bytes=x-y", 200, "0123456789", nil),
            ] as [(String, Int, String, String?)]
        )
        func range(range: String, status: Int, text: String, content: String?) async throws {
            try await withFolder { server, folder in
                _ = try await server.put("\(folder)/file", "0123456789".utf8)
                let answer = try await server.get("/files/\(folder)/file", headers: [("Range", range)])
                #expect(answer.status == status && answer.text == text)
                #expect(answer.header("Content-Range") == content)
            }
        }

        @Test("a range beyond the end, and of an empty file", arguments: ["bytes=10-", "bytes=99-100", "bytes=-0"])
        func rangeBeyond(range: String) async throws {
            try await withFolder { server, folder in
                _ = try await server.put("\(folder)/file", "0123456789".utf8)
                let answer = try await server.get("/files/\(folder)/file", headers: [("Range", range)])
                #expect(answer.status == 416, "\(answer.text)")
                #expect(answer.header("Content-Range") == "bytes */10")
                _ = try await server.put("\(folder)/empty", [])
                let empty = try await server.get("/files/\(folder)/empty", headers: [("Range", "bytes=0-")])
                #expect(empty.status == 416 || (empty.status == 200 && empty.body == []), "\(empty.status)")
            }
        }
    }

    @Suite("Writing and deleting")
    struct Writing {
        @Test("a new file is 201 and makes its parents, an old one is 200")
        func statuses() async throws {
            try await withFolder { server, folder in
                let path = "\(folder)/a/b/c d/\u{e9}.txt".replacing(" ", with: "%20").replacing(
                    "\u{e9}",
                    with: "%C3%A9"
                )
                #expect(try await server.put(path, "long content".utf8).status == 201)
                #expect(try await server.put(path, "short".utf8).status == 200)
                #expect(try await server.get("/files/\(path)").text == "short")
                let names = try await server.workspaceEntries("\(folder)/a/b/c%20d").compactMap { $0["name"]?.string }
                #expect(names == ["\u{e9}.txt"], "nothing else is left of a write")
                #expect(try await server.send("HEAD", "/files/\(folder)/a").status == 400)
            }
        }

        @Test("a write with a condition that does not hold changes nothing")
        func writeConditions() async throws {
            try await withFolder { server, folder in
                let path = "\(folder)/file"
                #expect(try await server.put(path, "x".utf8, headers: [("If-Match", "*")]).status == 412)
                #expect(try await server.workspaceEntries(folder) == [])
                #expect(try await server.put(path, "one".utf8, headers: [("If-None-Match", "*")]).status == 201)
                #expect(try await server.put(path, "x".utf8, headers: [("If-None-Match", "*")]).status == 412)
                let tag = try #require(try await server.get("/files/\(path)").header("ETag"))
                #expect(try await server.put(path, "two".utf8, headers: [("If-Match", tag)]).status == 200)
                #expect(try await server.put(path, "x".utf8, headers: [("If-Match", tag)]).status == 412)
                #expect(try await server.get("/files/\(path)").text == "two")
            }
        }

        @Test("a directory goes with all it holds, a link goes itself")
        func deletion() async throws {
            try await withFolder { server, folder in
                try await run(
                    """
                    import os
                    os.makedirs('FOLDER/tree/' + 'd/' * 40)
                    os.mkdir('FOLDER/kept'); open('FOLDER/kept/file', 'w').write('kept')
                    os.symlink('../kept', 'FOLDER/tree/inner'); os.symlink('kept', 'FOLDER/outer')
                    os.mkfifo('FOLDER/tree/pipe'); os.mkdir('FOLDER/tree/closed', 0); open('FOLDER/tree/ro', 'w')
                    os.chmod('FOLDER/tree/ro', 0)
                    """,
                    in: folder
                )
                for name in ["tree", "outer"] {
                    let answer = try await server.send("DELETE", "/files/\(folder)/\(name)")
                    #expect(answer.status == 204 && answer.body == [], "\(name): \(answer.status) \(answer.text)")
                }
                #expect(try await server.workspaceEntries(folder).compactMap { $0["name"]?.string } == ["kept"])
                #expect(try await server.get("/files/\(folder)/kept/file").text == "kept")
                expect(try await server.send("DELETE", "/files/\(folder)/tree"), 404, "Not found: \(folder)/tree")
            }
        }

        @Test(
            "the workspace itself stays",
            arguments: [".", "./", "%2Fhome%2Fuser", "/home/user", "%2Fworkspace", "x/..", "%2Fhome%2Fuser%2F."]
        )
        func root(path: String) async throws {
            try await withFolder { server, folder in
                let answer = try await server.send("DELETE", "/files/\(path)")
                #expect([400, 404, 405].contains(answer.status), "\(answer.status) \(answer.text)")
                #expect(try await server.workspaceEntries(".").contains { $0["name"]?.string == folder })
            }
        }

        @Test("a directory is no file, and a file no directory")
        func kinds() async throws {
            try await withFolder { server, folder in
                _ = try await server.put("\(folder)/dir/file", "kept".utf8)
                for method in ["GET", "PUT"] {
                    let body: [UInt8]? = method == "PUT" ? [1] : nil
                    let directory = try await server.send(method, "/files/\(folder)/dir", body: body)
                    expect(directory, 400, "Is a directory: \(folder)/dir", method)
                    let below = try await server.send(method, "/files/\(folder)/dir/file/x", body: body)
                    expect(below, 400, "Not a directory: \(folder)/dir/file/x", method)
                }
                expect(try await server.get("/files/\(folder)/no"), 404, "Not found: \(folder)/no")
                expect(try await server.get("/files/\(folder)/no/x"), 404, "Not found: \(folder)/no/x")
                #expect(try await server.get("/files/\(folder)/dir/file").text == "kept")
            }
        }

        @Test("nothing waits for a pipe or a socket", arguments: ["pipe", "socket"])
        func noFiles(name: String) async throws {
            try await withFolder { server, folder in
                try await run(
                    "import os, socket\nos.mkfifo('FOLDER/pipe'); socket.socket(socket.AF_UNIX).bind('FOLDER/socket')",
                    in: folder
                )
                for method in ["GET", "HEAD"] {
                    let answer = try await withDeadline(.seconds(5), "an answer about a \(name)") {
                        try await server.send(method, "/files/\(folder)/\(name)")
                    }
                    #expect(answer.status == 400, "\(method) \(answer.status) \(answer.text)")
                }
                let written = try await withDeadline(.seconds(5), "a write to a \(name)") {
                    try await server.put("\(folder)/\(name)", "x".utf8)
                }
                #expect(written.status == 400, "\(written.status) \(written.text)")
                #expect(try await server.send("DELETE", "/files/\(folder)/\(name)").status == 204)
            }
        }

        @Test("names and paths that are too long", arguments: [256, 5000, 15000])
        func longNames(length: Int) async throws {
            try await withFolder { server, folder in
                let path = "/files/\(folder)/" + String(repeating: "n", count: length)
                for method in ["GET", "PUT", "DELETE"] {
                    let answer = try await server.send(method, path, body: method == "PUT" ? [1] : nil)
                    #expect(answer.status == 400, "\(method) \(answer.status) \(answer.text.prefix(200))")
                }
                let listing = try await server.get("/files?path=\(folder)/" + String(repeating: "n", count: length))
                #expect(listing.status == 400)
                let deep = String(repeating: "d/", count: length / 2) + "f"
                #expect([201, 400, 507].contains(try await server.put("\(folder)/\(deep)", [1]).status))
                #expect(try await server.send("DELETE", "/files/\(folder)/d").status == (length == 256 ? 204 : 404))
            }
        }
    }
}
