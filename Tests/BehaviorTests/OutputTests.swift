import TestSupport
import Testing

extension OneShot {
    @Suite("Output")
    struct Output {
        @Test("standard output and error are kept apart, each in order")
        func twoStreams() async throws {
            let code = """
                import sys, os, subprocess
                for i in range(3):
                    print("out", i)
                    print("err", i, file=sys.stderr)
                os.write(1, b"raw\\n")
                subprocess.run(["sh", "-c", "echo child; echo child error >&2"])
                os.system("echo system")
                print("end")
                """
            let answer = try await TestServer.current.execute(code)
            #expect(answer.stdout == "out 0\nout 1\nout 2\nraw\nchild\nsystem\nend\n", "\(answer.json)")
            #expect(answer.stderr == "err 0\nerr 1\nerr 2\nchild error\n")
        }

        @Test("bytes that are not UTF-8 become U+FFFD")
        func notUTF8() async throws {
            let code =
                "import sys\nsys.stdout.buffer.write(b'a\\xffb\\xc3\\x28c\\xe2\\x82')\nsys.stderr.buffer.write(b'\\x80')"
            let answer = try await TestServer.current.execute(code)
            #expect(answer.stdout == "a\u{FFFD}b\u{FFFD}(c\u{FFFD}", "\(answer.json)")
            #expect(answer.stderr == "\u{FFFD}")
        }

        @Test("NUL, escape sequences, carriage returns and line separators are kept")
        func controlCharacters() async throws {
            let text =
                "\0|\u{1B}[31mred\u{1B}[0m|\r|\r\n|\u{8}|\u{7F}|\u{85}|\u{2028}|\u{FEFF}|\u{1B}]8;;http://x\u{1B}\\"
            let answer = try await TestServer.current.execute(
                ExecuteRequest("import sys\nsys.stdout.write(sys.stdin.buffer.read().decode())", stdin: text)
            )
            #expect(Array(answer.stdout.utf8) == Array(text.utf8))
        }

        @Test("characters of every plane survive")
        func allPlanes() async throws {
            let code = "print('é 漢字 العربية \u{1F468}\u{200D}\u{1F469} \u{10FFFF}')"
            let answer = try await TestServer.current.execute(code)
            #expect(Array(answer.stdout.utf8) == Array("é 漢字 العربية \u{1F468}\u{200D}\u{1F469} \u{10FFFF}\n".utf8))
        }

        @Test("an output of exactly the limit passes whole", arguments: ["stdout", "stderr"])
        func exactlyTheLimit(stream: String) async throws {
            let answer = try await TestServer.current.execute("import sys\nsys.\(stream).write('x' * 1_000_000)")
            let text = stream == "stdout" ? answer.stdout : answer.stderr
            #expect(text.utf8.count == 1_000_000)
            #expect(text.utf8.allSatisfy { $0 == UInt8(ascii: "x") })
            #expect(answer.outcome["\(stream)_truncated"] == false)
        }

        @Test("one byte more becomes the first bytes but 32, and the marker", arguments: ["stdout", "stderr"])
        func oneByteMore(stream: String) async throws {
            let answer = try await TestServer.current.execute("import sys\nsys.\(stream).write('x' * 1_000_001)")
            let text = stream == "stdout" ? answer.stdout : answer.stderr
            #expect(text.utf8.count == 1_000_000 - 32 + "\n...[truncated]".utf8.count)
            #expect(text.hasSuffix("xxx\n...[truncated]"))
            #expect(answer.outcome["\(stream)_truncated"] == true)
            #expect(answer.outcome["\(stream == "stdout" ? "stderr" : "stdout")_truncated"] == false)
            #expect(answer.exitCode == 0, "a truncated output does not change how the program ends")
        }

        @Test("a cut through a character gives U+FFFD, not a broken answer")
        func cutThroughCharacter() async throws {
            let answer = try await TestServer.current.execute(
                "import sys\nsys.stdout.write('x' + '\u{20AC}' * 500_000)"
            )
            #expect(answer.stdout.hasPrefix("x\u{20AC}"))
            #expect(answer.stdout.hasSuffix("\n...[truncated]"))
            let cut = 1_000_000 - 32 - 1
            #expect(answer.stdout.unicodeScalars.filter { $0 == "\u{20AC}" }.count == cut / 3)
            #expect(answer.stdout.unicodeScalars.contains("\u{FFFD}") == (cut % 3 != 0))
        }

        @Test("a program that prints much more than the limit still ends by itself")
        func muchMore() async throws {
            let answer = try await TestServer.current.execute(
                "for i in range(300_000):\n    print('x' * 50)\nraise SystemExit(4)"
            )
            #expect(answer.exitCode == 4, "\(answer.outcome)")
            #expect(answer.stdout.hasSuffix("\n...[truncated]"))
        }

