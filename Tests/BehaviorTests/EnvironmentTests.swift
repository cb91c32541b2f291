import TestSupport
import Testing

extension OneShot {
    @Suite("What a program finds around it")
    struct Environment {
        @Test("it is __main__, in /workspace/__main__.py", arguments: [true, false])
        func isMain(isInteractive: Bool) async throws {
            let code = """
                import os, sys
                print(__name__, __file__, sys.argv, os.getcwd(), sys.modules["__main__"].__dict__ is globals())
                print(open("/workspace/__main__.py").read() == open(__file__).read(), "marker-" + "7f3a" in open(__file__).read())  # marker-7f3a
                """
            let answer = try await TestServer.current.execute(code, interactive: isInteractive)
            #expect(
                answer.stdout
                    == "__main__ /workspace/__main__.py ['/workspace/__main__.py'] \(TestBackend.workingDirectory) True\nTrue True\n",
                "\(answer.json)"
            )
        }

        @Test(
            "its environment has what the contract names",
            arguments: [
                ("PYTHONUNBUFFERED", "1"), ("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONIOENCODING", "utf-8"),
                ("MPLCONFIGDIR", "/tmp/matplotlib"), ("HOME", "/home/user"),
            ]
        )
        func environment(name: String, value: String) async throws {
            let code =
                "import os, subprocess\nprint(os.environ.get('\(name)'))\nsubprocess.run(['sh', '-c', 'echo $\(name)'])"
            let answer = try await TestServer.current.execute(code)
            #expect(answer.stdout == "\(value)\n\(value)\n")
        }

        @Test("nothing of the server's environment is in it")
        func noForeignEnvironment() async throws {
            let answer = try await TestServer.current.execute("import os\nprint(sorted(os.environ), os.environ)")
            for name in [
                "FILE_STORAGE_DIR", "PORT", "MAX_CONCURRENT_EXECUTIONS", "PYTHON_ENVIRONMENT", "LD_PRELOAD",
            ] {
                #expect(!answer.stdout.contains("'\(name)'"))
            }
            #expect(!answer.stdout.contains(try TestServer.current.folder.path))
        }

        @Test("it is the user `user` with number 1000")
        func identity() async throws {
            let code = """
                import os, pwd, getpass, subprocess
                print(os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups())
                print(pwd.getpwuid(os.getuid()).pw_name, getpass.getuser(), os.path.expanduser("~"))
                subprocess.run(["id", "-un"])
                """
            let answer = try await TestServer.current.execute(code)
            let groups = answer.stdout.contains("[1000]") ? "[1000]" : "[]"
            #expect(answer.stdout == "1000 1000 1000 1000 \(groups)\nuser user /home/user\nuser\n", "\(answer.json)")
        }

        @Test("the workspace is one tree at two places")
        func workspaceTwice() async throws {
            let code = "open('/workspace/a.txt', 'w').write('x')\nprint(open('/home/user/a.txt').read())"
            let answer = try await TestServer.current.execute(code)
            #expect(answer.stdout == "x\n")
            #expect(answer.paths == ["a.txt"])
        }

        @Test("/tmp and the workspace can be written, / and /usr cannot")
        func writablePlaces() async throws {
            let code = """
                import os, tempfile
                for place in ["/workspace", "/tmp", "/home/user", tempfile.gettempdir(), "/dev/shm"]:
                    open(place + "/probe", "w").write("x")
                    os.remove(place + "/probe")
                for place in ["/", "/usr", "/etc", "/opt", "/home", "/var", "/usr/lib/python3", "/proc", "/dev"]:
                    try:
                        open(place + "/probe", "w")
                        print("written", place)
                    except OSError as error:
                        pass
                print("done")
                """
            let answer = try await TestServer.current.execute(code)
            #expect(answer.stdout == "done\n", "\(answer.json)")
        }

        @Test("there is no network: connecting fails with ENETUNREACH and no name resolves")
        func noNetwork() async throws {
            let code = """
                import errno, socket
                for family, address in [(socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET6, ("2001:db8::1", 80))]:
                    try:
                        socket.socket(family, socket.SOCK_STREAM).connect(address)
                    except OSError as error:
                        print(errno.errorcode[error.errno])
                try:
                    socket.getaddrinfo("example.com", 80)
                except socket.gaierror:
                    print("no name")
                print(socket.gethostbyname("localhost"))
                """
            let answer = try await TestServer.current.execute(code, timeout: 20_000)
            // An engine turns IPv6 off where there is no network.
            let version6 = TestBackend.isNative ? "ENETUNREACH" : "EADDRNOTAVAIL"
            #expect(answer.stdout == "ENETUNREACH\n\(version6)\nno name\n127.0.0.1\n", "\(answer.json)")
        }

