import Execution
import NIOCore
import Testing

@testable import NativeSandbox

@Suite(
    "Programs in real sandboxes",
    .tags(.kernel),
    .realBackend,
    .enabled(if: RealHost.obstacle == nil, "\(RealHost.obstacle ?? "")")
)
struct RealExecutionTests {
    @Test("print and end with their code")
    func hello() async throws {
        let report = try await execute("import sys\nprint('hello')\nprint('oops', file=sys.stderr)\nsys.exit(3)")
        #expect(report.stdout == "hello\n")
        #expect(report.stderr == "oops\n")
        #expect(report.outcome.ending == .exited(3))
        #expect(report.outcome.truncatedStreams.isEmpty)
        #expect(!report.outcome.wasMemoryLimitHit)
    }

    @Test("run from the full zygote too")
    func full() async throws {
        let report = try await execute(
            "import sys; print('decimal' in sys.modules or 'numpy' in sys.modules)",
            kind: .full
        )
        #expect(report.stdout == "True\n")
    }

    @Test("read their standard input, or its end at once")
    func input() async throws {
        let text = String(repeating: "0123456789abcdef\n", count: 100_000)
        #expect(
            try await execute("import sys; print(len(sys.stdin.read()))", input: text).stdout == "\(text.utf8.count)\n"
        )
        #expect(try await execute("input()").stderr.contains("EOFError"))
        #expect(try await execute("print(1)", input: text).stdout == "1\n", "unread input does not matter")
    }

    @Test(
        "show how they ended, whatever way they took",
        arguments: [
            ("import os; os._exit(7)", Outcome.Ending.exited(7)),
            ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", .signalled(11)),
            ("import os; os.kill(os.getpid(), 9)", .signalled(9)),
            ("import os; os.closerange(3, 1024); raise SystemExit(5)", .exited(5)),
            ("import os; os.write(900, b'junk that is no frame'); raise SystemExit(6)", .exited(6)),
            ("raise KeyboardInterrupt", .exited(130)),
        ]
    )
    func endings(code: String, ending: Outcome.Ending) async throws {
        #expect(try await execute(code).outcome.ending == ending)
    }

    @Test("are killed when their time is up, and keep what they printed and wrote")
    func timeOut() async throws {
        try await withSandbox { sandbox in
            var limits = ExecutionLimits.test
            limits.wallTime = .seconds(2)
            let code = "import time\nprint('begun')\nopen('a.txt','w').write('kept')\ntime.sleep(60)"
            let report = try await sandbox.run(code, limits: limits)
            #expect(report.outcome.ending == .timedOut)
            #expect(report.outcome.exitCode == nil)
            #expect(report.stdout == "begun\n")
            #expect(report.outcome.duration >= .seconds(2))
            let files = try await sandbox.producedFiles(limits: .test)
            #expect(files.files.map(\.path.string) == ["a.txt"])
        }
    }

    @Test(
        "are killed for the CPU time of all their processes together",
        .enabled(if: RealHost.countsForSandboxes, "needs cgroups")
    )
    func processorTime() async throws {
        var limits = ExecutionLimits.test
        limits.cpuTime = .milliseconds(600)
        let report = try await execute("import os\nos.fork()\nos.fork()\nwhile True: pass", limits: limits)
        #expect(report.outcome.ending == .cpuLimit)
        #expect(report.outcome.exitCode == 137)
        #expect(try #require(report.outcome.cpuTime) >= .milliseconds(600))
    }

    @Test(
        "are stopped by the kernel at the memory limit, and the outcome says so",
        .enabled(if: RealHost.countsForSandboxes, "needs cgroups")
    )
    func memory() async throws {
        let report = try await execute("x = bytearray(1 << 30)\nprint(len(x))")
        #expect(report.outcome.ending == .memoryLimit)
        #expect(report.outcome.wasMemoryLimitHit)
        #expect(try #require(report.outcome.peakMemoryBytes) > 100 << 20)
    }

    @Test(
        "survive a child that is killed for its memory",
        .enabled(if: RealHost.cgroupVersion == 1, "version 2 ends the sandbox as a whole")
    )
    func memoryOfChild() async throws {
        let code =
            "import os\npid = os.fork()\nif pid == 0: bytearray(1 << 30)\nelse: print(os.waitpid(pid, 0)[1])"
        let report = try await execute(code)
        #expect(report.stdout == "9\n")
        #expect(report.outcome.ending == .exited(0))
        #expect(report.outcome.wasMemoryLimitHit)
    }

    @Test("have as many processes and threads as the limit says", arguments: SandboxKind.executions)
    func processes(kind: SandboxKind) async throws {
        let forks = """
            import os, signal
            children = []
            try:
                while True:
                    child = os.fork()
                    if child == 0: signal.pause()
                    children.append(child)
            except BlockingIOError as error: print(len(children), error.errno)
            for child in children: os.kill(child, 9)
            """
        #expect(try await execute(forks, kind: kind).stdout == "63 11\n")
        let threads = """
            import threading
            stop, count = threading.Event(), 0
            try:
                while True: threading.Thread(target=stop.wait).start(); count += 1
            except RuntimeError as error: print(count, error)
            stop.set()
            """
        // Where memory is counted for each process, the stacks of so many threads are more than it may have.
        if RealHost.countsForSandboxes {
            #expect(try await execute(threads, kind: kind).stdout == "63 can't start new thread\n")
        }
    }

    @Test("have their output cut at the limit, and are killed when they flood")
    func output() async throws {
        var limits = ExecutionLimits.test
        limits.outputBytes = 1000
        let cut = try await execute("print('x' * 5000)", limits: limits)
        #expect(cut.stdout == String(repeating: "x", count: 968) + OutputLimiter.marker)
        #expect(cut.outcome.truncatedStreams == [.stdout])
        #expect(cut.outcome.ending == .exited(0))
        limits.floodBytes = 10_000_000
        let flood = try await execute("import sys\nwhile True: sys.stderr.write('y' * 65536)", limits: limits)
        #expect(flood.outcome.ending == .outputLimit)
        #expect(flood.outcome.truncatedStreams == [.stderr])
    }

    @Test("answer only when a background process lets go of their output")
    func background() async throws {
        let code =
            "import os, time\nif os.fork() == 0:\n  time.sleep(0.4)\n  print('late')\n  os._exit(0)\nprint('early')"
        let report = try await execute(code)
        #expect(report.stdout == "early\nlate\n")
        #expect(report.outcome.ending == .exited(0))
        #expect(report.outcome.duration >= .milliseconds(400))
    }

    @Test(
        "leave no process behind that could change files afterwards, whatever way they took",
        arguments: [
            ("pass", Outcome.Ending.exited(0)), ("os._exit(4)", .exited(4)),
            ("os.execv('/bin/sh', ['sh', '-c', 'exit 3'])", .exited(3)), ("os.kill(os.getpid(), 9)", .signalled(9)),
        ]
    )
    func survivors(end: String, ending: Outcome.Ending) async throws {
        try await withSandbox { sandbox in
            let code = """
                import os
                open('kept', 'w').write('x')
                begun, begin = os.pipe()
                if os.fork() == 0:
                    os.setsid()
                    for fd in (0, 1, 2, begin): os.close(fd)
                    while True: open('race', 'w').close(); os.unlink('race')
                os.close(begin)
                os.read(begun, 1)
                \(end)
                """
            let report = try await sandbox.run(code)
            #expect(report.outcome.ending == ending, "\(report)")
            try await expectSettled(sandbox)
        }
    }

    @Test("do not go on behind an end that they only told of")
    func forgedEnd() async throws {
        try await withSandbox { sandbox in
            let code = """
                import os
                open('kept', 'w').write('x')
                body = b'{"type":"done","exit_code":5}'
                os.write(900, len(body).to_bytes(4, 'little') + body)
                for fd in (0, 1, 2): os.close(fd)
                while True: open('race', 'w').close(); os.unlink('race')
                """
            let report = try await sandbox.run(code)
            #expect(report.outcome.ending == .exited(5), "\(report)")
            try await expectSettled(sandbox)
        }
    }

    /// Looks so often that whoever makes and removes a file all the time is seen.
    private func expectSettled(_ sandbox: any Sandbox) async throws {
        let first = try await sandbox.producedFiles(limits: .test)
        #expect(first.files.contains { $0.path.string == "kept" })
        for _ in 0..<300 {
            guard try await sandbox.producedFiles(limits: .test) == first else {
                Issue.record("files change after the end")
                return
            }
        }
    }

    @Test("stop at once when the task is cancelled")
    func cancellation() async throws {
        try await withSandbox { sandbox in
            let begun = AsyncStream<Void>.makeStream()
            let start = ContinuousClock.now
            await #expect(throws: CancellationError.self) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        let script = Script(code: "import time\nprint('x')\ntime.sleep(60)")
                        _ = try await sandbox.run(script, limits: .test) { _, _ in begun.continuation.finish() }
                    }
                    for await _ in begun.stream {}
                    group.cancelAll()
                    try await group.waitForAll()
                }
            }
            #expect(ContinuousClock.now - start < .seconds(50), "it did not sleep to its end")
            #expect(!sandbox.isAlive)
        }
    }

    @Test("see their files, and give back what is new or changed, without the rest")
    func files() async throws {
        try await withSandbox { sandbox in
            try await sandbox.stage([
                .init("same.txt", "same"), .init("changed.txt", "old"), .init("mapped.bin", "mapped"),
                .init("gone.txt", "gone"),
                .init("a/b/c.txt", "first"), .init("a/b/c.txt", "last"), .init("rewritten.txt", "again"),
            ])
            let code = """
                import mmap, os
                print(open('/home/user/a/b/c.txt').read())
                open('changed.txt', 'w').write('new')
                open('rewritten.txt', 'w').write('again')
                with open('mapped.bin', 'r+b') as f:
                    m = mmap.mmap(f.fileno(), 0); m[0] = 77; m.close()
                os.unlink('gone.txt')
                os.makedirs('x/y')
                open('x/y/.hidden', 'w').write('h')
                open('x/locked', 'w').write('secret'); os.chmod('x/locked', 0)
                os.mkdir('dark'); open('dark/file', 'w').write('d'); os.chmod('dark', 0)
                os.symlink('/etc/passwd', 'link'); os.symlink('x', 'dirlink'); os.mkfifo('fifo')
                open(b'bad\\xff', 'w').close()
                open('/tmp/elsewhere', 'w').close()
                """
            let report = try await sandbox.run(code)
            #expect(report.stderr == "")
            #expect(report.stdout == "last\n")
            let produced = try await sandbox.producedFiles(limits: .test)
            #expect(
                produced.files.map(\.path.string) == [
                    "changed.txt", "dark/file", "mapped.bin", "x/locked", "x/y/.hidden",
                ]
            )
            #expect(produced.omitted == 0)
            #expect(try await sandbox.text("x/locked") == "secret")
            #expect(try await sandbox.text("dark/file") == "d")
            for path in ["link", "fifo", "x", "dirlink/y/.hidden", "none"] {
                await #expect(throws: SandboxError.notARegularFile(try WorkspacePath(path))) {
                    try await sandbox.text(path)
                }
            }
        }
    }

    @Test("cannot trick the server out of the workspace by exchanging directories and links while it reads")
    func races() async throws {
        try await withSandbox { sandbox in
            let code = """
                import os
                os.makedirs('real'); open('real/passwd', 'w').write('mine')
                os.symlink('/etc', 'link'); os.mkdir('d')
                print('go', flush=True)
                while True:
                    os.rename('real', 'd'); os.rename('d', 'real')
                    os.rename('link', 'x'); os.mkdir('link'); os.rmdir('link'); os.rename('x', 'link')
                    os.rmdir('d') if os.path.isdir('d') and not os.path.islink('d') else None
                    os.symlink('/etc', 'd'); os.unlink('d'); os.mkdir('d')
                """
            let (begun, begin) = AsyncStream<Void>.makeStream()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    var limits = ExecutionLimits.test
                    limits.wallTime = .seconds(4)
                    _ = try await sandbox.run(Script(code: code), limits: limits) { _, _ in begin.finish() }
                    begin.finish()
                }
                for await _ in begun {}
                for _ in 0..<400 {
                    for path in ["d/passwd", "link/passwd", "real/passwd"] {
                        // What is not there at this moment, or a link, is an error; only what was read counts.
                        if let text = try? await sandbox.text(path) { #expect(text == "mine") }
                    }
                    for file in try await sandbox.producedFiles(limits: .test).files { #expect(file.size == 4) }
                }
                group.cancelAll()
                do { try await group.waitForAll() } catch is CancellationError {}
            }
        }
    }

    @Test("are held to the limits on what they give back")
    func producedLimits() async throws {
        try await withSandbox { sandbox in
            let code = """
                import os
                for i in range(5): open(f'f{i}', 'w').write('x' * 10)
                with open('sparse', 'w') as f: f.truncate(1 << 60)
                os.makedirs('d/' * 6); open('d/' * 6 + 'deep', 'w').close()
                """
            _ = try await sandbox.run(code)
            let limits = ProducedFileLimits(count: 3, bytesPerFile: 100, totalBytes: 1000, depth: 4)
            let produced = try await sandbox.producedFiles(limits: limits)
            #expect(produced.files.map(\.path.string) == ["f0", "f1", "f2"])
            #expect(produced.omitted == 4, "two files, the sparse one and a directory too deep")
        }
    }

    @Test("cannot be given more than a workspace holds")
    func fullWorkspace() async throws {
        try await withSandbox { sandbox in
            let large = StagedFile(
                path: try WorkspacePath("big"),
                content: .bytes(ByteBuffer(repeating: 1, count: 300 << 20))
            )
            await #expect(throws: SandboxError.workspaceFull(large.path)) { try await sandbox.stage([large]) }
        }
    }

    @Test("find no trace of those before, and differ in their random numbers")
    func freshness() async throws {
        let code = """
            import os, random, uuid, tempfile, secrets
            print(random.random(), random.Random().random(), uuid.uuid4(), uuid.uuid1(), secrets.token_hex(8), end=' ')
            print(os.listdir('/tmp'), os.listdir('.'))
            open('/tmp/trace', 'w').close(); open('trace', 'w').close(); open('/dev/shm/trace', 'w').close()
            """
        var outputs: Set<String> = []
        for _ in 0..<3 {
            let report = try await execute(code)
            #expect(report.stdout.hasSuffix(" [] ['__main__.py']\n"))
            outputs.insert(report.stdout)
        }
        #expect(outputs.count == 3)
    }
}

extension ProducedFileLimits {
    static let test = ProducedFileLimits(count: 256, bytesPerFile: 100_000_000, totalBytes: 256_000_000)
}

extension StagedFile {
    init(_ path: String, _ text: String) throws {
        self.init(path: try WorkspacePath(path), content: .bytes(ByteBuffer(string: text)))
    }
}

extension Sandbox {
    func text(_ path: String) async throws -> String {
        var all = ByteBuffer()
        for try await chunk in try await read(try WorkspacePath(path), limit: 1 << 20) {
            all.writeImmutableBuffer(chunk)
        }
        return String(buffer: all)
    }
}

extension RealHost {
    static let cgroupVersion: Int = {
        switch CgroupLayout.inspect(.host) {
        case .version1: 1
        case .version2: 2
        case .missing: 0
        }
    }()
    static var countsForSandboxes: Bool { cgroupVersion != 0 }
}
