import TestSupport
import Testing

extension NotebookAPI {
    /// What people know from Jupyter.
    @Suite("A cell is a notebook cell")
    struct Behavior {
        /// Cells that run one after another in one context, and what the last one gives.
        struct Case: CustomTestStringConvertible, Sendable {
            var cells: [String]
            var stdout = ""
            var text: String?
            var error: String?

            init(_ cells: String..., stdout: String = "", text: String? = nil, error: String? = nil) {
                self.cells = cells
                self.stdout = stdout
                self.text = text
                self.error = error
            }

            var testDescription: String { cells.joined(separator: " ⏎⏎ ") }
        }

        private static func expect(_ test: Case) async throws {
            let cells = try await NotebookAPI.run(test.cells)
            let last = try #require(cells.last)
            #expect(last.stdout.replacing("\r\n", with: "\n") == test.stdout, "\(cells)")
            #expect(last.text == test.text, "\(cells)")
            #expect(last.errorName == test.error, "\(cells)")
            #expect(cells.allSatisfy { $0.ending == nil }, "\(cells)")
        }

        @Test(
            "state lives on from cell to cell",
            arguments: [
                Case("x = 1", "x += 1", "x", text: "2"), Case("import math", "math.pi > 3", text: "True"),
                Case("def f(): return 5", "f()", text: "5"), Case("1/0", "8", text: "8"),
                Case("x = 4\n1/0", "x", text: "4"), Case("3", "_ + 1", text: "4"),
                Case("1", "2", "3", "(_, __, ___)", text: "(3, 2, 1)"),
                Case("7", "Out[1] + _1", text: "14"), Case("5", "In[1]", text: "5"), Case("5;", "_", text: ""),
                Case("%cd /tmp", "import os\nos.getcwd()", text: "/tmp"),
                Case("import os\nos.environ['A1'] = 'b'", "os.environ['A1']", text: "b"),
                Case(
                    "from __future__ import annotations",
                    "def f(x: nothing): pass\nf.__annotations__['x']",
                    text: "nothing"
                ),
                Case("__name__", text: "__main__"),
                Case("get_ipython().__class__.__name__.endswith('Shell')", text: "True"),
                Case("import sys\nsys.ps1 is not None, 'ipykernel' in sys.modules", text: "(True, True)"),
            ]
        )
        func state(test: Case) async throws { try await Self.expect(test) }

        @Test(
            "magics, cell magics and the shell work",
            arguments: [
                Case("%pwd", text: "/home/user"),
                Case("%env PLACE=there", "import os\nos.environ['PLACE']", text: "there"),
                Case("!echo hi", stdout: "hi\n"), Case("a = 'v'\n!echo {a} $a", stdout: "v v\n"),
                Case("x = !printf 'a\\nb\\n'\nlist(x)", text: "['a', 'b']"), Case("!exit 3", "_exit_code", text: "3"),
                Case("%%bash\nfor i in 1 2; do echo $i; done", stdout: "1\n2\n"),
                Case("%%sh\necho sh", stdout: "sh\n"),
                Case("%%capture out\nprint('hidden')", "out.stdout", text: "hidden\\n"),
                Case("%%python\nprint(6*7)", stdout: "42\n"),
                Case(
                    "%%writefile /home/user/behavior.txt\nline",
                    "print(open('/home/user/behavior.txt').read())",
                    stdout: "line\n\n"
                ),
                Case("%lsmagic", "1", text: "1"), Case("%who_ls", text: "[]"), Case("x = 5", "%who_ls", text: "['x']"),
                Case("r = %timeit -n 1 -r 1 -o -q pass\nr.loops", text: "1"), Case("%%time\ny = 9", "y", text: "9"),
                Case("x = 1\n%reset -f", "x", error: "NameError"), Case("%nonsense_magic", "2", text: "2"),
                Case("%%bash\nexit 4", error: "CalledProcessError"),
            ]
        )
        func magics(test: Case) async throws { try await Self.expect(test) }

        @Test(
            "await works at the top, and tasks live on from cell to cell",
            arguments: [
                Case("import asyncio\nawait asyncio.sleep(0.01)\n5", text: "5"),
                Case("import asyncio\nasync def f(): return 6\nawait f()", text: "6"),
                Case("import asyncio\nasyncio.get_running_loop().is_running()", text: "True"),
                Case(
                    "import asyncio\nasync def f():\n    await asyncio.sleep(0.05)\n    return 7\nt = asyncio.create_task(f())",
                    "await t",
                    text: "7"
                ),
                Case("async with __import__('contextlib').AsyncExitStack() as s: print('in')", stdout: "in\n"),
                Case("[i async for i in (j async for j in None)] if False else 4", text: "4"),
            ]
        )
        func asynchronous(test: Case) async throws { try await Self.expect(test) }

        @Test("libzmq binds TCP sockets, as kernels of other languages do")
        func zeroMQ() async throws {
            try await Self.expect(
                Case(
                    "import zmq\nc = zmq.Context()\na, b = c.socket(zmq.PAIR), c.socket(zmq.PAIR)",
                    "b.connect('tcp://127.0.0.1:%d' % a.bind_to_random_port('tcp://127.0.0.1'));",
                    "b.send(b'ok')\na.recv()",
                    text: "b'ok'"
                )
            )
        }

