import TestSupport
import Testing

extension NotebookAPI {
    @Suite("Contexts of one sandbox")
    struct Isolation {
        /// Runs `first` in one context, then `second` in another, while the first still lives.
        private static func run(_ first: String, then second: String) async throws -> (CellAnswer, CellAnswer) {
            let server = try TestServer.current
            return try await server.withContext { one in
                let other = try await server.makeContext()
                let before = try await one.run(first)
                let after = try await other.run(second.replacing("PID", with: before.text ?? "0"))
                try await NotebookAPI.expectAnswering(one, fresh: false)
                try await other.delete()
                return (before, after)
            }
        }

        @Test(
            "share nothing of their interpreters",
            arguments: [
                ("x = 1", "'x' in globals()", "False"),
                ("import builtins\nbuiltins.mine = 1", "hasattr(__builtins__, 'mine')", "False"),
                ("import json\njson.dumps = None", "import json\njson.dumps([1])", "[1]"),
                ("import sys\nsys.modules['mine'] = sys", "import sys\n'mine' in sys.modules", "False"),
                ("import sys\nsys.path.insert(0, '/mine')", "import sys\n'/mine' in sys.path", "False"),
                ("import os\nos.environ['MINE'] = '1'", "import os\n'MINE' in os.environ", "False"),
                ("import os\nos.chdir('/tmp')", "import os\nos.getcwd()", "/home/user"),
                ("import os\nos.umask(0o777)", "import os\nos.umask(0o22) == 0o777", "False"),
                (
                    "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)",
                    "import signal\nsignal.getsignal(signal.SIGUSR1) == signal.SIG_DFL", "True"
                ),
                (
                    "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))",
                    "import resource\nresource.getrlimit(resource.RLIMIT_NOFILE)[1] > 50", "True"
                ),
                (
                    "import pandas as pd\npd.options.display.width = 7",
                    "import pandas as pd\npd.options.display.width != 7", "True"
                ),
                (
                    "import matplotlib.pyplot as plt\nf = plt.figure()",
                    "import matplotlib.pyplot as plt\nplt.get_fignums()", "[]"
                ),
                ("5", "_", ""), ("5", "In[:1], Out", "([''], {})"),
                ("%alias mine echo", "'mine' in [a[0] for a in get_ipython().alias_manager.aliases]", "False"),
                (
                    "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
                    "import threading\nthreading.active_count() <= 2", "True"
                ),
            ]
        )
        func interpreters(first: String, second: String, expected: String) async throws {
            let (_, cell) = try await Self.run(first, then: second)
            #expect(cell.text == expected, "\(cell)")
        }

        @Test("share the workspace, at both of its places, and /tmp")
        func workspace() async throws {
            let name = "shared-\(UInt32.random(in: 0...UInt32.max))"
            let (_, cell) = try await Self.run(
                "open('\(name)', 'w').write('one'); open('/tmp/\(name)', 'w').write('two');",
                then:
                    "open('/workspace/\(name)').read() + open('/home/user/\(name)').read() + open('/tmp/\(name)').read()"
            )
            #expect(cell.text == "oneonetwo", "\(cell)")
        }

        @Test(
            "cannot reach one another's processes",
            arguments: [
                "import os, signal\nos.kill(PID, signal.SIGKILL)", "import os, signal\nos.kill(PID, 0)",
                "import os, signal\nos.killpg(PID, signal.SIGKILL)", "open('/proc/PID/mem', 'rb')",
                "open('/proc/PID/environ').read()",
                "open('/proc/PID/maps').read()", "open('/proc/PID/cmdline').read()",
                "import os\nos.listdir('/proc/PID/fd')",
                "import os\nos.open('/proc/PID/root', os.O_PATH)\nos.listdir('/proc/PID/root')",
                "import os\nos.listdir('/proc/PID/cwd')", "import os\nos.sched_setaffinity(PID, {0})",
                "import resource\nresource.prlimit(PID, resource.RLIMIT_CPU, (1, 1))",
                "import os, signal\nsignal.pidfd_send_signal(os.pidfd_open(PID), signal.SIGKILL)",
                "import os\nos.setpriority(os.PRIO_PROCESS, PID, 19)",
                "import ctypes\nif ctypes.CDLL(None).ptrace(16, PID, 0, 0) == -1: raise OSError('no')",
                "import ctypes\nif ctypes.CDLL(None).ptrace(0x4206, PID, 0, 0) == -1: raise OSError('no')",
            ]
        )
        func processes(code: String) async throws {
            let (_, cell) = try await Self.run("import os\nos.getpid()", then: code)
            // Names and numbers of descriptors: no more than that is to be had through a container's /proc.
            if !TestBackend.isNative, code.contains("/cmdline") || code.contains("/fd'") { return }
            let refused: Set<String> = ["PermissionError", "ProcessLookupError", "OSError", "FileNotFoundError"]
            let isOpen = ["sched_setaffinity", "setpriority"].contains { code.contains($0) }
            withKnownIssue("affinity and priority of another context's process can be set") {
                #expect(refused.contains(cell.errorName ?? "none"), "\(cell)")
            } when: {
                isOpen
            }
        }

