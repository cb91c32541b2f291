import TestSupport
import Testing

/// The same promises from a server that an ordinary user started.
@Suite(
    "A server without root",
    .needs(.otherUsers, .userNamespaces),
    .server(["ALLOW_WITHOUT_CGROUPS": "true"], as: .ordinary),
    .nativeOnly("how native sandboxes are built without root")
)
struct RootlessTests {
    @Test("programs run as user 1000 in a namespace of their own")
    func identity() async throws {
        let answer = try await TestServer.current.execute(
            "import os\nprint(os.getuid(), os.getcwd(), os.getpid() < 100)"
        )
        #expect(answer.stdout == "1000 /workspace True\n", "\(answer.json)")
    }

    @Test("the server and all its processes belong to the ordinary user")
    func account() async throws {
        let server = try TestServer.current
        let tree = ProcessTree(root: server.process.pid)
        #expect(tree.members.count > 4)
        for member in tree.members {
            // A process that ended meanwhile belongs to nobody.
            guard let status = Host.text("/proc/\(member.pid)/status") else { continue }
            let line = status.split(separator: "\n").first { $0.hasPrefix("Uid:") }
            #expect(line?.contains("\(TestServer.ordinaryUser)") == true, "\(member): \(line ?? "")")
        }
    }

    @Test("exit codes, signals and time-outs are told as elsewhere")
    func endings() async throws {
        let server = try TestServer.current
        #expect(try await server.execute("raise SystemExit(3)").exitCode == 3)
        #expect(try await server.execute("import os\nos.abort()").exitCode == 134)
        #expect(try await server.execute("import time\ntime.sleep(60)", timeout: 1000).isTimedOut)
    }

    @Test("files go in and come out")
    func files() async throws {
        let server = try TestServer.current
        let id = try await server.upload("in.txt", "in".utf8)
        let code =
            "import os\nopen('out.txt', 'w').write(open('d/in.txt').read() * 2)\nos.chmod('out.txt', 0o600)\nopen('d/in.txt', 'a').write('!')"
        let answer = try await server.execute(ExecuteRequest(code, files: [("d/in.txt", id)]))
        #expect(answer.paths == ["d/in.txt", "out.txt"], "\(answer.json)")
        #expect(try await server.download(#require(answer.file("out.txt"))) == Array("inin".utf8))
    }

    @Test("numpy, pandas, matplotlib, processes and threads work")
    func stack() async throws {
        let code = """
            import multiprocessing, threading, numpy, pandas, matplotlib.pyplot as plt, subprocess
            plt.plot([1, 2]); plt.savefig("p.png")
            t = threading.Thread(target=print, args=("thread",)); t.start(); t.join()
            with multiprocessing.get_context("fork").Pool(2) as pool: print(pool.map(abs, [-1, 2]))
            print(subprocess.run(["echo", "child"], capture_output=True, text=True).stdout.strip())
            """
        let answer = try await TestServer.current.execute(code, timeout: 60_000)
        #expect(answer.stdout == "thread\n[1, 2]\nchild\n", "\(answer.json)")
        #expect(answer.paths == ["p.png"])
    }

    @Test("there is no network and no capability, and no system call that makes one")
    func walls() async throws {
        let code = """
            import errno, socket, subprocess
            status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
            print([status[k] for k in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh")] == ["0000000000000000"] * 5, status["NoNewPrivs"], status["Seccomp"])
            try: socket.create_connection(("192.0.2.1", 80))
            except OSError as e: print(errno.errorcode[e.errno])
            print(subprocess.run(["unshare", "-U", "true"], stderr=subprocess.DEVNULL).returncode != 0)
            """
        let answer = try await TestServer.current.execute(code)
        #expect(answer.stdout == "True 1 2\nENETUNREACH\nTrue\n", "\(answer.json)")
    }

    @Test("memory, processes and CPU time are limited, with or without control groups")
    func limits() async throws {
        let server = try TestServer.current
        let memory = try await server.execute("x = b'x' * 4_000_000_000", timeout: 20_000)
        #expect(memory.exitCode == 137 || memory.stderr.contains("MemoryError"), "\(memory.json)")
        let code =
            "import os, time\nn = 0\ntry:\n    while n < 200:\n        if os.fork() == 0: time.sleep(20); os._exit(0)\n        n += 1\nexcept BlockingIOError: print(n <= 64)"
        let processes = try await server.execute(code + "\nos.kill(0, 9)", timeout: 20_000)
        #expect(processes.exitCode == 137)
        #expect(try await server.execute("print('alive')").stdout == "alive\n")
    }

    @Test("health names what is missing")
    func health() async throws {
        let json = try await TestServer.current.get("/health").json
        #expect(json["status"] == "ok")
        #expect(json["walls"] != nil)
    }

    @Test("twenty programs at once are all answered")
    func manyAtOnce() async throws {
        let server = try TestServer.current
        try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<20 { group.addTask { try await server.execute("print(\(number) * 0 + 7)").stdout } }
            for try await output in group { #expect(output == "7\n") }
        }
    }
}