        @Test(
            "errors have Python's names, also those of incomplete code",
            arguments: [
                Case("1/0", error: "ZeroDivisionError"), Case("undefined", error: "NameError"),
                Case("x ==== 1", error: "SyntaxError"), Case("raise SystemExit", error: "SystemExit"),
                Case("import sys\nsys.exit(3)", error: "SystemExit"),
                Case("raise KeyboardInterrupt", error: "KeyboardInterrupt"),
                Case("print('a')\nraise ValueError('v')", stdout: "a\n", error: "ValueError"),
                Case("assert False", error: "AssertionError"),
                Case("import no_such_module", error: "ModuleNotFoundError"),
                Case("def f(): return f()\nf()", error: "RecursionError"),
                Case("class E(BaseException): pass\nraise E", error: "E"),
                Case("raise GeneratorExit", error: "GeneratorExit"),
                Case("  x = 1\n y = 2", error: "IndentationError"), Case("return 5", error: "SyntaxError"),
                Case("raise ExceptionGroup('g', [ValueError(1)])", error: "ExceptionGroup"),
                Case("'\\ud800'.encode()", error: "UnicodeEncodeError"),
                Case("raise SystemExit", "9", text: "9"), Case("import sys\nsys.exit(3)", "9", text: "9"),
            ]
        )
        func errors(test: Case) async throws { try await Self.expect(test) }

        @Test(
            "incomplete code is an error of syntax",
            arguments: ["for i in range(3):", "(", "'''abc", "def f():", "x = ["]
        )
        func incomplete(code: String) async throws {
            let cell = try await NotebookAPI.run(code)
            let names: Set<String> = ["_IncompleteInputError", "SyntaxError", "IndentationError"]
            #expect(names.contains(cell.errorName ?? "none"), "\(cell)")
        }

