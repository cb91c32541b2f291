import TestSupport
import Testing

extension NotebookAPI {
    /// Interpreters that end in the middle of a cell, or between two.
    @Suite("Contexts that die")
    struct Deaths {
        /// A cell that ends its interpreter, and what the stream says of it.
        struct Case: CustomTestStringConvertible, Sendable {
            var code: String
            var reasons: Set<String>
            /// Field of the ending and its values.
            var field: String?
            var values: [JSON] = []

            init(_ code: String, _ reasons: String..., field: String? = nil, values: JSON...) {
                self.code = code
                self.reasons = Set(reasons)
                self.field = field
                self.values = values
            }

            var testDescription: String { code }
        }

        private static let cases = [
            Case("import os\nos._exit(3)", "exit", field: "exit_code", values: 3),
            Case("import os\nos._exit(0)", "exit", field: "exit_code", values: 0),
            Case(
                "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
                "signal",
                field: "signal",
                values: 9,
                "SIGKILL"
            ),
            Case(
                "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
                "signal",
                field: "signal",
                values: 15,
                "SIGTERM"
            ),
            Case("import ctypes\nctypes.string_at(0)", "signal", field: "signal", values: 11, "SIGSEGV"),
            Case("import os\nos.abort()", "signal", field: "signal", values: 6, "SIGABRT"),
            Case("import os\nos.execv('/bin/sh', ['sh', '-c', 'exit 7'])", "exit", field: "exit_code", values: 7),
            Case("import os\nos.execv('/bin/sh', ['sh', '-c', 'echo printed; exit 0'])", "exit", "protocol"),
            Case(
                "import sys\nsys.setrecursionlimit(10**9)\nclass D:\n    def __getattr__(s, n): return getattr(s, n + 'x')\nimport functools\nf = lambda: 0\nfor _ in range(500000): f = functools.partial(f)\nrepr(f)\nD().a",
                "signal",
                "memory",
                "exit"
            ),
            Case("import os\nos.closerange(3, 65536)", "exit", "protocol", "signal"),
            Case("import os\nos.closerange(0, 65536)\nimport time\ntime.sleep(2)", "exit", "protocol", "signal"),
            Case("import faulthandler\nfaulthandler._sigsegv()", "signal"),
            Case("import os, signal\nos.killpg(os.getpgrp(), signal.SIGKILL)", "signal"),
            Case(
                "import resource, os\nos.write(900, b'\\xff' * 64)\nimport time\ntime.sleep(60)",
                "protocol",
                "exit",
                "signal"
            ),
        ]

