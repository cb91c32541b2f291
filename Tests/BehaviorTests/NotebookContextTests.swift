import TestSupport
import Testing

extension NotebookAPI {
    @Suite("Contexts")
    struct Contexts {
        @Test(
            "a new context has an id, Python as its language and the home as its folder",
            arguments: [
                "{}", #"{"language":null,"cwd":null}"#, #"{"language":""}"#, #"{"language":" PYTHON "}"#,
                #"{"language":"python","cwd":"/home/user","unknown":1}"#,
            ]
        )
        func create(body: String) async throws {
            let server = try TestServer.current
            let answer = try await server.post("/contexts", body)
            #expect(answer.status == 200, "\(answer.text)")
            let json = try answer.json
            #expect(json.keys == ["cwd", "id", "language"])
            #expect(json["language"] == "python")
            #expect(json["cwd"] == "/home/user")
            let context = NotebookContext(server: server, id: json["id"]?.string ?? "")
            #expect(try await context.run("import os\nos.getcwd()").text == "/home/user")
            try await context.delete()
        }

        @Test("they are listed in the order in which they were made, the default one included")
        func list() async throws {
            let server = try TestServer.current
            _ = try await server.cell(CellRequest("1"))
            try await server.withContext { first in
                let second = try await server.makeContext(["cwd": "/tmp"])
                let listed = try await server.listedContexts()
                #expect(listed.contains(["id": "default", "language": "python", "cwd": "/home/user"]), "\(listed)")
                let ids = listed.compactMap { $0["id"]?.string }
                #expect(Set(ids).count == ids.count)
                let positions = [first.id, second.id].compactMap { ids.firstIndex(of: $0) }
                #expect(positions.count == 2 && positions == positions.sorted(), "\(ids)")
                #expect(listed.contains(["id": .string(second.id), "language": "python", "cwd": "/tmp"]), "\(listed)")
                try await second.delete()
                #expect(!(try await server.listedContexts()).contains { $0["id"]?.string == second.id })
            }
        }

        @Test("a cell without a context runs in the default one, which keeps its state")
        func defaultContext() async throws {
            let server = try TestServer.current
            let name = "shared_\(UInt32.random(in: 0...UInt32.max))"
            _ = try await server.cell(CellRequest("\(name) = 5"))
            #expect(try await server.cell(CellRequest(name)).text == "5")
            #expect(try await server.cell(CellRequest(name, in: "default")).text == "5")
            #expect(try await server.cell(CellRequest(name, language: "python")).text == "5")
            let other = try await server.withContext { try await $0.run(name) }
            #expect(other.errorName == "NameError", "\(other)")
        }

        @Test(
            "the folder of a context holds for its cells, relative ones and those of the workspace too",
            arguments: [
                "/tmp", "/home/user/sub folder", "/workspace", "/", "/usr/lib",
            ]
        )
        func folder(path: String) async throws {
            let server = try TestServer.current
            if path.contains("sub") {
                _ = try await NotebookAPI.run("import os\nos.makedirs('\(path)', exist_ok=True)")
            }
            try await server.withContext(["cwd": .string(path)]) { context in
                let cell = try await context.run("import os\nos.chdir(os.getcwd())\nos.getcwd()")
                #expect(cell.text == (path == "/workspace" ? TestBackend.workingDirectory : path), "\(cell)")
            }
        }

        @Test(
            "a folder that is not one is 400 and makes no context",
            arguments: [
                "/nowhere", "/etc/passwd", "/home/user/not-there", "/proc/1/root", "/home/user/\u{0}", "'; import os #",
                "/root",
            ]
        )
        func wrongFolder(path: String) async throws {
            let server = try TestServer.current
            let answer = try await server.post("/contexts", ["cwd": .string(path)])
            #expect(answer.status == 400, "\(answer.status) \(answer.text)")
            #expect(!(try await server.listedContexts()).contains { $0["cwd"]?.string == path })
        }

