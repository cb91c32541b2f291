import TestSupport
import Testing

extension OneShot {
    @Suite("Exit codes")
    struct ExitCodes {
        @Test(
            "a program's way to end decides its exit code",
            arguments: [
                ("pass", 0), ("import sys; sys.exit(3)", 3), ("import sys; sys.exit(256)", 0),
                ("import sys; sys.exit(-1)", 255),
                ("import sys; sys.exit()", 0), ("import sys; sys.exit(None)", 0), ("import sys; sys.exit(True)", 1),
                ("raise SystemExit(4)", 4), ("exit(5)", 5), ("quit(6)", 6), ("import os; os._exit(7)", 7), ("1 / 0", 1),
                ("raise KeyboardInterrupt", 130),
            ]
        )
        func exitCode(code: String, expected: Int) async throws {
            let server = try TestServer.current
            for isInteractive in [true, false] {
                let answer = try await server.execute(code, interactive: isInteractive)
                #expect(answer.exitCode == expected, "interactive: \(isInteractive), \(answer.json)")
                #expect(!answer.isTimedOut)
                // An unhandled KeyboardInterrupt may count as either.
                #expect(answer.reason == "exit" || expected == 130, "\(answer.json)")
            }
        }

        @Test("sys.exit with a text prints it to standard error and ends with 1", arguments: [true, false])
        func exitWithText(isInteractive: Bool) async throws {
            let answer = try await TestServer.current.execute("import sys; sys.exit('bye')", interactive: isInteractive)
            #expect(answer.exitCode == 1)
            #expect(answer.stderr == "bye\n")
            #expect(answer.stdout.isEmpty)
        }

        @Test(
            "a signal gives 128 and its number",
            arguments: [
                ("os.kill(os.getpid(), signal.SIGKILL)", 9), ("os.kill(os.getpid(), signal.SIGTERM)", 15),
                ("os.abort()", 6),
                ("ctypes.string_at(0)", 11), ("os.kill(os.getpid(), signal.SIGHUP)", 1),
                ("signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGINT)", 2),
            ]
        )
        func signals(code: String, signal: Int) async throws {
            let answer = try await TestServer.current.execute("import os, signal, ctypes\n\(code)")
            #expect(answer.exitCode == 128 + signal, "\(answer.json)")
            #expect(answer.reason == "signal")
            #expect(answer.outcome["signal"]?.int == signal)
            #expect(!answer.isTimedOut)
        }

        @Test("an exit in a thread does not end the program")
        func exitInThread() async throws {
            let code = """
                import threading, sys
                thread = threading.Thread(target=lambda: sys.exit(9))
                thread.start(); thread.join()
                print("still here")
                """
            let answer = try await TestServer.current.execute(code)
            #expect(answer.exitCode == 0)
            #expect(answer.stdout == "still here\n")
        }

        @Test("exit handlers run and their output is kept")
        func exitHandlers() async throws {
            let answer = try await TestServer.current.execute(
                "import atexit\natexit.register(print, 'later')\nprint('now')"
            )
            #expect(answer.stdout == "now\nlater\n")
            #expect(answer.exitCode == 0)
        }

        @Test("the program waits for threads that are not daemons")
        func waitsForThreads() async throws {
            let code = """
                import threading, time
                def work():
                    time.sleep(0.3)
                    print("worker done")
                threading.Thread(target=work).start()
                print("main done")
                """
            let answer = try await TestServer.current.execute(code)
            #expect(answer.stdout == "main done\nworker done\n")
        }
    }
}