        @Test(
            "the stream ends with a reason, and the next request gets a fresh context without an error",
            arguments: cases
        )
        func death(test: Case) async throws {
            try await TestServer.current.withContext { context in
                let cell = try await context.run("print('before')\nlost = 1\n" + test.code)
                #expect(cell.stdout.hasPrefix("before\n"), "what was printed is told: \(cell)")
                #expect(test.reasons.contains(cell.reason ?? "none"), "\(cell)")
                #expect(cell.context == "lost", "\(cell)")
                #expect(cell.errorName == "ContextLost", "\(cell)")
                if let field = test.field { #expect(cell.ending?[field].map(test.values.contains) == true, "\(cell)") }
                if let peak = cell.ending?["peak_memory_bytes"] { #expect(peak.int ?? 0 > 1_000_000, "\(cell)") }
                try await NotebookAPI.expectAnswering(context, fresh: true)
                #expect(try await context.run("'lost' in globals()").text == "False")
            }
        }

        @Test("the peak of memory is told where the interpreter died", .needs(.cgroups))
        func peak() async throws {
            let cell = try await NotebookAPI.run("x = bytearray(50_000_000)\nimport os\nos._exit(1)")
            #expect(cell.ending?["peak_memory_bytes"]?.int ?? 0 > 50_000_000, "\(cell)")
        }

        @Test(
            "one that dies between two cells gives the next a fresh context without an error",
            arguments: [
                "import threading, os\nthreading.Timer(0.2, os._exit, (4,)).start()",
                "import subprocess, os\nsubprocess.Popen(['sh', '-c', f'sleep 0.2; kill -9 {os.getpid()}'])",
                "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_DFL)\nsignal.setitimer(signal.ITIMER_REAL, 0.2)",
            ]
        )
        func deathBetweenCells(code: String) async throws {
            try await TestServer.current.withContext { context in
                let cell = try await context.run("lost = 1\nimport os\n" + code + "\nprint(os.getpid())")
                #expect(cell.ending == nil, "\(cell)")
                let answered = try await eventually(within: .seconds(15), every: .milliseconds(200)) {
                    // Asked too early, it is the old one, or it dies while it answers.
                    try await context.run("'lost' in globals()").text == "False"
                }
                #expect(answered)
                let last = try await context.run("5")
                #expect(last.text == "5" && last.error == nil && last.ending == nil, "\(last)")
            }
        }

        @Test(
            "exit handlers without end, and closed standard streams, do not keep a context from its next cell",
            arguments: [
                "import atexit\n@atexit.register\ndef again():\n    while True: pass", "import sys\nsys.stdout.close()",
                "import sys\nsys.stdout = sys.stderr = None", "import os\nos.close(1); os.close(2)",
                "import os\nos.close(0)",
                "import sys\nsys.stdout = open('/dev/null', 'w')", "import os\nos.dup2(os.open('/dev/null', 1), 1)",
            ]
        )
        func damagedStreams(code: String) async throws {
            try await TestServer.current.withContext { context in
                _ = try await context.run(code)
                let cell = try await context.run("6 * 7")
                #expect(cell.text == "42" || cell.context == "lost", "\(cell)")
                #expect(try await context.restart().status == 200)
                try await NotebookAPI.expectAnswering(context, fresh: true)
                #expect(try await context.run("print('heard')").stdout == "heard\n")
            }
        }

        @Test("a fork of the interpreter that goes on does not speak for it")
        func fork() async throws {
            try await TestServer.current.withContext { context in
                let cell = try await context.run(
                    """
                    import os, time
                    if (child := os.fork()) == 0:
                        print("child")
                        os._exit(0)
                    os.waitpid(child, 0)
                    print("parent")
                    """
                )
                #expect(cell.stdout.contains("child\n") && cell.stdout.hasSuffix("parent\n"), "\(cell)")
                #expect(cell.ending == nil && cell.error == nil, "\(cell)")
                // A child that falls through to the end of the cell would tell the end a second time.
                let doubled = try await context.run("import os\nif os.fork() == 0: pass\n5")
                #expect(doubled.text != nil || doubled.context == "lost", "\(doubled)")
                #expect(try await context.restart().status == 200)
                try await NotebookAPI.expectAnswering(context, fresh: true)
            }
        }

        @Test("those behind a cell whose interpreter dies run in a fresh one")
        func queueBehindDeath() async throws {
            try await TestServer.current.withContext { context in
                var lines = try await context.lines("print('on')\nimport time, os\ntime.sleep(1)\nos._exit(5)")
                    .makeAsyncIterator()
                _ = try await lines.next { $0["type"] == "stdout" }
                async let one = context.run("1")
                async let two = context.run("2")
                #expect(try await lines.next { $0["type"] == "ending" }["exit_code"] == 5)
                #expect(try await one.text == "1")
                #expect(try await two.text == "2")
            }
        }

        @Test("the death of the default context is no trouble either")
        func defaultContext() async throws {
            let server = try TestServer.current
            // Other tests use it too, with names of their own; none keeps state in it across a cell of another.
            try await server.withContext { context in
                _ = try await context.run("import os\nos._exit(1)")
                _ = try await context.restart()
                try await NotebookAPI.expectAnswering(context, fresh: true)
            }
        }

        @Test("twenty-five interpreters die one after another in one context")
        func manyDeaths() async throws {
            try await TestServer.current.withContext { context in
                for _ in 0..<25 {
                    let cell = try await context.run("import os\nos._exit(1)")
                    #expect(cell.reason == "exit", "\(cell)")
                }
                try await NotebookAPI.expectAnswering(context, fresh: true)
            }
        }
    }
}
