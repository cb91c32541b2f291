import TestSupport
import Testing

extension NotebookAPI {
    @Suite("Names that clients give")
    struct Names {
        @Test("an empty name is none: the default context, the default language, the default directory")
        func empty() async throws {
            let server = try TestServer.current
            for fields in [#""context_id":"""#, #""language":"""#, #""context_id":"","language":"""#] {
                let answer = try await server.post("/execute", #"{"code":"6 * 7",\#(fields)}"#)
                #expect(answer.status == 200, "\(fields): \(answer.text)")
                #expect(answer.text.contains(#""text":"42""#), "\(fields): \(answer.text)")
            }
            try await server.withContext(["language": "", "cwd": ""]) { context in
                let listed = try await server.listedContexts().first { $0["id"]?.string == context.id }
                #expect(listed?["language"] == "python")
                #expect(listed?["cwd"] == "/home/user")
                let cell = try await context.run("import os\nos.getcwd()")
                #expect(cell.text == "/home/user", "\(cell)")
            }
        }

        @Test("a file may have a name that begins with an accent")
        func accents() async throws {
            let server = try TestServer.current
            try await server.withWorkspaceFolder { folder in
                let path = "\(folder)/%CC%81x"
                #expect(try await server.put(path, "content".utf8).status == 201)
                #expect(try await server.get("/files/\(path)").text == "content")
                let names = try await server.workspaceEntries(folder).map { Array(($0["name"]?.string ?? "").utf8) }
                #expect(names == [Array("\u{301}x".utf8)])
                #expect(try await server.send("DELETE", "/files/\(path)").status == 204)
            }
        }
    }
}
