import TestSupport
import Testing

extension NotebookFileTests {
    @Suite("Beside cells")
    struct BesideCells {
        @Test("what a cell writes is there at once, whoever may read it, and while it is open")
        func fromCell() async throws {
            try await withFolder { server, folder in
                try await run(
                    """
                    import os
                    os.makedirs('FOLDER/sub')
                    open('FOLDER/sub/a', 'w').write('a')
                    with open('FOLDER/private', 'w') as f: f.write('p'); os.fchmod(f.fileno(), 0o600)
                    held = open('FOLDER/held', 'w'); held.write('half'); held.flush()
                    """,
                    in: folder
                )
                for (name, text) in [("sub/a", "a"), ("private", "p"), ("held", "half")] {
                    #expect(try await server.get("/files/\(folder)/\(name)").text == text, "\(name)")
                }
                try await run("held.write(' whole'); held.close()", in: folder)
                #expect(try await server.get("/files/\(folder)/held").text == "half whole")
            }
        }

        @Test("a cell reads, appends to, renames, replaces and removes what was PUT")
        func fromOutside() async throws {
            try await withFolder { server, folder in
                #expect(try await server.put("\(folder)/new/file", "one".utf8).status == 201)
                let cell = try await run(
                    """
                    import os
                    before = open('FOLDER/new/file').read()
                    open('FOLDER/new/file', 'a').write(' two')
                    os.chmod('FOLDER/new/file', 0o640); os.utime('FOLDER/new/file')
                    os.rename('FOLDER/new/file', 'FOLDER/new/renamed')
                    open('FOLDER/new/other', 'w').write('x')
                    status = os.stat('FOLDER/new/renamed'); folder = os.stat('FOLDER/new')
                    before, (status.st_uid, status.st_gid), (folder.st_uid, folder.st_gid)
                    """,
                    in: folder
                )
                #expect(cell.text == "('one', (1000, 1000), (1000, 1000))", "\(cell)")
                #expect(try await server.get("/files/\(folder)/new/file").status == 404)
                #expect(try await server.get("/files/\(folder)/new/renamed").text == "one two")
                try await run("import shutil\nshutil.rmtree('FOLDER/new')", in: folder)
                #expect(try await server.workspaceEntries(folder) == [])
            }
        }

        @Test("a cell that has a file open sees the old content of one that is overwritten, never a mixture")
        func oneStep() async throws {
            try await withFolder { server, folder in
                _ = try await server.put("\(folder)/file", Array(repeating: UInt8(ascii: "a"), count: 500_000))
                try await run("held = open('FOLDER/file'); first = held.read(1)", in: folder)
                _ = try await server.put("\(folder)/file", Array(repeating: UInt8(ascii: "b"), count: 500_000))
                let cell = try await run("set(first + held.read()), set(open('FOLDER/file').read())", in: folder)
                #expect(cell.text == "({'a'}, {'b'})", "\(cell)")
            }
        }

        @Test("an upload that breaks off leaves nothing, and an old file as it was")
        func brokenUpload() async throws {
            try await withFolder { server, folder in
                _ = try await server.put("\(folder)/old", "old".utf8)
                for name in ["old", "new"] {
                    let connection = try await RawConnection(port: server.port)
                    try await connection.send(
                        "PUT /files/\(folder)/\(name) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
                            + String(repeating: "x", count: 300_000)
                    )
                    await connection.close()
                }
                #expect(try await server.get("/files/\(folder)/old").text == "old")
                #expect(try await server.workspaceEntries(folder).map { $0["name"] } == ["old"])
                #expect(try await server.put("\(folder)/new", "n".utf8).status == 201)
            }
        }

        @Test("100 MB in and out cost the server less than 30 MB of memory")
        func memory() async throws {
            try await withFolder { server, folder in
                let content = [UInt8](repeating: 0x5A, count: 100 * 1_048_576)
                let path = "\(folder)/large"
                let (uploaded, up) = try await Self.peak(of: server) { try await server.put(path, content) }
                #expect(uploaded.status == 201, "\(uploaded.text)")
                #expect(up < 30_000_000, "\(up / 1_000_000) MB more for PUT")
                let (downloaded, down) = try await Self.peak(of: server) { try await server.get("/files/\(path)") }
                #expect(downloaded.status == 200 && downloaded.body == content)
                #expect(down < 30_000_000, "\(down / 1_000_000) MB more for GET")
            }
        }

