import Execution
import NIOCore
import TestSupport
import Testing

@testable import HTTPAPI

@Suite("Cells over HTTP")
struct CellRouteTests {
    private func lines(_ response: RawResponse) -> [String] { response.text.split(separator: "\n").map(String.init) }

    @Test("stream what happens, from the number of executions to the end")
    func stream() async throws {
        try await TestAPI.with {
            $0.backend.cells = { _, cell, events in
                events(.output(.stdout, ByteBuffer(string: cell.code + "\n{\"type\":\"end_of_execution\"}\n")))
                events(
                    .display(
                        MIMEBundle(items: [.init(type: "text/plain", json: ByteBuffer(string: "\"2\""))]),
                        isMain: true
                    )
                )
                events(.error(CellError(name: "E", value: "v", traceback: "t")))
                return CellEnding()
            }
        } _: { api in
            let response = try await api.post("/execute", #"{"code":"x","context_id":null,"more":1}"#)
            #expect(response.status == 200)
            let lines = lines(response)
            #expect(lines.first == #"{"type":"number_of_executions","execution_count":1}"#)
            #expect(lines.count == 5)
            #expect(
                lines[1].hasPrefix(#"{"type":"stdout","text":"x\n{\"type\":\"end_of_execution\"}\n","timestamp":""#)
            )
            #expect(lines[2] == #"{"type":"result","text":"2","extra":{},"is_main_result":true}"#)
            #expect(lines[3] == #"{"type":"error","name":"E","value":"v","traceback":"t"}"#)
            #expect(lines[4] == #"{"type":"end_of_execution"}"#)
        }
    }

    @Test(
        "are refused with everything that is wrong with them",
        arguments: [
            (#"{}"#, 422, "Field required"), (#"{"code":1}"#, 422, "valid string"),
            (#"{"code":"","env_vars":[]}"#, 422, "valid dictionary"),
            (#"{"code":"","env_vars":{"A":1}}"#, 422, #""loc":["body","env_vars","A"]"#),
            (#"{"code":"","env_vars":{"A=B":"1"}}"#, 400, "Invalid env_vars"),
            (#"{"code":"","env_vars":{"":"1"}}"#, 400, "Invalid env_vars"),
            (#"{"code":"","env_vars":{"A":"\u0000"}}"#, 400, "Invalid env_vars"),
            (#"{"code":"","timeout_ms":0}"#, 422, "greater than or equal to 1"),
            (
                #"{"code":"","context_id":"a","language":"python"}"#, 400,
                "Only one of context_id or language can be provided"
            ),
            (#"{"code":"","context_id":"a"}"#, 404, "Context a not found"),
            (#"{"code":"","language":"cobol"}"#, 400, "no language 'cobol'; there are python, javascript"),
        ]
    )
    func refusals(body: String, status: Int, text: String) async throws {
        try await TestAPI.with { api in
            let response = try await api.post("/execute", body)
            #expect(response.status == status)
            #expect(response.text.contains(text), "\(response.text)")
        }
    }

    @Test("hand over environment and time limit, the language in its own name")
    func handedOver() async throws {
        try await TestAPI.with {
            $0.backend.cells = { _, cell, events in
                let variables = cell.environment.map { "\($0.name)=\($0.value)" }.joined(separator: ";")
                events(.output(.stdout, ByteBuffer(string: "\(variables) \(cell.timeLimit.map { "\($0)" } ?? "-")")))
                return CellEnding()
            }
        } _: { api in
            let body = #"{"code":"x","language":" JS ","env_vars":{"B":"'","A":"$x"},"timeout_ms":1500}"#
            let response = try await api.post("/execute", body)
            #expect(response.text.contains(#""text":"B=';A=$x 1.5 seconds""#), "\(response.text)")
            let contexts = try await api.request("GET", "/contexts")
            #expect(contexts.text.contains(#""language":"javascript""#))
        }
    }

    @Test("end with an error and the end where the context is gone before their turn")
    func deletedWhileWaiting() async throws {
        try await TestAPI.with {
            $0.backend.cells = { kernel, _, _ in
                await kernel.untilStopped()
                return CellEnding(death: kernel.death)
            }
        } _: { api in
            try await withThrowingTaskGroup(of: Void.self) { deletions in
                // Deleting until both are over: which of them comes first is not known.
                deletions.addTask {
                    while !Task.isCancelled { _ = try await api.request("DELETE", "/contexts/default") }
                }
                try await withThrowingTaskGroup(of: RawResponse.self) { cells in
                    for code in 1...2 { cells.addTask { try await api.post("/execute", #"{"code":"\#(code)"}"#) } }
                    for try await response in cells where response.status == 200 {
                        #expect(lines(response).last == #"{"type":"end_of_execution"}"#)
                        #expect(response.text.contains(#""type":"error""#))
                    }
                }
                deletions.cancelAll()
            }
        }
    }

    @Test("begin with the number of executions also where they waited for their turn for long")
    func queued() async throws {
        let (started, released) = (Signal(), Signal())
        try await TestAPI.with {
            $0.pulse = StreamPulse(silence: .milliseconds(20), beat: .milliseconds(10))
            $0.backend.cells = { _, cell, _ in
                if cell.code == "first" {
                    started.announce()
                    _ = await released.arrives()
                }
                return CellEnding()
            }
        } _: { api in
            try await RawConnection.with(port: api.port) { first in
                try await first.send(TestAPI.request("POST", "/execute", body: Array(#"{"code":"first"}"#.utf8)))
                #expect(await started.arrives())
                #expect(try await first.head()?.status == 200)
                try await RawConnection.with(port: api.port) { second in
                    try await second.send(TestAPI.request("POST", "/execute", body: Array(#"{"code":"second"}"#.utf8)))
                    #expect(try await second.head()?.status == 200)
                    // Each tells that the streams were looked at; both are silent, and the second has not begun.
                    var keepalives = 0
                    while keepalives < 5 {
                        let line = String(decoding: try #require(try await first.chunk()), as: UTF8.self)
                        if line == "{\"type\":\"keepalive\"}\n" { keepalives += 1 }
                    }
                    released.announce()
                    var text = ""
                    while let chunk = try await second.chunk() { text += String(decoding: chunk, as: UTF8.self) }
                    #expect(text.hasPrefix(#"{"type":"number_of_executions","execution_count":2}"#), "\(text)")
                    #expect(text.hasSuffix("{\"type\":\"end_of_execution\"}\n"), "\(text)")
                }
            }
        }
    }

    @Test("take an empty name of a context, a language or a directory for none")
    func emptyNames() async throws {
        try await TestAPI.with { api in
            for fields in [#""context_id":"""#, #""language":"""#, #""context_id":"","language":"""#] {
                let response = try await api.post("/execute", #"{"code":"1",\#(fields)}"#)
                #expect(response.status == 200, "\(fields): \(response.text)")
            }
            let made = try await api.post("/contexts", #"{"language":"","cwd":""}"#)
            #expect(made.status == 200)
            #expect(made.text.hasSuffix(#""language":"python","cwd":"/home/user"}"#), "\(made.text)")
            let contexts = try await api.request("GET", "/contexts").text
            #expect(contexts == #"[{"id":"default","language":"python","cwd":"/home/user"},\#(made.text)]"#)
        }
    }

    @Test("are made, listed, restarted, interrupted and deleted")
    func contexts() async throws {
        try await TestAPI.with { api in
            let made = try await api.post("/contexts", #"{"language":"Python","cwd":"/tmp"}"#)
            #expect(made.status == 200)
            let id = try #require(made.field("id"))
            #expect(made.text == #"{"id":"\#(id)","language":"python","cwd":"/tmp"}"#)
            let list = try await api.request("GET", "/contexts")
            #expect(list.text == #"[{"id":"default","language":"python","cwd":"/home/user"},\#(made.text)]"#)
            for (method, path) in [
                ("POST", "/contexts/\(id)/restart"), ("POST", "/contexts/\(id)/interrupt"),
                ("DELETE", "/contexts/\(id)"),
            ] {
                let done = try await api.request(method, path)
                #expect(done.status == 200 && done.text == "null", "\(method) \(path)")
            }
            #expect(try await api.request("DELETE", "/contexts/\(id)").status == 404)
            #expect(try await api.request("POST", "/contexts").status == 422)
            #expect(try await api.request("DELETE", "/contexts/default").status == 200)
            #expect(try await api.post("/execute", #"{"code":"1"}"#).status == 200)
        }
    }

    @Test("of unknown languages and wrong directories are refused in plain text")
    func refusedContexts() async throws {
        try await TestAPI.with {
            $0.backend.kernelError = .directory("/nope: No such file or directory")
        } _: { api in
            let wrong = try await api.post("/contexts", #"{"cwd":"/nope"}"#)
            #expect(wrong.status == 400)
            #expect(wrong.text == "Failed to create context: /nope: No such file or directory")
            #expect(try await api.post("/contexts", #"{"language":"cobol"}"#).status == 400)
        }
    }
}
