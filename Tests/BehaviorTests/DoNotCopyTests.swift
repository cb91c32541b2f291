import TestSupport
import Testing

extension OneShot {
    /// Faults of the original servers that this one must not have.
    @Suite("Faults that are not copied")
    struct DoNotCopy {
        @Test(
            "an id is never a path",
            arguments: [
                "/etc/passwd", "../../../../etc/passwd", "../x", "./x", "index.sqlite", "..", ".", "",
                "%2fetc%2fpasswd", "a\u{0}b", "*", "漢字",
            ]
        )
        func idIsNoPath(id: String) async throws {
            let body: JSON = [
                "code": "import os; print(os.listdir())", "files": [["path": "x", "file_id": .string(id)]],
            ]
            let answer = try await TestServer.current.post("/v1/execute", body)
            #expect(answer.status == 404, "\(answer.text)")
            #expect(try answer.json == ["detail": .string("File with ID '\(id)' not found for path 'x'.")])
        }

        @Test("an id cannot name a blob of the store by its file name")
        func idIsNoBlobName() async throws {
            let server = try TestServer.current
            _ = try await server.upload("x", "blob".utf8)
            let known = Set(try await server.listedFiles().keys)
            for name in Host.directory(server.storage) + Host.directory(server.storage + "/blobs")
            where !known.contains(name) {
                #expect(
                    try await server.post(
                        "/v1/execute",
                        ["code": "", "files": [["path": "x", "file_id": .string(name)]]]
                    ).status == 404
                )
            }
        }

        @Test("one name that cannot be decoded breaks no listing")
        func undecodableName() async throws {
            let server = try TestServer.current
            _ = try await server.execute("open(b'\\xff\\xfe', 'w').write('x')")
            var form = Multipart()
            form.add("form-data; name=\"file\"; filename=\"\u{FFFD}\"", Array("x".utf8))
            let raw = form.body.flatMap { $0 == 0xBD ? [0xFF] : [$0] }
            _ = try await server.send("POST", "/v1/files", headers: [form.header], body: raw)
            #expect(try await server.get("/v1/files").status == 200)
        }

        @Test("names beyond Latin-1 can be downloaded", arguments: ["漢字.txt", "\u{1F600}.txt", "עברית.txt"])
        func namesBeyondLatin1(name: String) async throws {
            let server = try TestServer.current
            let answer = try await server.execute("open('\(name)', 'w').write('x')")
            #expect(try await server.download(#require(answer.file(name))) == [UInt8(ascii: "x")])
        }

        @Test("a file of mode 600 loses nothing")
        func mode600() async throws {
            let answer = try await TestServer.current.execute(
                "import os\nfor n in 'ab':\n    open(n, 'w').write(n)\n    os.chmod(n, 0o600)"
            )
            #expect(answer.paths == ["a", "b"])
        }

        @Test("an uploaded hidden file keeps its dot")
        func hiddenName() async throws {
            let server = try TestServer.current
            let id = try await server.upload(".env", "x".utf8)
            #expect(try await server.listedFiles()[id] == ".env")
            let answer = try await server.execute("open('.env', 'w').write('x')")
            #expect(answer.paths == [".env"])
        }

        @Test(
            "a lone surrogate in a request is no error of the server",
            arguments: [
                #"{"code":"x = '\ud800'\nprint(1)"}"#, #"{"code":"print(1)","stdin":"\udfff"}"#,
                #"{"code":"","files":[{"path":"\ud800","file_id":"x"}]}"#,
            ]
        )
        func loneSurrogate(body: String) async throws {
            let answer = try await TestServer.current.post("/v1/execute", body)
            #expect(answer.status == 200 || (400..<500).contains(answer.status), "\(answer.status) \(answer.text)")
            _ = try answer.json
        }

        @Test(
            "NaN and infinity in a request are no error of the server",
            arguments: [
                #"{"code":NaN}"#, #"{"code":"","timeout_ms":Infinity}"#, #"{"code":"","timeout_ms":-Infinity}"#,
                #"{"code":"","files":[NaN]}"#, "NaN",
            ]
        )
        func notANumber(body: String) async throws {
            let answer = try await TestServer.current.post("/v1/execute", body)
            #expect(answer.status == 422, "\(answer.text)")
            #expect(try answer.detail.array?.isEmpty == false)
        }

        @Test("a path component over 255 bytes, or a path over 4096, is a wrong request")
        func longPaths() async throws {
            let server = try TestServer.current
            let id = try await server.upload("x", "x".utf8)
            for path in [
                String(repeating: "a", count: 256), "d/" + String(repeating: "é", count: 128),
                String(repeating: "a/", count: 3000) + "a",
            ] {
                let answer = try await server.post(
                    "/v1/execute",
                    ["code": "", "files": [["path": .string(path), "file_id": .string(id)]]]
                )
                #expect(answer.status == 422, "\(path.utf8.count) bytes: \(answer.text.prefix(200))")
            }
            let fits = String(repeating: "a", count: 255)
            let answer = try await server.execute(
                ExecuteRequest("import os\nprint(len(os.listdir('.')))", files: [(fits, id)])
            )
            #expect(answer.stdout == "2\n", "\(answer.json)")
        }

        @Test("a NUL in a path is a wrong request")
        func pathWithNUL() async throws {
            let server = try TestServer.current
            let id = try await server.upload("x", "x".utf8)
            let answer = try await server.post(
                "/v1/execute",
                ["code": "", "files": [["path": "a\u{0}b", "file_id": .string(id)]]]
            )
            #expect(answer.status == 422, "\(answer.text)")
        }

        @Test("a path that is a folder of another is a wrong request, not an error of the server")
        func conflictingPaths() async throws {
            let server = try TestServer.current
            let id = try await server.upload("x", "x".utf8)
            let files: JSON = [["path": "a", "file_id": .string(id)], ["path": "a/b", "file_id": .string(id)]]
            let answer = try await server.post("/v1/execute", ["code": "", "timeout_ms": 30000, "files": files])
            #expect(answer.status < 500, "\(answer.text)")
        }

        @Test("a sparse file is not read into memory")
        func sparse() async throws {
            let server = try TestServer.current
            let before = server.residentBytes
            let answer = try await server.execute("open('sparse', 'wb').truncate(99_000_000)")
            let grown = server.residentBytes - before
            #expect(answer.exitCode == 0)
            #expect(grown < 60_000_000, "the server grew by \(grown) bytes")
        }
    }
}
