import TestSupport
import Testing

/// Two keys of one server: whatever the one makes, the other neither sees nor reaches.
@Suite(
    "Tenants",
    .server(
        [
            "AUTH_MODE": "token", "POOL_SIZE_NOTEBOOK": "2",
            "API_KEYS": "alice:alice-0123456789abcdef,bob:bob-0123456789abcdef",
        ],
        checksForLeaks: false
    ),
    .serialized
)
struct TenantTests {
    private let alice: KeyHolder
    private let bob: KeyHolder

    init() throws { (alice, bob) = try KeyHolder.two("alice", "bob") }

    @Test("each has a default context, in a sandbox of its own")
    func defaultSandboxes() async throws {
        let secret = "secret-\(UInt32.random(in: 0...UInt32.max))"
        let code = """
            owner = '\(secret)'
            for path in '/home/user/mark', '/tmp/mark', '/dev/shm/mark':
                open(path, 'w').write(owner)
            import socket
            listener = socket.socket(); listener.bind(('127.0.0.1', 47113)); listener.listen()
            hidden = socket.socket(socket.AF_UNIX); hidden.bind('\\0tenant'); hidden.listen()
            """
        #expect(try await alice.cell(code).error == nil)
        let look = """
            import os, socket
            def reaches(family, address):
                try: socket.socket(family).connect(address)
                except OSError: return False
                return True
            found = [p for p in ('/home/user/mark', '/workspace/mark', '/tmp/mark', '/dev/shm/mark') if os.path.exists(p)]
            print('owner' in globals(), found, reaches(socket.AF_INET, ('127.0.0.1', 47113)), reaches(socket.AF_UNIX, '\\0tenant'))
            """
        let theirs = try await bob.cell(look)
        #expect(theirs.stdout == "False [] False False\n", "\(theirs)")
        let own = try await alice.cell(look)
        #expect(
            own.stdout == "True ['/home/user/mark', '/workspace/mark', '/tmp/mark', '/dev/shm/mark'] True True\n",
            "what the other one must not see is there: \(own)"
        )
        // Both are called `default`: deleting one's own leaves the other's alone.
        #expect(try await bob.delete("/contexts/default").status == 200)
        #expect(try await alice.cell("owner").text == "\(secret)")
    }

    @Test("a context of another one is not found on any route, and goes on")
    func contexts() async throws {
        let id = try await alice.makeContext()
        #expect(try await alice.cell("kept = 1", in: id).error == nil)
        let execution = CellRequest("1", in: id).json
        let answers = [
            ("execute", try await bob.post("/execute", execution)),
            ("restart", try await bob.send("POST", "/contexts/\(id)/restart")),
            ("interrupt", try await bob.send("POST", "/contexts/\(id)/interrupt")),
            ("delete", try await bob.delete("/contexts/\(id)")),
        ]
        for (what, answer) in answers {
            #expect(answer.status == 404, "\(what): \(answer.status) \(answer.text)")
            #expect(answer.text == "Context \(id) not found", "\(what)")
        }
        #expect(try await alice.cell("kept", in: id).text == "1")
        #expect(try await listedContexts(of: alice).contains(id))
        #expect(try await !listedContexts(of: bob).contains(id))
        #expect(try await alice.delete("/contexts/\(id)").status == 200)
    }

    private func listedContexts(of tenant: KeyHolder) async throws -> [String] {
        let answer = try await tenant.get("/contexts")
        #expect(answer.status == 200)
        return try answer.json.array?.compactMap { $0["id"]?.string } ?? []
    }

    @Test("while a context of one runs, neither the other's interrupt nor its delete ends the cell")
    func runningContext() async throws {
        let id = try await alice.makeContext()
        let path = "/files/started-\(id)"
        async let running = alice.cell(
            "import time\nopen('started-\(id)', 'w').close()\ntime.sleep(1)\n'done'",
            in: id
        )
        #expect(try await eventually { try await alice.get(path).status == 200 })
        #expect(try await bob.send("POST", "/contexts/\(id)/interrupt").status == 404)
        #expect(try await bob.delete("/contexts/\(id)").status == 404)
        let cell = try await running
        #expect(cell.text == "done", "\(cell)")
        #expect(cell.error == nil && cell.ending == nil, "\(cell)")
        #expect(try await alice.delete("/contexts/\(id)").status == 200)
    }

    @Test("files of the workspace are one's own, under the same path too")
    func workspaceFiles() async throws {
        #expect(try await alice.put("/files/only/here", "alice".utf8).status == 201)
        #expect(try await bob.get("/files/only/here").status == 404)
        #expect(try await bob.delete("/files/only/here").status == 404)
        #expect(try await bob.delete("/files/only").status == 404)
        #expect(try await !bob.names().contains("only"))
        #expect(try await bob.get("/files?path=only").status == 404)
        #expect(try await bob.put("/files/only/here", "bob".utf8).status == 201, "created, not overwritten")
        #expect(try await alice.get("/files/only/here").text == "alice")
        #expect(try await bob.get("/files/only/here").text == "bob")
        #expect(try await alice.names().contains("only"))
        #expect(try await alice.cell("open('only/here').read()").text == "alice")
        #expect(try await alice.delete("/files/only").status == 204)
        #expect(try await bob.get("/files/only/here").text == "bob")
    }

    @Test("stored files are one's own, uploaded or produced")
    func storedFiles() async throws {
        let form = Multipart.file("uploaded", Array("alice's".utf8))
        let upload = try await alice.send("POST", "/v1/files", headers: [form.header], body: form.body)
        #expect(upload.status == 201)
        let uploaded = try #require(try upload.json["file_id"]?.string)
        let code = "open('made', 'w').write('x')"
        let execution = try await alice.post("/v1/execute", ["code": .string(code), "timeout_ms": 30000]).json
        let produced = try #require(execution["files"]?.array?.first?["file_id"]?.string)
        for id in [uploaded, produced] {
            #expect(try await bob.get("/v1/files/\(id)").status == 404)
            #expect(try await bob.delete("/v1/files/\(id)").status == 404)
            let request: JSON = [
                "code": "print(open('stolen').read())", "timeout_ms": 30000,
                "files": [["path": "stolen", "file_id": .string(id)]],
            ]
            let use = try await bob.post("/v1/execute", request)
            #expect(use.status == 404, "\(use.status) \(use.text)")
            #expect(try await alice.get("/v1/files/\(id)").status == 200)
            #expect(try await !bob.get("/v1/files").text.contains(id))
            #expect(try await alice.get("/v1/files").text.contains(id))
        }
    }

    @Test("without a key nothing of either is there, and a key in the path is none")
    func strangers() async throws {
        let server = try TestServer.current
        for path in [
            "/contexts", "/files", "/files/only/here", "/languages", "/v1/files", "/files?key=alice-0123456789abcdef",
        ] {
            let answer = try await server.get(path)
            #expect(answer.status == 401, "\(path): \(answer.status)")
            #expect(answer.text == #"{"detail":"Unauthorized"}"#)
        }
        let stranger = KeyHolder(server, key: "carol-0123456789abcdef")
        #expect(try await stranger.put("/files/planted", "x".utf8).status == 401)
        #expect(try await !alice.names().contains("planted"))
    }
}
