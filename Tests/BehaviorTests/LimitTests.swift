import TestSupport
import Testing

@Suite(
    "Limits",
    .server([
        "CPU_TIME_LIMIT_SEC": "1", "MEMORY_LIMIT_MB": "128", "MAX_OUTPUT_BYTES": "1000", "MAX_EXEC_TIMEOUT_MS": "20000",
    ])
)
struct LimitTests {
    @Test("too much memory ends with 137 and the reason `memory`", .needs(.cgroups))
    func memory() async throws {
        let answer = try await TestServer.current.execute(
            "print('before', flush=True)\nx = b'x' * 1_000_000_000",
            timeout: 20_000
        )
        #expect(answer.exitCode == 137, "\(answer.json)")
        #expect(answer.stdout == "before\n")
        #expect(answer.reason == "memory")
        #expect(answer.outcome["memory_limit_hit"] == true)
        #expect(!answer.isTimedOut)
    }

    @Test("a child that takes too much memory is told of, whatever the program makes of it", .needs(.cgroups))
    func memoryOfChild() async throws {
        let code = """
            import subprocess, sys
            child = subprocess.run([sys.executable, "-c", "x = b'x' * 1_000_000_000"])
            print(child.returncode)
            """
        let answer = try await TestServer.current.execute(code, timeout: 20_000)
        // The kernel may pick the child or end the sandbox as a unit.
        #expect(answer.outcome["memory_limit_hit"] == true, "\(answer.json)")
        #expect((answer.stdout == "-9\n" && answer.exitCode == 0) || answer.exitCode == 137)
    }

    @Test("memory within the limit is there to be used")
    func memoryWithinLimit() async throws {
        let answer = try await TestServer.current.execute(
            "x = bytearray(90_000_000)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('fits')",
            timeout: 20_000
        )
        #expect(answer.stdout == "fits\n", "\(answer.json)")
        #expect(answer.outcome["memory_limit_hit"] == false)
        if let peak = answer.outcome["peak_memory_bytes"]?.int { #expect((90_000_000..<140_000_000).contains(peak)) }
    }

    @Test("too much CPU time ends with 137 and the reason `cpu`")
    func cpu() async throws {
        let answer = try await TestServer.current.execute(
            "print('before', flush=True)\nwhile True: pass",
            timeout: 20_000
        )
        #expect(answer.exitCode == 137, "\(answer.json)")
        #expect(answer.reason == "cpu")
        #expect(!answer.isTimedOut)
        #expect(answer.stdout == "before\n")
        if let time = answer.outcome["cpu_time_ms"]?.int { #expect((900..<5000).contains(time)) }
    }

    @Test("CPU time counts for all processes together", .needs(.cgroups))
    func cpuOfManyProcesses() async throws {
        let code = """
            import os
            for _ in range(7):
                if os.fork() == 0: break
            while True: pass
            """
        let answer = try await TestServer.current.execute(code, timeout: 20_000)
        #expect(answer.exitCode == 137, "\(answer.json)")
        #expect(answer.reason == "cpu")
    }

    @Test("sleeping costs no CPU time")
    func sleeping() async throws {
        let answer = try await TestServer.current.execute("import time\ntime.sleep(2)\nprint('slept')", timeout: 20_000)
        #expect(answer.stdout == "slept\n", "\(answer.json)")
        if let time = answer.outcome["cpu_time_ms"]?.int { #expect(time < 900) }
    }

    @Test("a flood of output is stopped with the reason `output_limit`, long before the time is up")
    func flood() async throws {
        let code = "import os\nblock = b'x' * 65536\nwhile True: os.write(1, block)"
        let answer = try await TestServer.current.execute(code, timeout: 20_000)
        #expect(answer.exitCode == 137, "\(answer.outcome)")
        // The CPU limit of this server may be first.
        #expect(["output_limit", "cpu"].contains(answer.reason))
        #expect(answer.outcome["stdout_truncated"] == true)
        #expect(!answer.isTimedOut)
    }

    @Test(
        "MAX_OUTPUT_BYTES is where output is cut: exactly",
        arguments: [(999, false), (1000, false), (1001, true), (5000, true)]
    )
    func outputLimit(count: Int, isCut: Bool) async throws {
        let answer = try await TestServer.current.execute(
            "import sys\nsys.stdout.write('x' * \(count))",
            timeout: 20_000
        )
        let expected =
            isCut ? String(repeating: "x", count: 968) + "\n...[truncated]" : String(repeating: "x", count: count)
        #expect(answer.stdout == expected)
        #expect(answer.outcome["stdout_truncated"] == .bool(isCut))
        let streamed = try await TestServer.current.stream(
            ExecuteRequest("import sys\nsys.stdout.write('x' * \(count))", timeout: 20_000)
        ).collect()
        #expect(streamed.stdout == expected)
    }

    @Test("output that comes in small pieces is cut at the same byte")
    func outputLimitInPieces() async throws {
        let code = "import os\nfor i in range(1500): os.write(2, b'%d' % (i % 10))"
        let answer = try await TestServer.current.execute(code, timeout: 20_000)
        #expect(answer.stderr == (0..<968).map { "\($0 % 10)" }.joined() + "\n...[truncated]")
        #expect(answer.outcome["stderr_truncated"] == true)
        #expect(answer.outcome["stdout_truncated"] == false)
    }

    @Test("MAX_EXEC_TIMEOUT_MS is the highest timeout_ms")
    func maximumTimeOut() async throws {
        let server = try TestServer.current
        let answer = try await server.post("/v1/execute", #"{"code":"","timeout_ms":20001}"#)
        #expect(answer.status == 422)
        #expect(try answer.detail == "timeout_ms exceeds maximum of 20000 ms")
        #expect(try await server.post("/v1/execute", #"{"code":"","timeout_ms":20000}"#).status == 200)
    }

    @Test(
        "the workspace and /tmp are full at some point, and that is an ordinary error",
        arguments: ["/workspace/fill", "/tmp/fill", "/dev/shm/fill"]
    )
    func fullDisk(path: String) async throws {
        let code = """
            import errno
            try:
                with open("\(path)", "wb") as file:
                    for _ in range(4096): file.write(bytes(1 << 20)); file.flush()
                print("endless")
            except OSError as error:
                print(errno.errorcode[error.errno])
            """
        let answer = try await TestServer.current.execute(code, timeout: 20_000)
        #expect(answer.stdout == "ENOSPC\n" || answer.reason == "memory", "\(answer.json)")
    }

    @Test("open files are limited, and running into the limit is an ordinary error")
    func openFiles() async throws {
        let code =
            "files = []\ntry:\n    while len(files) < 100000: files.append(open('/dev/null'))\nexcept OSError as e: print(e.errno == 24)"
        #expect(try await TestServer.current.execute(code, timeout: 20_000).stdout == "True\n")
    }

    @Test("an outcome says why, how much and what was left out")
    func outcomeFields() async throws {
        let outcome = try await TestServer.current.execute("pass", timeout: 20_000).outcome
        #expect(outcome["reason"] == "exit")
        #expect(outcome["memory_limit_hit"] == false)
        #expect(outcome["stdout_truncated"] == false)
        #expect(outcome["stderr_truncated"] == false)
        #expect(outcome["omitted_files"] == 0)
        #expect(outcome["signal"] == nil || outcome["signal"] == .null)
    }
}