        /// How much more memory the server had at the worst moment of `body` than before.
        private static func peak(of server: TestServer, _ body: @escaping @Sendable () async throws -> HTTPAnswer)
            async throws -> (HTTPAnswer, Int)
        {
            let before = server.residentBytes
            let watch = Task {
                var largest = 0
                while !Task.isCancelled {
                    largest = max(largest, server.residentBytes)
                    // Ends with the task that is watched.
                    try? await Task.sleep(for: .milliseconds(5))
                }
                return largest
            }
            defer { watch.cancel() }
            let answer = try await body()
            watch.cancel()
            return (answer, max(await watch.value, server.residentBytes) - before)
        }

        @Test("a file above the limit is refused before it is sent, with nothing left of it")
        func tooLarge() async throws {
            try await withFolder { server, folder in
                let connection = try await RawConnection(port: server.port)
                try await connection.send(
                    "PUT /files/\(folder)/huge HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857601\r\n\r\n"
                )
                let answer = await connection.receiveAnswer()
                #expect(answer.hasPrefix("HTTP/1.1 413 "), "\(answer.prefix(300))")
                await connection.close()
                #expect(try await server.workspaceEntries(folder) == [])
            }
        }

        @Test("a file that turns out to be above the limit while it comes is refused too")
        func tooLargeInPieces() async throws {
            try await withFolder { server, folder in
                let connection = try await RawConnection(port: server.port)
                try await connection.send(
                    "PUT /files/\(folder)/huge HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                let piece = Array("100000\r\n".utf8) + [UInt8](repeating: 1, count: 1 << 20) + Array("\r\n".utf8)
                for _ in 0..<101 where !connection.isClosedByPeer && connection.text.isEmpty {
                    try await connection.send(piece)
                }
                let answer = await connection.receiveAnswer()
                #expect(answer.hasPrefix("HTTP/1.1 413 "), "\(answer.prefix(300))")
                await connection.close()
                #expect(try await server.workspaceEntries(folder) == [])
            }
        }

        @Test("a full workspace is 507, and has room again when something is deleted")
        func full() async throws {
            try await withFolder { server, folder in
                try await run(
                    "import os\nwith open('FOLDER/filler', 'w') as f: os.posix_fallocate(f.fileno(), 0, 115 << 20)",
                    in: folder
                )
                let content = [UInt8](repeating: 1, count: 10_000_000)
                let answer = try await server.put("\(folder)/more", content)
                #expect(answer.status == 507, "\(answer.status) \(answer.text)")
                #expect(answer.header("Content-Type")?.hasPrefix("text/plain") == true)
                #expect(try await server.workspaceEntries(folder).map { $0["name"] } == ["filler"])
                #expect(try await server.cell(CellRequest("6 * 7")).text == "42")
                #expect(try await server.send("DELETE", "/files/\(folder)/filler").status == 204)
                #expect(try await server.put("\(folder)/more", content).status == 201)
            }
        }

        @Test("a workspace with as many files as it may have is 507 too")
        func fullOfFiles() async throws {
            try await withFolder { server, folder in
                let cell = try await run(
                    """
                    made = 0
                    try:
                        while made < 1000: open(f'FOLDER/{made}', 'w').close(); made += 1
                    except OSError as error: number = error.errno
                    number, 200 < made <= 300
                    """,
                    in: folder
                )
                #expect(cell.text == "(28, True)", "\(cell)")
                for path in ["more", "deep/er/more"] {
                    let answer = try await server.put("\(folder)/\(path)", "x".utf8)
                    #expect(answer.status == 507, "\(answer.status) \(answer.text)")
                }
                #expect(try await server.send("DELETE", "/files/\(folder)/0").status == 204)
                #expect(try await server.put("\(folder)/more", "x".utf8).status == 201)
            }
        }
    }
}

extension String {
    /// The text with `%XX` read once.
    var removingPercentEncoding: String {
        var bytes: [UInt8] = []
        var rest = Array(utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), digits.utf8.count == 2, let value = UInt8(digits, radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