        @Test("restart forgets variables and keeps id and folder; deletion answers null as well")
        func restart() async throws {
            let server = try TestServer.current
            let context = try await server.makeContext(["cwd": "/tmp"])
            _ = try await context.run("x = 1\nimport os\nos.chdir('/usr')")
            let answer = try await context.restart()
            #expect(answer.status == 200 && answer.text == "null", "\(answer.status) \(answer.text)")
            let cell = try await context.run("import os\n(os.getcwd(), 'x' in globals())")
            #expect(cell.text == "('/tmp', False)", "\(cell)")
            #expect(cell.executionCount == 1)
            #expect(cell.ending == nil)
            let deletion = try await server.send("DELETE", "/contexts/\(context.id)")
            #expect(deletion.status == 200 && deletion.text == "null", "\(deletion.status) \(deletion.text)")
        }

        @Test("a restart ends the cell that runs, and says so")
        func restartWhileRunning() async throws {
            try await TestServer.current.withContext { context in
                var lines = try await context.lines("x = 1\nprint('on')\nwhile True: pass").makeAsyncIterator()
                _ = try await lines.next { $0["type"] == "stdout" }
                #expect(try await context.restart().status == 200)
                let ending = try await lines.next { $0["type"] == "ending" }
                #expect(ending["reason"] == "restart" && ending["context"] == "lost", "\(ending)")
                #expect(try await lines.next()?.json == ["type": "end_of_execution"])
                try await NotebookAPI.expectAnswering(context, fresh: true)
            }
        }

        @Test("deletion ends the cell that runs, its processes, and the stream")
        func deleteWhileRunning() async throws {
            let server = try TestServer.current
            let context = try await server.makeContext()
            let marker = "15.\(UInt32.random(in: 1_000_000...UInt32.max))"
            var lines = try await context.lines(
                "import subprocess\np = subprocess.Popen(['sleep', '\(marker)'], start_new_session=True)\nprint('on')\nwhile True: pass"
            ).makeAsyncIterator()
            _ = try await lines.next { $0["type"] == "stdout" }
            #expect(try await server.send("DELETE", "/contexts/\(context.id)").status == 200)
            let ending = try await lines.next { $0["type"] == "ending" }
            #expect(ending["context"] == "lost", "\(ending)")
            #expect(try await lines.next()?.json == ["type": "end_of_execution"])
            await withKnownIssue("processes outside of the interpreter's session outlive it") {
                let isGone = await eventually(within: .seconds(3)) {
                    ProcessTree.commandLines.allSatisfy { !$0.contains(marker) }
                }
                #expect(isGone, "its child still runs")
            }
            let next = try await server.post("/execute", CellRequest("1", in: context.id).json)
            #expect(next.status == 404)
        }

