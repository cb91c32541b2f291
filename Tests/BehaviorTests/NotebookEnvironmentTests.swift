import TestSupport
import Testing

extension NotebookAPI {
    @Suite("env_vars of a cell")
    struct EnvironmentVariables {
        @Test("they are set for one execution, for Python and for programs, and afterwards what was there is back")
        func restored() async throws {
            try await TestServer.current.withContext { context in
                _ = try await context.run("import os\nos.environ['KEPT'] = 'before'")
                let look = "print(os.environ.get('KEPT'), os.environ.get('NEW'))\n!echo [$KEPT] [$NEW]"
                let during = try await context.run(look, environment: ["KEPT": "now", "NEW": "n"])
                #expect(during.stdout.replacing("\r\n", with: "\n") == "now n\n[now] [n]\n", "\(during)")
                let after = try await context.run(look)
                #expect(after.stdout.replacing("\r\n", with: "\n") == "before None\n[before] []\n", "\(after)")
            }
        }

        @Test(
            "they are taken back after an error and an interrupt too",
            arguments: ["1/0", "(", "raise SystemExit", "import time\ntime.sleep(50)"]
        )
        func restoredAfterError(code: String) async throws {
            try await TestServer.current.withContext { context in
                let during = try await context.run(code, environment: ["GONE": "x", "HOME": "/else"], timeout: 1000)
                #expect(during.error != nil, "\(during)")
                let after = try await context.run("import os\n(os.environ.get('GONE'), os.environ['HOME'])")
                #expect(after.text == "(None, '/home/user')", "\(during) \(after)")
            }
        }

        @Test("what the cell itself sets under other names stays")
        func ownVariables() async throws {
            try await TestServer.current.withContext { context in
                _ = try await context.run("import os\nos.environ['MINE'] = '1'", environment: ["A": "2"])
                let after = try await context.run("(os.environ.get('MINE'), os.environ.get('A'))")
                #expect(after.text == "('1', None)", "\(after)")
            }
        }

