import TestSupport
import Testing

/// Contexts in the languages that `make setup` installs.
@Suite(
    "Languages of contexts",
    .server(["INTERRUPT_GRACE_SEC": "5", "POOL_SIZE_NOTEBOOK": "1"], usesContexts: true),
    .serialized
)
struct LanguageTests {
    @Test("the list has Python first, and each language once with a name for people")
    func list() async throws {
        let answer = try await TestServer.current.get("/languages")
        #expect(answer.status == 200)
        let languages = try #require(try answer.json.array)
        #expect(languages.first == ["language": "python", "display_name": "Python"])
        let names = languages.compactMap { $0["language"]?.string }
        #expect(names.count == languages.count && Set(names).count == names.count, "\(answer.text)")
        #expect(languages.allSatisfy { $0["display_name"]?.string?.isEmpty == false })
        if Host.has(.bashKernel) { #expect(names.contains("bash")) }
        if Host.has(.javascriptKernel) { #expect(names.contains("javascript")) }
    }

    @Test(
        "an unknown language is refused, naming the known ones",
        arguments: ["cobol", "pythonn", "../bash", "bash;id", "\u{20AC}"]
    )
    func unknown(language: String) async throws {
        let server = try TestServer.current
        let before = try await server.listedContexts().count
        for (path, body) in [
            ("/contexts", ["language": .string(language)]), ("/execute", CellRequest("1", language: language).json),
        ] {
            let answer = try await server.post(path, body)
            #expect(answer.status == 400, "\(path) \(answer.status) \(answer.text)")
            #expect(answer.text.hasPrefix("Failed to create context: "), "\(path) \(answer.text)")
            #expect(answer.text.contains("python"), "\(path) \(answer.text)")
            if Host.has(.bashKernel) { #expect(answer.text.contains("bash"), "\(path) \(answer.text)") }
        }
        #expect(try await server.listedContexts().count == before)
    }

    @Test("a name is trimmed, letters may be large, and short ones are known", .needs(.javascriptKernel))
    func spelling() async throws {
        let server = try TestServer.current
        for spelling in [" JavaScript ", "js", "JS"] {
            let answer = try await server.post("/contexts", ["language": .string(spelling)])
            #expect(try answer.json["language"] == "javascript", "\(answer.text)")
            _ = try await server.send("DELETE", "/contexts/\(try answer.json["id"]?.string ?? "")")
        }
        let python = try await server.post("/contexts", ["language": ""])
        #expect(try python.json["language"] == "python", "\(python.text)")
        _ = try await server.send("DELETE", "/contexts/\(try python.json["id"]?.string ?? "")")
    }

    @Test("bash: output, state, errors, and variables for one cell", .needs(.bashKernel))
    func bash() async throws {
        try await TestServer.current.withContext(["language": "bash"]) { context in
            let hello = try await context.run("echo hello; cd /tmp; x=5; f() { echo \"f $1\"; }")
            #expect(hello.stdout == "hello\n" && hello.error == nil && hello.ending == nil, "\(hello)")
            #expect(hello.executionCount == 1)
            let state = try await context.run("echo $x $PWD; f 1")
            #expect(state.stdout == "5 /tmp\nf 1\n", "\(state)")
            #expect(state.executionCount == 2)
            let error = try await context.run("echo before; false")
            #expect(error.stdout == "before\n" && error.error != nil && error.ending == nil, "\(error)")
            let missing = try await context.run("no-such-program")
            #expect((missing.stdout + missing.stderr).contains("no-such-program"), "\(missing)")
            #expect(missing.error != nil, "\(missing)")
            let odd = "a'b\"$HOME`id`\\"
            let during = try await context.run("printenv OURS; echo [$x]", environment: ["OURS": .string(odd)])
            #expect(during.stdout == odd + "\n[5]\n", "\(during)")
            #expect(try await context.run("echo [$OURS] $x").stdout == "[] 5\n")
        }
    }

    @Test("bash: a cell out of time is interrupted and what it had set stays", .needs(.bashKernel))
    func bashInterrupt() async throws {
        try await TestServer.current.withContext(["language": "bash"]) { context in
            let cell = try await context.run("x=7; echo started; sleep 60; echo never", timeout: 1500)
            #expect(cell.stdout.hasPrefix("started\n") && !cell.stdout.contains("never"), "\(cell)")
            #expect(cell.reason == "timeout" && cell.context == "kept", "\(cell)")
            let next = try await context.run("echo $x")
            #expect(next.stdout == "7\n" && next.ending == nil && next.error == nil, "\(next)")
        }
    }

    @Test("JavaScript: output, values, state, errors, and variables for one cell", .needs(.javascriptKernel))
    func javascript() async throws {
        try await TestServer.current.withContext(["language": "javascript"]) { context in
            let hello = try await context.run("console.log('hello'); const x = 5; let y = [1, 2]; 6 * 7")
            #expect(hello.stdout == "hello\n" && hello.text == "42", "\(hello)")
            #expect(hello.executionCount == 1 && hello.error == nil && hello.ending == nil, "\(hello)")
            let state = try await context.run("y.push(x); y.length")
            #expect(state.text == "3" && state.executionCount == 2, "\(state)")
            let waited = try await context.run("await new Promise(done => setTimeout(() => done('late'), 50))")
            #expect(waited.text?.contains("late") == true, "\(waited)")
            let error = try await context.run("console.log('before'); throw new TypeError('mine')")
            #expect(error.stdout == "before\n" && error.errorName == "TypeError", "\(error)")
            #expect(error.error?["value"]?.string?.contains("mine") == true && error.ending == nil, "\(error)")
            #expect(try await context.run("1 +").error != nil)
            let look = "console.log(Deno.env.get('OURS') ?? 'none', x)"
            let odd = "a'b\"${x}`\\"
            let during = try await context.run(look, environment: ["OURS": .string(odd)])
            #expect(during.stdout == "\(odd) 5\n", "\(during)")
            #expect(try await context.run(look).stdout == "none 5\n")
        }
    }

    @Test("a restart takes the state, and the language and the place stay", .needs(.bashKernel))
    func restart() async throws {
        try await TestServer.current.withContext(["language": "bash", "cwd": "/tmp"]) { context in
            let moved = try await context.run("x=1; cd /; pwd")
            #expect(moved.stdout == "/\n", "\(moved)")
            #expect(try await context.restart().status == 200)
            let fresh = try await context.run("echo [$x] $PWD")
            #expect(fresh.stdout == "[] /tmp\n", "\(fresh)")
        }
    }

    @Test("a language without a context has a default one, which keeps its state", .needs(.bashKernel))
    func defaultOfLanguage() async throws {
        let server = try TestServer.current
        #expect(try await server.cell(CellRequest("mine=1", language: "bash")).error == nil)
        #expect(try await server.cell(CellRequest("echo $mine", language: " Bash")).stdout == "1\n")
        #expect(try await server.cell(CellRequest("6 * 7")).text == "42")
        try await server.deleteContexts()
    }

    @Test("contexts in three languages share the workspace", .needs(.bashKernel, .javascriptKernel))
    func sharedWorkspace() async throws {
        let server = try TestServer.current
        let name = "shared-\(UInt32.random(in: 0...UInt32.max))"
        let bash = try await server.makeContext(["language": "bash"])
        let script = try await server.makeContext(["language": "javascript"])
        let python = try await server.makeContext()
        #expect(try await bash.run("echo bash > \(name); pwd").stdout == "/home/user\n")
        let second = try await script.run(
            "Deno.writeTextFileSync('/workspace/\(name)', 'deno\\n', {append: true}); Deno.cwd()"
        )
        #expect(second.text?.contains("/home/user") == true && second.error == nil, "\(second)")
        let third = try await python.run("open('\(name)', 'a').write('python\\n'); open('\(name)').read()")
        #expect(third.text?.contains("bash") == true, "\(third)")
        #expect(try await bash.run("cat \(name)").stdout == "bash\ndeno\npython\n")
        #expect(try await server.get("/files/\(name)").text == "bash\ndeno\npython\n")
        #expect(try await server.send("DELETE", "/files/\(name)").status == 204)
        for context in [bash, script, python] { try await context.delete() }
    }
}