        @Test("a traceback names the cell's own lines, shows them, and is text")
        func traceback() async throws {
            let cells = try await NotebookAPI.run([
                "def broken(a):\n    # comment\n    return a / 0\n", "\n\nbroken(1)",
            ])
            let error = try #require(cells[1].error)
            #expect(error["value"] == "division by zero")
            let plain = (error["traceback"]?.string ?? "").replacing(/\u{1B}\[[0-9;]*m/, with: "")
            #expect(plain.contains("ZeroDivisionError") && plain.contains("division by zero"), "\(plain)")
            #expect(plain.firstMatch(of: /-+> 3 +return a \/ 0/) != nil, "\(plain)")
            #expect(plain.firstMatch(of: /-+> 1 broken\(1\)/) != nil, "\(plain)")
            #expect(!plain.contains("/Runtime/") && !plain.contains("kernel.py"), "frames of ours: \(plain)")
        }

        @Test("empty code does not count", arguments: ["", " ", "\n\n", "# only a comment\n"])
        func emptyCode(code: String) async throws {
            let cells = try await NotebookAPI.run(["1", code, "2"])
            #expect(cells[1].results.isEmpty && cells[1].error == nil, "\(cells[1])")
            // A comment is code to Jupyter; what is nothing but space is not.
            let isCode = code.contains("#")
            #expect(cells[2].executionCount == (isCode ? 3 : 2), "\(cells)")
        }

        @Test(
            "input, a password and a debugger are refused and do not wait",
            arguments: [
                ("input()", "StdinNotImplementedError"), ("x = input('name? ')", "StdinNotImplementedError"),
                ("import getpass\ngetpass.getpass()", "StdinNotImplementedError"),
            ]
        )
        func input(code: String, error: String) async throws {
            let cells = try await NotebookAPI.run([code, "1"])
            #expect(cells[0].errorName == error, "\(cells[0])")
            #expect(cells[1].text == "1")
        }

        @Test(
            "a debugger, and reading from standard input, do not wait",
            arguments: [
                "import pdb\npdb.set_trace()\nx = 1", "breakpoint()", "1/0", "import sys\nsys.stdin.read()",
                "%%bash\nread x\necho $x",
            ]
        )
        func debuggers(code: String) async throws {
            let cells = try await NotebookAPI.run([code, "%debug", "1"])
            #expect(cells.last?.text == "1", "\(cells)")
            #expect(cells.allSatisfy { $0.ending == nil }, "\(cells)")
        }

        @Test(
            "exit() and quit() end the interpreter at once or not at all, but never on somebody else's request",
            arguments: ["exit()", "quit()", "exit", "get_ipython().ask_exit()"]
        )
        func exit(code: String) async throws {
            let cells = try await NotebookAPI.run(["x = 11", code, "'x' in globals()", "5"])
            let isKept = cells[1].ending == nil
            #expect(isKept || cells[1].reason == "exit" && cells[1].context == "lost", "\(cells)")
            #expect(cells[2].text == (isKept ? "True" : "False"), "\(cells)")
            #expect(cells[3].text == "5" && cells[3].executionCount == (isKept ? 4 : 2), "\(cells)")
            #expect(cells.dropFirst(2).allSatisfy { $0.ending == nil && $0.error == nil }, "\(cells)")
        }

        @Test("what threads print after the end comes with the next cell or is said to be lost")
        func lateThreads() async throws {
            let cells = try await NotebookAPI.run([
                "import threading, time\ndef late():\n    time.sleep(0.4)\n    print('late words')\nt = threading.Thread(target=late)\nt.start()",
                "t.join()\nprint('joined')", "print('next')",
            ])
            #expect((cells[1].stdout + cells[2].stdout).contains("late words\n"), "\(cells)")
            #expect(cells[1].stdout.contains("joined\n"))
        }

        @Test("output that comes while nobody runs a cell comes with the next one")
        func outputBetweenCells() async throws {
            let cells = try await TestServer.current.withContext { context in
                let first = try await context.run(
                    "import subprocess\np = subprocess.Popen('sleep 0.3; echo from a child; touch /tmp/done-$PPID', shell=True)\nimport os\nos.getpid()"
                )
                let mark = "/tmp/done-\(first.text ?? "")"
                let other = try await context.server.makeContext()
                _ = try await other.run("import os, time\nwhile not os.path.exists('\(mark)'): time.sleep(0.02)")
                try await other.delete()
                return [first, try await context.run("p.wait()")]
            }
            #expect(cells[1].stdout == "from a child\n", "\(cells)")
        }

        @Test("everything that writes to the cell's output comes in the order in which it was written")
        func outputOrder() async throws {
            let cell = try await NotebookAPI.run(
                """
                import ctypes, os, subprocess, sys
                print("1")
                subprocess.run(["echo", "2"])
                os.write(1, b"3\\n")
                sys.stdout.buffer.write(b"4\\n")
                print("5", end="\\n", flush=False)
                os.system("echo 6")
                !echo 7
                print("8")
                ctypes.CDLL(None).printf(b"9\\n"); ctypes.CDLL(None).fflush(None)
                sys.stdout.write("10\\n")
                sys.stdout.buffer.raw.write(b"11\\n") if hasattr(sys.stdout.buffer, "raw") else print("11")
                print("12");
                """
            )
            #expect(cell.stdout.replacing("\r\n", with: "\n") == (1...12).map { "\($0)\n" }.joined(), "\(cell)")
            #expect(cell.error == nil, "\(cell)")
        }

        @Test("standard output is what programs expect of it")
        func standardOutput() async throws {
            let cell = try await NotebookAPI.run(
                """
                import sys
                facts = [sys.stdout.encoding.lower(), sys.stdout.writable(), sys.stdout.isatty(), sys.stdout.fileno() >= 0,
                         sys.stderr.fileno() >= 0, hasattr(sys.stdout, "buffer"), sys.stdout.closed]
                facts
                """
            )
            #expect(cell.text == "['utf-8', True, False, True, True, True, False]", "\(cell)")
        }

        @Test("clear_output and update_display give no line, display_id gives the first picture")
        func droppedMessages() async throws {
            let cell = try await NotebookAPI.run(
                """
                from IPython.display import clear_output, display, update_display
                print("a")
                clear_output()
                handle = display("first", display_id=True)
                handle.update("second")
                update_display("third", display_id=handle.display_id)
                print("b")
                """
            )
            #expect(cell.types.filter { $0 == "result" }.count == 1, "\(cell)")
            #expect(cell.results.first?["text"] == "first", "\(cell)")
            #expect(cell.stdout == "a\nb\n")
        }

        @Test("what display() shows stands where it was shown, several values in their order")
        func display() async throws {
            let cell = try await NotebookAPI.run("print(1)\ndisplay(2, 3)\nprint(4)\n5")
            #expect(
                cell.types == [
                    "number_of_executions", "stdout", "result", "result", "stdout", "result", "end_of_execution",
                ]
            )
            #expect(cell.results.map { $0["text"] } == ["2", "3", "5"])
        }

        @Test("help and tqdm write text")
        func textOfTools() async throws {
            let cells = try await NotebookAPI.run(["len?", "help(len)", "print?"])
            #expect(cells.allSatisfy { $0.error == nil && $0.ending == nil }, "\(cells)")
            #expect("\(cells[0])".contains("Return the number of items"), "\(cells[0])")
            #expect("\(cells[1])".contains("Return the number of items"), "\(cells[1])")
        }

        @Test("installing a package is refused clearly and at once")
        func pip() async throws {
            let cells = try await NotebookAPI.run(["%pip install numpy-nothing", "1"])
            #expect(cells[0].stdout + cells[0].stderr + "\(cells[0])" != "", "\(cells[0])")
            #expect("\(cells[0])".lowercased().contains("network"), "\(cells[0])")
            #expect(cells[1].text == "1")
        }

        @Test("no history is written to the workspace or the home")
        func noHistory() async throws {
            let cell = try await NotebookAPI.run(
                "marker = 'unfindable-' + 'history'\nimport subprocess\nsubprocess.run(['grep', '-rl', marker, '/home/user', '/tmp'], capture_output=True, text=True).stdout"
            )
            #expect(cell.text == "", "\(cell)")
        }
    }
}