        @Test("they do not move line numbers and do not break cell magics")
        func untouchedCode() async throws {
            try await TestServer.current.withContext { context in
                let magic = try await context.run("%%bash\necho $V", environment: ["V": "v"])
                #expect(magic.stdout == "v\n", "\(magic)")
                let failing = try await context.run("x = 1\n1/0", environment: ["V": "v"])
                let plain = (failing.error?["traceback"]?.string ?? "").replacing(/\u{1B}\[[0-9;]*m/, with: "")
                #expect(plain.firstMatch(of: /-+> 2 1\/0/) != nil, "\(plain)")
                let future = try await context.run("from __future__ import annotations\n5", environment: ["V": "v"])
                #expect(future.text == "5", "\(future)")
                #expect(try await context.run("In[-1]", environment: ["V": "v"]).text == "In[-1]")
            }
        }

        static let oddValues = [
            "", "'", "\"", "'''", "\"\"\"", "\\", "\\'", "$HOME", "`id`", "$(id)", "a\nb", "a\r\nb", "{x}", "%s",
            "\u{20AC}",
            "\u{1F600}", "\u{2028}", "' + __import__('os').getcwd() + '", "\\N{DIGIT ONE}",
            "; touch /home/user/spliced",
            "\u{7F}", "x=y", "\t",
        ]

        @Test("36: a value is a value, whatever stands in it", arguments: oddValues)
        func oddValue(value: String) async throws {
            try await TestServer.current.withContext { context in
                let cell = try await context.run(
                    "import os\nprint(ascii(os.environ['ODD']))\nimport subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import os; print(ascii(os.environ[\"ODD\"]))'])\nNone",
                    environment: ["ODD": .string(value)]
                )
                let expected = try await context.run("import json\nprint(ascii(json.loads(\(Self.literal(value)))))")
                #expect(cell.stdout == expected.stdout + expected.stdout, "\(cell)")
                let left = try await context.run("os.path.exists('/home/user/spliced'), 'ODD' in os.environ")
                #expect(left.text == "(False, False)", "\(left)")
            }
        }

        /// A Python literal of the JSON of a text.
        private static func literal(_ text: String) -> String {
            JSON.string(JSON.string(text).description).description
        }

        @Test(
            "36: names that change how programs start reach programs and nothing else",
            arguments: [
                "LD_PRELOAD", "LD_LIBRARY_PATH", "GLIBC_TUNABLES", "PYTHONSTARTUP", "PYTHONPATH", "PYTHONHOME",
                "BASH_ENV",
                "NODE_OPTIONS", "PATH", "IFS", "HOME", "TMPDIR", "LANG", "PYTHONHASHSEED", "MPLBACKEND", "_", "a.b",
                "a b",
                "\u{20AC}", "__class__", "PYTHONMALLOC",
            ]
        )
        func oddName(name: String) async throws {
            try await TestServer.current.withContext { context in
                let during = try await context.run(
                    "import os\nos.environ[\(Self.pythonString(name))]",
                    environment: .object([name: "/nowhere/value"])
                )
                #expect(during.text == "/nowhere/value" || during.error != nil, "\(during)")
                #expect(during.ending == nil, "\(during)")
                let after = try await context.run("os.environ.get(\(Self.pythonString(name))) == '/nowhere/value'")
                #expect(after.text == "False", "\(after)")
                #expect(try await context.run("!echo works").stdout.hasPrefix("works"))
            }
        }

        private static func pythonString(_ text: String) -> String { JSON.string(text).description }

        @Test(
            "36: what cannot be a variable is refused before anything runs",
            arguments: [
                [("A=B", "x")], [("", "x")], [("A\u{0}B", "x")], [("A", "x\u{0}y")], [("=", "x")],
            ]
        )
        func impossible(variables: [(String, String)]) async throws {
            try await TestServer.current.withContext { context in
                let environment = JSON.object(Dictionary(uniqueKeysWithValues: variables.map { ($0, .string($1)) }))
                let request = CellRequest("open('/home/user/ran', 'w')", in: context.id, environment: environment)
                let answer = try await context.server.post("/execute", request.json)
                #expect([400, 422].contains(answer.status), "\(answer.status) \(answer.text)")
                #expect(try await context.run("import os\nos.path.exists('/home/user/ran')").text == "False")
            }
        }

        @Test("nine hundred variables, and one of many kilobytes")
        func many() async throws {
            try await TestServer.current.withContext { context in
                var variables: [String: JSON] = [:]
                for number in 0..<900 { variables["V\(number)"] = .string("\(number)") }
                variables["LONG"] = .string(String(repeating: "x", count: 60_000))
                let cell = try await context.run(
                    "import os\nsum(int(os.environ[f'V{i}']) for i in range(900)), len(os.environ['LONG'])",
                    environment: .object(variables)
                )
                #expect(cell.text == "(404550, 60000)", "\(cell)")
                #expect(try await context.run("'V5' in os.environ").text == "False")
            }
        }

        @Test("they do not reach another context's cell that runs at the same time")
        func otherContext() async throws {
            let server = try TestServer.current
            try await server.withContext { context in
                let other = try await server.makeContext()
                var lines = try await server.lines(
                    CellRequest("print('set')\nimport time\ntime.sleep(50)", in: context.id, environment: ["OURS": "1"])
                ).makeAsyncIterator()
                _ = try await lines.next { $0["type"] == "stdout" }
                #expect(try await other.run("import os\n'OURS' in os.environ").text == "False")
                _ = try await context.interrupt()
                try await other.delete()
            }
        }

        @Test("values are not in the server's log")
        func notLogged() async throws {
            let server = try TestServer.current
            let secret = "s3cret-\(UInt32.random(in: 0...UInt32.max))"
            let cell = try await NotebookAPI.run("1/0 # \(secret)-code", environment: ["TOKEN": .string(secret)])
            #expect(cell.errorName == "ZeroDivisionError")
            #expect(!server.log.contains(secret))
        }
    }
}