        @Test("programs inside can talk over the loopback interface")
        func loopback() async throws {
            let code = """
                import socket, threading
                server = socket.create_server(("127.0.0.1", 0))
                threading.Thread(target=lambda: server.accept()[0].sendall(b"hello")).start()
                print(socket.create_connection(server.getsockname()).recv(5).decode())
                """
            let answer = try await TestServer.current.execute(code)
            #expect(answer.stdout == "hello\n", "\(answer.json)")
        }

        @Test("standard input that is absent or empty ends at once", arguments: [nil, ""])
        func noStandardInput(stdin: String?) async throws {
            let answer = try await TestServer.current.execute(ExecuteRequest("input()", stdin: stdin))
            #expect(answer.exitCode == 1)
            #expect(answer.stderr.hasSuffix("EOFError: EOF when reading a line\n"), "\(answer.json)")
        }

        @Test("standard input arrives whole, whatever it contains")
        func standardInput() async throws {
            let text = "first\nzweite Zeile äöü\n\u{1F600} \u{2028}\r\nno newline at the end"
            let code = "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())"
            let answer = try await TestServer.current.execute(ExecuteRequest(code, stdin: text))
            #expect(Array(answer.stdout.utf8) == Array(text.utf8))
        }

        @Test("a long standard input that is not read holds nobody up")
        func unreadStandardInput() async throws {
            let request = ExecuteRequest("print('done')", stdin: String(repeating: "x", count: 4_000_000))
            let answer = try await TestServer.current.execute(request)
            #expect(answer.stdout == "done\n")
            #expect(answer.exitCode == 0)
        }

        @Test("a long standard input can be read to its end")
        func longStandardInput() async throws {
            let request = ExecuteRequest(
                "import sys\nprint(len(sys.stdin.read()))",
                stdin: String(repeating: "x", count: 4_000_000)
            )
            let answer = try await TestServer.current.execute(request)
            #expect(answer.stdout == "4000000\n")
        }

        @Test("subprocesses read the same standard input")
        func standardInputOfSubprocess() async throws {
            let answer = try await TestServer.current.execute(
                ExecuteRequest("import os\nos.system('cat')", stdin: "through cat")
            )
            #expect(answer.stdout == "through cat")
        }

        @Test("a staged module can be imported")
        func importsStagedModule() async throws {
            let server = try TestServer.current
            let module = try await server.upload("m.py", "def answer():\n    return 42\n".utf8)
            for isInteractive in [true, false] {
                let request = ExecuteRequest(
                    "import helper\nimport pack.inner\nprint(helper.answer(), pack.inner.answer())",
                    interactive: isInteractive,
                    files: [("helper.py", module), ("pack/inner.py", module)]
                )
                let answer = try await server.execute(request)
                #expect(answer.stdout == "42 42\n", "\(answer.json)")
                #expect(answer.paths == [], "no bytecode is left behind")
            }
        }

        @Test("sys.executable runs the same Python with the same packages")
        func executable() async throws {
            let code = """
                import subprocess, sys
                print(subprocess.run([sys.executable, "-c", "import sys, numpy; print(sys.version)"], capture_output=True, text=True).stdout.strip() == sys.version)
                """
            let answer = try await TestServer.current.execute(code)
            #expect(answer.stdout == "True\n", "\(answer.json)")
        }

        @Test("processes are limited, and running into the limit is an ordinary error")
        func processLimit() async throws {
            let code = """
                import os, time
                children = []
                try:
                    for _ in range(200):
                        pid = os.fork()
                        if pid == 0:
                            time.sleep(60); os._exit(0)
                        children.append(pid)
                except BlockingIOError:
                    print("BlockingIOError", 30 <= len(children) <= 64)
                for pid in children:
                    os.kill(pid, 9); os.waitpid(pid, 0)
                """
            let answer = try await TestServer.current.execute(code)
            #expect(answer.stdout == "BlockingIOError True\n", "\(answer.json)")
        }

        @Test("threads are limited, and running into the limit is an ordinary error")
        func threadLimit() async throws {
            let code = """
                import threading
                done = threading.Event()
                try:
                    for count in range(200):
                        threading.Thread(target=done.wait).start()
                except RuntimeError as error:
                    print(error, 30 <= count <= 64)
                done.set()
                """
            let answer = try await TestServer.current.execute(code)
            #expect(answer.stdout == "can't start new thread True\n", "\(answer.json)")
        }

        @Test("the clock goes on and random numbers differ from run to run")
        func clockAndRandomness() async throws {
            let server = try TestServer.current
            let code = "import time, random\nprint(time.time())\nprint(random.random())"
            let first = try await server.execute(code).stdout.split(separator: "\n")
            let second = try await server.execute(code).stdout.split(separator: "\n")
            #expect(try #require(Double(first[0])) < (try #require(Double(second[0]))))
            #expect(first[1] != second[1])
        }
    }
}