        @Test(
            "do not even see one another's processes",
            .nativeOnly("the /proc of a container shows all of its processes")
        )
        func visibleProcesses() async throws {
            let (first, cell) = try await Self.run(
                "import os, subprocess\np = subprocess.Popen(['sleep', '30'])\nos.getpid()",
                then:
                    "import os\nown = os.getpid()\nsorted(int(n) for n in os.listdir('/proc') if n.isdigit() and int(n) != own)"
            )
            #expect(first.text != nil)
            #expect(cell.text == "[]", "\(cell)")
        }

        @Test("a signal to everybody reaches only the processes of the context that sent it")
        func signalToAll() async throws {
            let (_, cell) = try await Self.run(
                "import os\nos.getpid()",
                then:
                    "import os, signal, subprocess\np = subprocess.Popen(['sleep', '30'])\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntry: os.kill(-1, signal.SIGTERM)\nexcept OSError: p.kill()\np.wait() != 0"
            )
            #expect(cell.text == "True" || cell.reason == "signal", "\(cell)")
        }

        @Test("13: shared memory, queues, sockets and keys of one are not there in another")
        func sharedObjects() async throws {
            let (_, cell) = try await Self.run(
                """
                import ctypes, os, socket
                libc = ctypes.CDLL(None)
                made = [libc.shmget(4711, 4096, 0o1666), libc.semget(4711, 1, 0o1666), libc.msgget(4711, 0o1666)]
                s = socket.socket(socket.AF_UNIX); s.bind("\\0context13"); s.listen()
                """,
                then: """
                    import ctypes, socket
                    libc = ctypes.CDLL(None)
                    found = [n for n in ("shmget", "semget", "msgget") if getattr(libc, n)(4711, *((0,) if n == "msgget" else (0, 0))) >= 0]
                    try:
                        socket.socket(socket.AF_UNIX).connect("\\0context13"); found.append("abstract")
                    except OSError: pass
                    found
                    """
            )
            // Contexts of one sandbox share its network namespace; System V objects are refused or of no use to a stranger.
            #expect(cell.error == nil, "\(cell)")
            withKnownIssue("System V objects are shared by all contexts of a sandbox") {
                #expect(cell.text == "[]", "\(cell)")
            }
        }

        @Test("50: fresh ones differ in everything that is random")
        func randomness() async throws {
            let server = try TestServer.current
            let code = """
                import random, secrets, tempfile, uuid, ssl, os, numpy as np
                print("\\n".join(map(str, [random.random(), random.Random().random(), np.random.rand(), np.random.RandomState().rand(),
                      np.random.default_rng().random(), uuid.uuid1(), uuid.uuid4(), secrets.token_hex(), tempfile.mktemp(),
                      ssl.RAND_bytes(8).hex(), os.urandom(8).hex()])))
                """
            async let first = NotebookAPI.run(code)
            async let second = NotebookAPI.run(code)
            let restarted = try await server.withContext { context in
                _ = try await context.run(code)
                _ = try await context.restart()
                return try await context.run(code)
            }
            let outputs = [try await first.stdout, try await second.stdout, restarted.stdout].map {
                $0.split(separator: "\n")
            }
            #expect(outputs.allSatisfy { $0.count == 11 }, "\(outputs)")
            for (one, (two, three)) in zip(outputs[0], zip(outputs[1], outputs[2])) {
                #expect(Set([one, two, three]).count == 3, "\(one) \(two) \(three)")
            }
        }

        @Test("a one-shot execution sees nothing of a context's workspace, and the other way round")
        func otherFamily() async throws {
            let server = try TestServer.current
            let name = "family-\(UInt32.random(in: 0...UInt32.max))"
            _ = try await NotebookAPI.run(
                "open('/home/user/\(name)', 'w').write('x'); open('/tmp/\(name)', 'w').write('x');"
            )
            let answer = try await server.execute(
                "import os\nprint(os.path.exists('/workspace/\(name)'), os.path.exists('/tmp/\(name)'))\nopen('/workspace/\(name)-back', 'w')"
            )
            #expect(answer.stdout == "False False\n", "\(answer.json)")
            let cell = try await NotebookAPI.run("import os\nos.path.exists('/home/user/\(name)-back')")
            #expect(cell.text == "False")
        }
    }
}
