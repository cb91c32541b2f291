import Synchronization
import TestSupport
import Testing

/// A tenant whose removals never end, beside one who wants to get on.
@Suite(
    "Removals that are drawn out",
    .server(
        [
            "MAX_CONCURRENT_EXECUTIONS": "1", "AUTH_MODE": "token", "POOL_SIZE_NOTEBOOK": "2",
            "API_KEYS": "mallory:mallory-0123456789abcdef,victim:victim-0123456789abcdef",
        ],
        checksForLeaks: false
    ),
    .serialized,
    .nativeOnly("about the server's own threads")
)
struct RemovalLoadTests {
    /// Makes directories in `d` as fast as two processes can, and `d` itself when it is gone.
    private static let makers = """
        import itertools, os
        os.fork()
        own = os.getpid()
        for number in itertools.count():
            try: os.mkdir(f'd/{own}-{number}')
            except FileNotFoundError:
                try: os.mkdir('d')
                except OSError: pass
            except OSError: pass
        """

    private final class Progress: Sendable {
        let givenUp = Atomic(0)
        let isOver = Atomic(false)
    }

    private let mallory: KeyHolder
    private let victim: KeyHolder

    init() throws { (mallory, victim) = try KeyHolder.two("mallory", "victim") }

    private func startMakers() async throws {
        #expect(try await mallory.put("/files/makers.py", Self.makers.utf8).status == 201)
        let cell = try await mallory.cell(
            """
            import os, signal, subprocess, sys
            os.makedirs('d', exist_ok=True)
            makers = subprocess.Popen([sys.executable, 'makers.py'], start_new_session=True)
            """
        )
        #expect(cell.error == nil, "\(cell)")
        #expect(try await eventually(within: .seconds(60)) { try await mallory.names(in: "d").count > 1000 })
    }

    @Test("other tenants' executions and files are answered while they go on")
    func othersGoOn() async throws {
        try await startMakers()
        let (mallory, victim) = (mallory, victim)
        let progress = Progress()
        try await withThrowingTaskGroup(of: Void.self) { group in
            // Many more than there are threads.
            for _ in 0..<16 {
                group.addTask {
                    // Where `d` was gone for a moment, it is there again in the next.
                    while !progress.isOver.load(ordering: .acquiring) {
                        let status = try await mallory.delete("/files/d").status
                        if status == 503 { progress.givenUp.wrappingAdd(1, ordering: .acquiringAndReleasing) }
                    }
                }
            }
            for number in 0..<5 {
                let answer = try await victim.post("/v1/execute", ["code": "print(6 * 7)", "timeout_ms": 30000])
                #expect(try answer.json["stdout"] == "42\n", "\(answer.status) \(answer.text)")
                #expect(try await victim.put("/files/\(number)", "mine".utf8).status == 201)
            }
            // In one queue with them, each of the five would have waited until every removal was given up once.
            let early = progress.givenUp.load(ordering: .acquiring)
            #expect(early < 48, "they waited for \(early) removals")
            progress.isOver.store(true, ordering: .releasing)
            try await group.waitForAll()
        }
        let last = try await mallory.cell("os.killpg(makers.pid, signal.SIGKILL)")
        #expect(last.error == nil, "\(last)")
        let isGone = try await eventually(within: .seconds(60)) {
            [204, 404].contains(try await mallory.delete("/files/d").status)
        }
        #expect(isGone, "nobody makes anything in it any more")
    }
}
