import TestSupport
import Testing

extension NotebookAPI {
    @Suite("Several cells at once")
    struct Queue {
        @Test("cells sent to one context at once run one after another, in the order in which they came")
        func order() async throws {
            let server = try TestServer.current
            try await server.withContext { context in
                _ = try await context.run("seen = []\nimport time")
                var running: [RawConnection] = []
                // The next is sent when the server has taken the one before: the first runs, the others stand in the queue.
                for number in 0..<6 {
                    let code = number == 0 ? "time.sleep(1); print('at work'); time.sleep(1)" : ""
                    let body = CellRequest("seen.append(\(number))\n\(code)", in: context.id).json.description
                    let connection = try await RawConnection(port: server.port)
                    try await connection.send(
                        "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                    )
                    if number == 0 { _ = await connection.receive { $0.contains("at work") } }
                    // A request over another connection is answered after those before have been read.
                    for _ in 0..<3 { _ = try await server.get("/health") }
                    running.append(connection)
                }
                for connection in running {
                    let text = await connection.receive { $0.contains("end_of_execution") }
                    #expect(text.contains("end_of_execution") && !text.contains("\"error\""), "\(text)")
                    await connection.close()
                }
                let cell = try await context.run("seen")
                #expect(cell.text == "[0, 1, 2, 3, 4, 5]", "\(cell)")
                #expect(cell.executionCount == 8)
            }
        }

        @Test("the counts of cells sent at once are all different and each answer is its own")
        func ownAnswers() async throws {
            try await TestServer.current.withContext { context in
                let cells = try await withThrowingTaskGroup(of: (Int, CellAnswer).self) { group in
                    for number in 0..<20 {
                        group.addTask { (number, try await context.run("print('\(number)')\n\(number)")) }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(cells.allSatisfy { $0.1.text == "\($0.0)" && $0.1.stdout == "\($0.0)\n" }, "\(cells)")
                #expect(cells.map { $0.1.executionCount }.sorted() == Array(1...20))
            }
        }

        @Test("an error in one does not stop those behind it")
        func errorInBetween() async throws {
            try await TestServer.current.withContext { context in
                async let failing = context.run("import time\ntime.sleep(0.5)\n1/0")
                async let first = context.run("1")
                async let second = context.run("2")
                let cells = try await [failing, first, second]
                #expect(cells[0].errorName == "ZeroDivisionError", "\(cells)")
                #expect(cells[1].text == "1" && cells[2].text == "2", "\(cells)")
            }
        }

        @Test("different contexts run at the same time")
        func parallel() async throws {
            let server = try TestServer.current
            let name = "/tmp/meeting-\(UInt32.random(in: 0...UInt32.max))"
            try await server.withContext { one in
                let other = try await server.makeContext()
                // Each waits for the other: that ends only if both run.
                let code: @Sendable (String, String) -> String = { own, awaited in
                    "import os, time\nopen('\(name)-\(own)', 'w').close()\nend = time.time() + 20\nwhile not os.path.exists('\(name)-\(awaited)') and time.time() < end: time.sleep(0.01)\nos.path.exists('\(name)-\(awaited)')"
                }
                async let first = one.run(code("a", "b"))
                async let second = other.run(code("b", "a"))
                #expect(try await first.text == "True")
                #expect(try await second.text == "True")
                try await other.delete()
            }
        }

        @Test("a client that leaves while its cell waits takes it out of the queue, and the one that runs goes on")
        func leavingTheQueue() async throws {
            let server = try TestServer.current
            try await server.withContext { context in
                var lines = try await context.lines(
                    "import time\nran = []\nprint('on')\ntime.sleep(1.5)\nran.append('first')"
                )
                .makeAsyncIterator()
                _ = try await lines.next { $0["type"] == "stdout" }
                let waiting = try await context.start("ran.append('second')", until: "", isReading: true)
                for _ in 0..<3 { _ = try await server.get("/health") }
                await waiting.close()
                while let line = try await lines.next() { #expect(try line.json["type"] != "error", "\(line.text)") }
                #expect(try await context.run("ran").text == "['first']")
            }
        }
    }

    @Suite("Cells that are stopped")
    struct Stopping {
        /// Code that goes on whatever interrupts it.
        static let stubborn = """
            import time
            x = 1
            def on(depth):
                while True:
                    try: on(depth - 1) if depth else wait()
                    except BaseException: pass
            def wait():
                global x
                if x == 1:
                    x = 2
                    print('on', flush=True)
                time.sleep(60)
            on(50)
            """

        @Test(
            "a time-out interrupts the cell and keeps its variables",
            arguments: [
                "import time\ntime.sleep(50)", "while True: pass", "!sleep 50",
                "import asyncio\nawait asyncio.sleep(50)",
                "import subprocess\nsubprocess.run(['sleep', '50'])", "import threading\nthreading.Event().wait()",
                "import os\nr, w = os.pipe()\nos.read(r, 1)", "%%bash\nsleep 50",
            ]
        )
        func timeOut(code: String) async throws {
            try await TestServer.current.withContext { context in
                let isMagic = code.hasPrefix("%%")
                if isMagic { _ = try await context.run("kept = 5") }
                let cell = try await context.run(isMagic ? code : "kept = 5\nprint('partial')\n" + code, timeout: 800)
                if !isMagic { #expect(cell.stdout.hasPrefix("partial\n"), "\(cell)") }
                #expect(cell.reason == "timeout", "\(cell)")
                #expect(cell.context == "kept", "\(cell)")
                // A command of the shell ends as it does when its own terminal interrupts it.
                #expect(code.hasPrefix("!") || cell.errorName != nil, "\(cell)")
                #expect(cell.errorName != "ContextLost", "\(cell)")
                #expect(try await context.run("kept").text == "5")
            }
        }

        @Test(
            "code that goes on after its interrupt is killed after the grace, and the stream says that the state is lost"
        )
        func stubbornTimeOut() async throws {
            try await TestServer.current.withContext { context in
                let start = ContinuousClock.now
                let cell = try await context.run(Self.stubborn, timeout: 500)
                #expect(ContinuousClock.now - start > .seconds(2), "the grace was given")
                #expect(cell.stdout == "on\n")
                #expect(cell.context == "lost", "\(cell)")
                #expect(["timeout", "unresponsive"].contains(cell.reason ?? "none"), "\(cell)")
                #expect(cell.ending?["stopped_by"] == nil || cell.ending?["stopped_by"] == "timeout", "\(cell)")
                #expect(cell.errorName == "ContextLost", "\(cell)")
                try await NotebookAPI.expectAnswering(context, fresh: true)
                #expect(try await context.run("'x' in globals()").text == "False")
            }
        }

        @Test(
            "C code that sees no signal is killed after the grace",
            arguments: [
                "sum(range(10 ** 12))",
                "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
                "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
                "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
                "import ctypes\nctypes.CDLL(None).pause() if False else None\nimport signal\nsignal.signal(signal.SIGINT, lambda *_: None)\nimport time\nwhile True: time.sleep(1)",
            ]
        )
        func deafCode(code: String) async throws {
            try await TestServer.current.withContext { context in
                let cell = try await context.run(code, timeout: 500)
                #expect(cell.context == "lost", "\(cell)")
                #expect(["timeout", "unresponsive"].contains(cell.reason ?? "none"), "\(cell)")
                try await NotebookAPI.expectAnswering(context, fresh: true)
            }
        }

        @Test("the processes of a cell that was stopped are gone, also those that left its session")
        func processesGone() async throws {
            try await TestServer.current.withContext { context in
                let marker = "15.\(UInt32.random(in: 1_000_000...UInt32.max))"
                let cell = try await context.run(
                    "import subprocess\nsubprocess.Popen(['sh', '-c', 'trap \"\" INT TERM; setsid sleep \(marker) & wait'])\n"
                        + Self.stubborn,
                    timeout: 500
                )
                #expect(cell.context == "lost", "\(cell)")
                try await NotebookAPI.expectAnswering(context, fresh: true)
                await withKnownIssue("processes outside of the interpreter's session outlive it") {
                    let isGone = await eventually(within: .seconds(3)) {
                        ProcessTree.commandLines.allSatisfy { !$0.contains(marker) }
                    }
                    #expect(isGone, "a process of the lost interpreter still runs")
                }
            }
        }

        @Test("a cell that ends by itself in time has nothing to say of it")
        func inTime() async throws {
            let cell = try await NotebookAPI.run("1", timeout: 60_000)
            #expect(cell.types == ["number_of_executions", "result", "end_of_execution"])
        }

        @Test(
            "the interrupt route stops the cell, and the stream says so",
            arguments: [
                "import time\ntime.sleep(50)", "while True: pass", "!sleep 50",
                "import asyncio\nawait asyncio.sleep(50)",
            ]
        )
        func interrupt(code: String) async throws {
            try await TestServer.current.withContext { context in
                var lines = try await context.lines("kept = 6\nprint('on')\n" + code).makeAsyncIterator()
                _ = try await lines.next { $0["type"] == "stdout" }
                let answer = try await context.interrupt()
                #expect(answer.status == 200 && answer.text == "null", "\(answer.status) \(answer.text)")
                let ending = try await lines.next { $0["type"] == "ending" }
                #expect(ending["reason"] == "interrupt" && ending["context"] == "kept", "\(ending)")
                #expect(try await lines.next()?.json == ["type": "end_of_execution"])
                #expect(try await context.run("kept").text == "6")
            }
        }

        @Test("an interrupted cell that goes on is killed after the grace")
        func stubbornInterrupt() async throws {
            try await TestServer.current.withContext { context in
                var lines = try await context.lines(Self.stubborn).makeAsyncIterator()
                _ = try await lines.next { $0["type"] == "stdout" }
                #expect(try await context.interrupt().status == 200)
                let error = try await lines.next { $0["type"] == "error" }
                #expect(error["name"] == "ContextLost", "\(error)")
                let ending = try await lines.next { $0["type"] == "ending" }
                #expect(ending["context"] == "lost", "\(ending)")
                try await NotebookAPI.expectAnswering(context, fresh: true)
            }
        }

        @Test("an interrupt while nothing runs harms nothing, now and later")
        func idleInterrupt() async throws {
            try await TestServer.current.withContext { context in
                _ = try await context.run("kept = 7\nimport time")
                for _ in 0..<5 { #expect(try await context.interrupt().status == 200) }
                let cell = try await context.run("time.sleep(0.3)\nkept")
                #expect(cell.text == "7" && cell.error == nil && cell.ending == nil, "\(cell)")
            }
        }

        @Test("an interrupt stops the cell that runs, not the one behind it")
        func interruptWithQueue() async throws {
            try await TestServer.current.withContext { context in
                var lines = try await context.lines("import time\nprint('on')\ntime.sleep(50)").makeAsyncIterator()
                _ = try await lines.next { $0["type"] == "stdout" }
                async let next = context.run("time.sleep(0.2)\n'next'")
                for _ in 0..<3 { _ = try await context.server.get("/health") }
                #expect(try await context.interrupt().status == 200)
                #expect(try await lines.next { $0["type"] == "ending" }["reason"] == "interrupt")
                let cell = try await next
                #expect(cell.text == "next" && cell.ending == nil, "\(cell)")
            }
        }

        @Test(
            "a client that leaves interrupts its cell within a second, and the next request works",
            arguments: [
                "import time\ntime.sleep(50)", "while True: pass", "!sleep 50", "while True: print('x' * 1000)",
                "import asyncio\nawait asyncio.sleep(50)",
            ]
        )
        func disconnect(code: String) async throws {
            try await TestServer.current.withContext { context in
                let connection = try await context.start("kept = 8\nprint('on')\n" + code, until: "\"on")
                await connection.close()
                let start = ContinuousClock.now
                let next = try await context.run("kept")
                withKnownIssue("a command that starts at that moment misses its interrupt", isIntermittent: true) {
                    #expect(next.text == "8", "\(next)")
                    #expect(ContinuousClock.now - start < .seconds(10))
                } when: {
                    code.hasPrefix("!")
                }
                if code.hasPrefix("!") { return }
                // One second by the contract; the rest is for a machine that does other things too.
                #expect(ContinuousClock.now - start < .seconds(10))
            }
        }

        @Test("a client that leaves a cell which goes on loses its state, and the next request works")
        func stubbornDisconnect() async throws {
            try await TestServer.current.withContext { context in
                let connection = try await context.start(Self.stubborn, until: "\"on")
                await connection.close()
                try await NotebookAPI.expectAnswering(context, fresh: true)
            }
        }

        @Test("thirty clients leave in every moment of their cells, and the context answers")
        func manyDisconnects() async throws {
            try await TestServer.current.withContext { context in
                _ = try await context.run("kept = 9\nimport time")
                for round in 0..<30 {
                    let connection = try await context.start(
                        "time.sleep(0.0\(round % 10)5)\nprint('x')",
                        until: "",
                        isReading: true
                    )
                    if round % 3 == 0 { _ = await connection.receive { $0.contains("number_of") } }
                    await connection.close()
                }
                #expect(try await context.run("kept").text == "9")
            }
        }
    }
}
