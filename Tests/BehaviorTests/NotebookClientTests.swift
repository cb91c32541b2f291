import TestSupport
import Testing

extension NotebookAPI {
    @Suite("What notebook clients do")
    struct NotebookClient {
        @Test("a client that reads the stream as those clients do understands all of it")
        func session() async throws {
            let folder = try TemporaryFolder("client")
            defer { folder.remove() }
            let script = Installation.parent(of: #filePath) + "/notebook_client.py"
            let python = (Installation.pythonEnvironment.map { $0 + "/bin/python3" }) ?? "/usr/bin/python3"
            let output = "\(folder.path)/output"
            let client = try ChildProcess(
                [python, script, TestServer.current.url],
                environment: ["LANG": "C.UTF-8"],
                output: output,
                error: output
            )
            let ending = await client.ending()
            #expect(ending == .exited(0))
            #expect(Host.text(output) == "ok\n", "\(Host.text(output) ?? "")")
        }
    }
}