        @Test(
            "an id that is not there is 404 on every route",
            arguments: [
                "nope", "00000000-0000-4000-8000-000000000000", "..", "%2e%2e", "a%2Fb", "%00", "%F0%9F%98%80",
            ]
        )
        func unknown(id: String) async throws {
            let server = try TestServer.current
            for (method, path) in [("DELETE", ""), ("POST", "/restart"), ("POST", "/interrupt")] {
                let answer = try await server.send(method, "/contexts/\(id)\(path)")
                #expect(answer.status == 404, "\(method) \(path): \(answer.status) \(answer.text)")
                if id == "nope" { #expect(answer.text == "Context nope not found") }
            }
            if !id.contains("%") {
                let answer = try await server.post("/execute", CellRequest("1", in: id).json)
                #expect(answer.status == 404)
                #expect(answer.text == "Context \(id) not found")
            }
        }

        @Test(
            "an unknown language is 400 and names the known ones",
            arguments: ["cobol", "python2", "r\u{0}", "../python"]
        )
        func unknownLanguage(language: String) async throws {
            let server = try TestServer.current
            let bodies: [(String, JSON)] = [
                ("/contexts", ["language": .string(language)]), ("/execute", CellRequest("1", language: language).json),
            ]
            for (path, body) in bodies {
                let answer = try await server.post(path, body)
                #expect(answer.status == 400, "\(path): \(answer.status) \(answer.text)")
                #expect(answer.text.hasPrefix("Failed to create context: "), "\(answer.text)")
                #expect(answer.text.contains("python"), "\(answer.text)")
            }
        }

        @Test("a context and a language together are refused")
        func contextAndLanguage() async throws {
            let server = try TestServer.current
            let answer = try await server.post("/execute", CellRequest("1", in: "default", language: "python").json)
            #expect(answer.status == 400)
            #expect(answer.text == "Only one of context_id or language can be provided")
        }

        @Test(
            "what is wrong with a request is 422 with the fields, before anything runs",
            arguments: [
                ("/execute", "{}", "code"), ("/execute", #"{"code":1}"#, "code"),
                ("/execute", #"{"code":null}"#, "code"),
                ("/execute", #"{"code":"1","context_id":5}"#, "context_id"),
                ("/execute", #"{"code":"1","language":[]}"#, "language"),
                ("/execute", #"{"code":"1","env_vars":"x"}"#, "env_vars"),
                ("/execute", #"{"code":"1","env_vars":{"A":1}}"#, "env_vars"),
                ("/execute", #"{"code":"1","env_vars":{"A":null}}"#, "env_vars"),
                ("/execute", #"{"code":"1","env_vars":[]}"#, "env_vars"),
                ("/execute", #"{"code":"1","timeout_ms":0}"#, "timeout_ms"),
                ("/execute", #"{"code":"1","timeout_ms":"5"}"#, "timeout_ms"),
                ("/execute", #"{"code":"1","timeout_ms":-1}"#, "timeout_ms"),
                ("/execute", #"{"code":"1","timeout_ms":1.5}"#, "timeout_ms"),
                ("/execute", #"{"code":"1","timeout_ms":1e400}"#, "timeout_ms"), ("/contexts", #"{"cwd":7}"#, "cwd"),
                ("/contexts", #"{"language":7}"#, "language"), ("/contexts", "", "body"), ("/contexts", "null", "body"),
                ("/execute", "", "body"), ("/execute", "[1]", "body"), ("/contexts", "[]", "body"),
            ]
        )
        func validation(path: String, body: String, field: String) async throws {
            let answer = try await TestServer.current.post(path, body)
            #expect(answer.status == 422, "\(answer.status) \(answer.text)")
            let items = try answer.detail.array ?? []
            #expect(items.first?["loc"]?[0] == "body", "\(answer.text)")
            #expect(items.contains { "\($0["loc"] ?? .null)".contains(field) }, "\(answer.text)")
            #expect(items.allSatisfy { $0["type"]?.string != nil && $0["msg"]?.string != nil }, "\(answer.text)")
        }

        @Test(
            "JSON that is none is 422 with its place",
            arguments: ["{", #"{"code":"1"#, "{'code':1}", "nul", #"{"code":"1"} x"#]
        )
        func malformed(body: String) async throws {
            for path in ["/execute", "/contexts"] {
                let answer = try await TestServer.current.post(path, body)
                #expect(answer.status == 422, "\(answer.status) \(answer.text)")
                #expect(try answer.detail[0]?["type"] == "json_invalid", "\(answer.text)")
            }
        }

        @Test(
            "a form or a text is not JSON, so that no web page can send a cell",
            arguments: [
                "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=b",
                "text/plain;application/json",
            ]
        )
        func otherTypes(type: String) async throws {
            let server = try TestServer.current
            let name = "form_\(UInt32.random(in: 0...UInt32.max))"
            let answer = try await server.post("/execute", #"{"code":"\#(name) = 1"}"#, type: type)
            #expect(answer.status == 422, "\(answer.status) \(answer.text)")
            #expect(try await server.post("/contexts", "{}", type: type).status == 422)
            #expect(try await server.cell(CellRequest("'\(name)' in globals()")).text == "False")
        }

        @Test(
            "methods and paths that are not there are 404 or 405",
            arguments: [
                ("GET", "/execute", 405), ("PUT", "/contexts", 405), ("GET", "/contexts/default/restart", 405),
                ("POST", "/contexts/default/other", 404),
            ]
        )
        func otherRoutes(method: String, path: String, status: Int) async throws {
            let answer = try await TestServer.current.send(method, path)
            #expect(answer.status == status, "\(answer.text)")
        }

        @Test("twenty contexts made, used and deleted at once do not mix")
        func manyAtOnce() async throws {
            let server = try TestServer.current
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        try await server.withContext { context in
                            _ = try await context.run("x = \(number)")
                            #expect(try await context.run("x").text == "\(number)")
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
