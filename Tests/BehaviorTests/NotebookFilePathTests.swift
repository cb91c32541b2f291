import TestSupport
import Testing

extension NotebookFileTests {
    @Suite("Paths")
    struct Paths {
        /// Every kind of request about one path.
        private static func everyRequest(_ server: TestServer, _ path: String) async throws -> [(String, HTTPAnswer)] {
            [
                ("list", try await server.get("/files?path=\(path)")),
                ("GET", try await server.get("/files/\(path)")),
                ("PUT", try await server.put(path, "planted".utf8)),
                ("DELETE", try await server.send("DELETE", "/files/\(path)")),
            ]
        }

        @Test(
            "what leads out of the workspace is refused, on every route",
            arguments: [
                "..", "../x", "a/../../x", "%2e%2e/x", "%2E%2E%2Fx", "..%2f..%2fetc%2fpasswd", "/etc/passwd",
                "%2Fetc%2Fpasswd", "/home", "%2F", "/home/user/..", "/home/user/../user2/x", "/home/user2/secret",
                "%2Fhome%2Fuser-evil", "/workspace2/x", "%2Fworkspace%2F..%2Fetc", "/tmp/x", "/proc/self/environ",
                "./../x", "a/./../../etc",
            ]
        )
        func outside(path: String) async throws {
            try await withFolder { server, _ in
                let plain = path.removingPercentEncoding
                for (what, answer) in try await Paths.everyRequest(server, path) {
                    expect(answer, 400, "Path outside workspace: \(plain)", what)
                }
            }
        }

        @Test("what is encoded twice is a name as it then stands", arguments: ["%252e%252e", "%252Fetc%252Fpasswd"])
        func encodedTwice(path: String) async throws {
            try await withFolder { server, folder in
                let plain = path.removingPercentEncoding
                expect(try await server.get("/files/\(folder)/\(path)"), 404, "Not found: \(folder)/\(plain)")
                #expect(try await server.put("\(folder)/\(path)", "inside".utf8).status == 201)
                #expect(try await server.workspaceEntries(folder).compactMap { $0["name"]?.string } == [plain])
                let cell = try await run("import os\nos.listdir('FOLDER')", in: folder)
                #expect(cell.text == "['\(plain)']", "\(cell)")
            }
        }

        @Test(
            "a NUL is in no name, and broken encodings do no harm",
            arguments: ["a%00b", "%00", "../%00", "a%00/../b"]
        )
        func zero(path: String) async throws {
            try await withFolder { server, _ in
                for (what, answer) in try await Paths.everyRequest(server, path) {
                    #expect(answer.status == 400, "\(what) \(answer.status) \(answer.text)")
                }
            }
        }

        @Test("absolute paths beneath both places of the workspace are the same files as relative ones")
        func absolute() async throws {
            try await withFolder { server, folder in
                #expect(try await server.put("%2Fhome%2Fuser%2F\(folder)%2Ffile", "one".utf8).status == 201)
                for path in [
                    "\(folder)/file", "./\(folder)//file", "/home/user/\(folder)/file", "/workspace/\(folder)/file",
                    "%2Fworkspace%2F\(folder)%2Ffile", "\(folder)/x/../file", "/home/./user/\(folder)/file",
                    "\(folder)%2Ffile",
                ] {
                    let answer = try await server.get("/files/\(path)")
                    #expect(answer.text == "one", "\(path): \(answer.status)")
                }
                #expect(try await server.put("/workspace/\(folder)/file", "two".utf8).status == 200)
                #expect(try await run("open('/home/user/FOLDER/file').read()", in: folder).text == "two")
                #expect(try await server.send("DELETE", "/files//home/user/\(folder)/file").status == 204)
            }
        }

        @Test("names that look like paths of the machine are names where they are not at the beginning")
        func relative() async throws {
            try await withFolder { server, folder in
                #expect(try await server.put("\(folder)/home/user/x", "1".utf8).status == 201)
                let names = try await server.workspaceEntries("\(folder)/home/user").map { $0["name"] }
                #expect(names == ["x"])
                for name in ["...", "~", "-rf", "a:b", "back%5Cslash", "con", "%20", "%C2%85", "a%3Fb%23c", "%25"] {
                    #expect(try await server.put("\(folder)/\(name)", "odd".utf8).status == 201, "\(name)")
                    #expect(try await server.get("/files/\(folder)/\(name)").text == "odd", "\(name)")
                }
                #expect(try await server.workspaceEntries(folder).count == 11)
            }
        }

        @Test("a link inside is followed, one that leads out is not, for any request")
        func links() async throws {
            try await withFolder { server, folder in
                try await run(
                    """
                    import os
                    os.mkdir('FOLDER/real'); open('FOLDER/real/file', 'w').write('inside')
                    links = {'in': 'real', 'etc': '/etc', 'root': '/proc/self/root', 'up': '../..', 'self': '/home/user'}
                    for name, target in links.items(): os.symlink(target, 'FOLDER/' + name)
                    """,
                    in: folder
                )
                #expect(try await server.get("/files/\(folder)/in/file").text == "inside")
                for path in ["etc/passwd", "root/etc/passwd", "up/x", "up/../etc/passwd"] {
                    for (what, answer) in try await Paths.everyRequest(server, "\(folder)/\(path)") {
                        #expect([400, 404].contains(answer.status), "\(what) \(path): \(answer.status)")
                        #expect(!answer.text.contains("root:"), "\(what) \(path)")
                    }
                }
                #expect(try await server.get("/files/\(folder)/in/file").text == "inside")
            }
        }
    }
}