        @Test("what a program did not flush arrives when it ends")
        func flushedAtEnd() async throws {
            let answer = try await TestServer.current.execute(
                "import sys\nsys.stdout.write('no newline')\nsys.stderr.write('nor here')"
            )
            #expect(answer.stdout == "no newline")
            #expect(answer.stderr == "nor here")
        }

        @Test("a program may close its output")
        func closedOutput() async throws {
            let answer = try await TestServer.current.execute(
                "import os, sys\nprint('before', flush=True)\nos.close(1)\nos.close(2)\nos._exit(3)"
            )
            #expect(answer.stdout == "before\n")
            #expect(answer.exitCode == 3)
        }

        @Test("a lone surrogate in the output is replaced, not an error of the server")
        func loneSurrogate() async throws {
            let answer = try await TestServer.current.execute(
                "import sys\nsys.stdout.buffer.write('\\ud800'.encode('utf-8', 'surrogatepass'))"
            )
            #expect(answer.stdout.unicodeScalars.contains("\u{FFFD}"))
            #expect(answer.exitCode == 0)
        }

        @Test("a child that keeps the output open delays the answer until it ends, and its output is in it")
        func childHoldsOutput() async throws {
            let code = "import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep 1; echo late'])\nprint('early')"
            let answer = try await TestServer.current.execute(code)
            #expect(answer.stdout == "early\nlate\n", "\(answer.json)")
            #expect(answer.exitCode == 0)
            #expect(answer.durationMilliseconds >= 900)
        }

        @Test("a child that keeps the output open for too long ends with the time")
        func childHoldsOutputTooLong() async throws {
            let code = "import subprocess\nsubprocess.Popen(['sleep', '300'])\nprint('early')"
            let answer = try await TestServer.current.execute(code, timeout: 2500)
            #expect(answer.stdout == "early\n")
            #expect(answer.isTimedOut)
        }

        @Test("a child that let go of the output delays nothing")
        func childWithoutOutput() async throws {
            let code = """
                import subprocess
                subprocess.Popen(["sleep", "300"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                print("done")
                """
            let answer = try await TestServer.current.execute(code, timeout: 50_000)
            #expect(answer.stdout == "done\n")
            #expect(!answer.isTimedOut)
            #expect(answer.durationMilliseconds < 25_000)
        }
    }

    @Suite("Time-outs")
    struct TimeOuts {
        @Test("when time is up the exit code is null and what was printed and written so far is kept")
        func partialResults() async throws {
            let server = try TestServer.current
            let code = """
                import sys, time
                print("partial")
                print("partial error", file=sys.stderr)
                open("partial.txt", "w").write("kept")
                sys.stdout.write("no newline")
                sys.stdout.flush()
                time.sleep(120)
                """
            let answer = try await server.execute(code, timeout: 3000)
            #expect(answer.isTimedOut)
            #expect(answer.exitCode == nil)
            #expect(answer.json["exit_code"] == .null)
            #expect(answer.stdout == "partial\nno newline", "\(answer.json)")
            #expect(answer.stderr == "partial error\n")
            #expect(answer.reason == "timeout")
            #expect(try await server.download(#require(answer.file("partial.txt"))) == Array("kept".utf8))
            #expect(answer.durationMilliseconds >= 2900)
            #expect(answer.durationMilliseconds < 30_000)
        }

        @Test("two seconds are given where the request does not say")
        func defaultTimeOut() async throws {
            let answer = try await TestServer.current.execute(
                ExecuteRequest("import time; time.sleep(120)", timeout: nil)
            )
            #expect(answer.isTimedOut)
            #expect((1900..<20_000).contains(answer.durationMilliseconds))
        }

        @Test(
            "nothing a program does keeps it alive beyond its time",
            arguments: [
                "import signal, time\nfor s in set(signal.Signals) - {9, 19}: signal.signal(s, signal.SIG_IGN)\nwhile True: time.sleep(1)",
                "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
                "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
                "import os\nwhile True:\n    if os.fork(): os._exit(0)",
                "9 ** 9 ** 9",
                "import subprocess; subprocess.run(['sleep', '300'])",
                "import atexit, time\natexit.register(time.sleep, 300)",
                "import threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()",
                "import re; re.match(r'(a+)+$', 'a' * 60 + 'b')",
            ]
        )
        func nothingEscapesTime(code: String) async throws {
            let answer = try await TestServer.current.execute(code, timeout: 1500)
            #expect(answer.isTimedOut, "\(answer.json)")
            #expect(answer.exitCode == nil)
            #expect(answer.durationMilliseconds < 30_000)
        }

        @Test("a short program has a short duration")
        func shortDuration() async throws {
            let answer = try await TestServer.current.execute("pass")
            #expect((0..<5000).contains(answer.durationMilliseconds))
        }
    }
}
