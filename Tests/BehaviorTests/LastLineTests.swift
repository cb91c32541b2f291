import TestSupport
import Testing

extension OneShot {
    @Suite("The last line")
    struct LastLine {
        @Test(
            "a last expression prints its repr",
            arguments: [
                ("1 + 1", "2\n"), ("'text'", "'text'\n"), ("x = 5\nx", "5\n"), ("None", ""), ("print('a')", "a\n"),
                ("x = 1", ""),
                ("1\n2", "2\n"), ("1; 2", "2\n"), ("if True:\n    3", ""), ("[1,\n 2]", "[1, 2]\n"),
                ("'é\u{1F600}'", "'é\u{1F600}'\n"),
                ("3  # a comment\n\n# the end", "3\n"), ("def f():\n    return 7\nf()", "7\n"), ("3;", "3\n"),
                ("'''a\nb'''", "'a\\nb'\n"),
                ("class A:\n    def __repr__(self): return 'A!'\nA()", "A!\n"), ("print(1)\n2", "1\n2\n"),
                ("(yes := 4)", "4\n"),
            ]
        )
        func lastExpression(code: String, expected: String) async throws {
            let answer = try await TestServer.current.execute(code, interactive: true)
            #expect(answer.stdout == expected, "\(answer.json)")
            #expect(answer.stderr.isEmpty)
            #expect(answer.exitCode == 0)
        }

        @Test("last_line_interactive is on where the request does not say")
        func onByDefault() async throws {
            let answer = try await TestServer.current.execute(ExecuteRequest("1 + 1", interactive: nil))
            #expect(answer.stdout == "2\n")
        }

        @Test("off, the last expression prints nothing")
        func off() async throws {
            let answer = try await TestServer.current.execute("1 + 1", interactive: false)
            #expect(answer.stdout.isEmpty)
            #expect(answer.exitCode == 0)
        }

        @Test("an empty program does nothing", arguments: ["", "\n\n", "# only a comment", "   "])
        func empty(code: String) async throws {
            for isInteractive in [true, false] {
                let answer = try await TestServer.current.execute(code, interactive: isInteractive)
                #expect(answer.stdout + answer.stderr == "", "\(answer.json)")
                #expect(answer.exitCode == 0)
            }
        }

        @Test("statements compile one by one: what stands before a wrong one runs")
        func compiledOneByOne() async throws {
            let answer = try await TestServer.current.execute("print(1)\nreturn 5", interactive: true)
            #expect(answer.stdout == "1\n")
            #expect(answer.exitCode == 1)
            #expect(answer.stderr.contains("SyntaxError: 'return' outside function"), "\(answer.json)")
        }

        @Test("a text that does not parse prints nothing and ends with 1", arguments: [true, false])
        func syntaxError(isInteractive: Bool) async throws {
            let answer = try await TestServer.current.execute("print(1)\nif x\n    pass", interactive: isInteractive)
            #expect(answer.stdout.isEmpty)
            #expect(answer.exitCode == 1)
            #expect(answer.stderr.contains("SyntaxError: "), "\(answer.json)")
            #expect(answer.stderr.contains("line 2"))
        }

        @Test("frames are named <stdin> with the right lines, and nothing of the server's own is shown")
        func interactiveFrames() async throws {
            let code = "def f():\n    raise ValueError('no')\n\nf()"
            let stderr = try await TestServer.current.execute(code, interactive: true).stderr
            #expect(
                stderr.hasPrefix("Traceback (most recent call last):\n  File \"<stdin>\", line 4, in <module>\n"),
                "\(stderr)"
            )
            #expect(stderr.contains("  File \"<stdin>\", line 2, in f\n"), "\(stderr)")
            #expect(stderr.hasSuffix("ValueError: no\n"))
            #expect(!stderr.contains("/opt/"), "\(stderr)")
        }

        @Test("off, frames are those of an ordinary script, with its lines")
        func scriptFrames() async throws {
            let code = "def f():\n    raise ValueError('no')\n\nf()"
            let stderr = try await TestServer.current.execute(code, interactive: false).stderr
            let lines = [
                "Traceback (most recent call last):", "  File \"/workspace/__main__.py\", line 4, in <module>",
                "    f()",
                "  File \"/workspace/__main__.py\", line 2, in f", "    raise ValueError('no')", "ValueError: no",
            ]
            #expect(stderr == lines.joined(separator: "\n") + "\n", "\(stderr)")
        }

        @Test("an error in a chain keeps its causes")
        func chainedErrors() async throws {
            let code = "try:\n    1/0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e"
            let stderr = try await TestServer.current.execute(code, interactive: true).stderr
            #expect(
                stderr.contains("The above exception was the direct cause of the following exception:"),
                "\(stderr)"
            )
            #expect(!stderr.contains("/opt/"), "\(stderr)")
        }

        @Test(
            "user variables may have any name",
            arguments: ["tree", "ast", "compile", "code", "source", "globals", "sys", "exec", "repr"]
        )
        func anyVariableName(name: String) async throws {
            let answer = try await TestServer.current.execute("\(name) = 1\n\(name) + 1", interactive: true)
            #expect(answer.stdout == "2\n", "\(answer.json)")
        }

        @Test("an import from __future__ holds for the whole program")
        func futureImports() async throws {
            let code = "from __future__ import annotations\ndef f(x: not_defined): pass\nf.__annotations__"
            let answer = try await TestServer.current.execute(code, interactive: true)
            #expect(answer.stdout == "{'x': 'not_defined'}\n", "\(answer.json)")
        }

        @Test("functions, classes, closures and comprehensions see the globals of the program")
        func globals() async throws {
            let code = "x = 2\nclass A:\n    y = [x * i for i in range(3)]\ndef f(): return x + A.y[2]\nf()"
            let answer = try await TestServer.current.execute(code, interactive: true)
            #expect(answer.stdout == "6\n", "\(answer.json)")
        }

        @Test("the globals of a program are its own and nothing else")
        func cleanGlobals() async throws {
            let code = "sorted(n for n in globals() if not (n.startswith('__') and n.endswith('__')))"
            let answer = try await TestServer.current.execute(code, interactive: true)
            #expect(answer.stdout == "[]\n", "\(answer.json)")
        }

        @Test("a repr that fails is the program's error")
        func failingRepr() async throws {
            let code = "class A:\n    def __repr__(self): raise RuntimeError('no repr')\nA()"
            let answer = try await TestServer.current.execute(code, interactive: true)
            #expect(answer.exitCode == 1)
            #expect(answer.stderr.hasSuffix("RuntimeError: no repr\n"), "\(answer.json)")
        }

        @Test(
            "code with the line endings of other systems runs",
            arguments: ["print(1)\r\nprint(2)\r\n", "print(1)\rprint(2)\r"]
        )
        func lineEndings(code: String) async throws {
            let answer = try await TestServer.current.execute(code, interactive: true)
            #expect(answer.stdout == "1\n2\n", "\(answer.json)")
        }

        @Test("asyncio runs, and inspect finds the source of functions in a script")
        func asyncioAndInspect() async throws {
            let code = """
                import asyncio, inspect
                async def f():
                    await asyncio.sleep(0.01)
                    return "awaited"
                print(asyncio.run(f()))
                print(inspect.getsource(f).splitlines()[0])
                """
            let answer = try await TestServer.current.execute(code, interactive: false)
            #expect(answer.stdout == "awaited\nasync def f():\n", "\(answer.json)")
        }
    }
}
