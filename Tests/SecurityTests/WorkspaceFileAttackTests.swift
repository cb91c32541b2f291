import Glibc
import TestSupport
import Testing

/// A tenant whose own processes change the workspace while its own requests name paths in it: nothing but the workspace may come of it.
@Suite(
    "Attacks on workspace files",
    .server(
        [
            "AUTH_MODE": "token", "POOL_SIZE_NOTEBOOK": "2",
            "API_KEYS": "mallory:mallory-0123456789abcdef,victim:victim-0123456789abcdef",
        ],
        checksForLeaks: false
    ),
    .serialized
)
struct WorkspaceFileAttackTests {
    private static let secret = "SECRET-OUTSIDE"

    private let mallory: KeyHolder
    private let victim: KeyHolder

    init() throws { (mallory, victim) = try KeyHolder.two("mallory", "victim") }

    /// A folder of the host that the server's user may read and change, so that only the server's care keeps it as it is.
    private struct Canary {
        let folder: TemporaryFolder

        init() throws {
            folder = try TemporaryFolder("canary")
            try folder.file("canary", WorkspaceFileAttackTests.secret.utf8)
            _ = try folder.folder("sub", mode: 0o777)
            try folder.file("sub/canary", WorkspaceFileAttackTests.secret.utf8)
            chmod("\(folder.path)/canary", 0o666)
            chmod("\(folder.path)/sub/canary", 0o666)
            chmod(folder.path, 0o777)
        }

        /// Every name in it with what it holds.
        var state: [String: String] {
            var found: [String: String] = [:]
            for path in ["", "/sub"] {
                for name in Host.directory(folder.path + path) {
                    found["\(path)/\(name)"] = Host.text("\(folder.path)\(path)/\(name)") ?? "folder"
                }
            }
            return found
        }

        static let untouched = [
            "/canary": WorkspaceFileAttackTests.secret, "/sub": "folder",
            "/sub/canary": WorkspaceFileAttackTests.secret,
        ]
    }

    /// What came of many requests of one kind.
    private struct Tally: CustomStringConvertible {
        var statuses: [Int: Int] = [:]
        var breaches: [String] = []

        mutating func take(_ answer: HTTPAnswer, _ what: String, isInside: Bool) {
            statuses[answer.status, default: 0] += 1
            let isLeak = answer.text.contains(WorkspaceFileAttackTests.secret) || answer.text.contains("root:x:")
            if isLeak || (answer.status < 300 && !isInside) {
                breaches.append("\(what): \(answer.status) \(answer.text.prefix(200))")
            }
        }

        func merged(_ other: Tally) -> Tally {
            Tally(statuses: statuses.merging(other.statuses, uniquingKeysWith: +), breaches: breaches + other.breaches)
        }

        var description: String { "\(statuses.sorted { $0.key < $1.key }) \(breaches.prefix(5))" }
    }

    private static let names: Set<String> = ["d", "f", "link", "flink", "sub", "canary", "planted", "new"]
    private static let files = [
        "d/canary", "d/sub/canary", "link/canary", "f", "flink", "d/etc/passwd", "d/passwd", "d/sub/passwd",
        "link/etc/passwd", "d/environ",
    ]

    private func read(until end: ContinuousClock.Instant) async throws -> Tally {
        var tally = Tally()
        while ContinuousClock.now < end {
            for path in Self.files {
                let answer = try await mallory.get("/files/race/\(path)")
                tally.take(answer, "GET \(path)", isInside: ["", "inside", "planted"].contains(answer.text))
            }
        }
        return tally
    }

    private func list(until end: ContinuousClock.Instant) async throws -> Tally {
        var tally = Tally()
        while ContinuousClock.now < end {
            for path in ["d", "link", "d/sub", "d/..", "link/sub"] {
                let answer = try await mallory.get("/files?path=race/\(path)")
                let found = answer.status == 200 ? try answer.json["entries"]?.array ?? [] : []
                // A write that replaces something gives its file another name for a moment.
                let names = Set(found.compactMap { $0["name"]?.string }.filter { !$0.hasPrefix(".code-interpreter-") })
                // Some of the links lead up, but not out: to the workspace's root.
                tally.take(answer, "list \(path)", isInside: names.isSubset(of: Self.names.union(["race", "race.py"])))
            }
        }
        return tally
    }

    private func write(until end: ContinuousClock.Instant) async throws -> Tally {
        var tally = Tally()
        while ContinuousClock.now < end {
            for path in ["d/planted", "d/canary", "d/sub/planted", "link/planted", "f", "flink", "d/new/planted"] {
                tally.take(try await mallory.put("/files/race/\(path)", "planted".utf8), "PUT \(path)", isInside: true)
            }
        }
        return tally
    }

    private func delete(until end: ContinuousClock.Instant) async throws -> Tally {
        var tally = Tally()
        while ContinuousClock.now < end {
            for path in ["d/canary", "d/sub", "link/canary", "link/sub", "d/planted", "f", "flink", "d/new", "d"] {
                tally.take(try await mallory.delete("/files/race/\(path)"), "DELETE \(path)", isInside: true)
            }
        }
        return tally
    }

    /// Starts the race in a process of the tenant's default context.
    private func startRace(_ canary: Canary, seconds: Double) async throws {
        let server = try TestServer.current
        let source = Installation.parent(of: #filePath) + "/workspace_race.py"
        let script = try #require(Host.text(source), "\(source)")
        #expect([200, 201].contains(try await mallory.put("/files/race.py", script.utf8).status))
        let cell = try await mallory.cell(
            """
            import subprocess, sys
            racer = subprocess.Popen([sys.executable, 'race.py', 'race', '\(canary.folder.path)', '\(seconds)'],
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            """
        )
        #expect(cell.error == nil, "\(cell) \(server.logTail)")
        #expect(try await eventually { try await mallory.names().contains("race") })
    }

    @Test("while names are exchanged, no byte from outside is read and nothing outside changes")
    func race() async throws {
        let server = try TestServer.current
        let canary = try Canary()
        defer { canary.folder.remove() }
        #expect(canary.state == Canary.untouched)
        #expect(try await victim.put("/files/sub/canary", Self.secret.utf8).status == 201)
        #expect(try await victim.put("/files/canary", Self.secret.utf8).status == 201)
        try await startRace(canary, seconds: 8)
        let descriptors = Host.directory("/proc/\(server.process.pid)/fd").count
        let end = ContinuousClock.now + .seconds(5)
        async let reads = read(until: end)
        async let moreReads = read(until: end)
        async let lists = list(until: end)
        async let writes = write(until: end)
        let deletes = try await delete(until: end)
        let tallies = [
            ("GET", try await reads.merged(try await moreReads)), ("list", try await lists), ("PUT", try await writes),
            ("DELETE", deletes),
        ]
        for (what, tally) in tallies {
            #expect(tally.breaches == [], "\(what)")
            let unexpected = tally.statuses.keys.filter { ![200, 201, 204, 400, 404, 409].contains($0) }
            #expect(unexpected == [], "\(what) \(tally)")
            let done = tally.statuses.filter { $0.key < 300 }.values.reduce(0, +)
            let refused = tally.statuses.filter { $0.key >= 400 }.values.reduce(0, +)
            #expect(done > 20 && refused > 20, "there was no race: \(what) \(tally)")
        }
        #expect(canary.state == Canary.untouched)
        #expect(try await victim.names() == ["sub", "canary"])
        #expect(try await victim.get("/files/sub/canary").text == Self.secret)
        #expect(try await victim.get("/files/canary").text == Self.secret)
        let racer = try await mallory.cell("racer.communicate()[0]")
        #expect(racer.text?.hasPrefix("True") == true, "\(racer)")
        #expect(
            // Some belong to sandboxes of the pool, which come and go; a leak would be one for each of hundreds of operations.
            await eventually { Host.directory("/proc/\(server.process.pid)/fd").count <= descriptors + 64 },
            "descriptors are left"
        )
        #expect(try await mallory.delete("/files/race").status == 204)
    }

    @Test(
        "a link to anything outside gives nothing, and writing and deleting do not follow it",
        arguments: [
            "CANARY/canary", "/etc/passwd", "/proc/self/environ", "/proc/self/root/etc/passwd", "/proc/1/environ",
            "/dev/zero", "/dev/null", "/proc/self/fd/5", "/proc/self/fd/9", "/proc/self/mem", "../../../etc/passwd",
            "../../../../../../../..CANARY/canary", "/home/user2/x", "/tmp/x",
        ]
    )
    func link(target: String) async throws {
        let canary = try Canary()
        defer { canary.folder.remove() }
        let path = target.replacing("CANARY", with: canary.folder.path)
        let cell = try await mallory.cell(
            "import os\nos.makedirs('links', exist_ok=True)\nos.symlink('\(path)', 'links/file'); os.symlink(os.path.dirname('\(path)'), 'links/dir')"
        )
        #expect(cell.error == nil, "\(cell)")
        let name = path.split(separator: "/").last ?? ""
        for request in ["links/file", "links/dir/\(name)"] {
            for method in ["GET", "HEAD"] {
                let answer = try await mallory.send(method, "/files/\(request)")
                #expect([400, 404].contains(answer.status), "\(method) \(request): \(answer.status)")
                #expect(!answer.text.contains(Self.secret))
            }
        }
        #expect([400, 404].contains(try await mallory.get("/files?path=links/dir").status))
        #expect([400, 404].contains(try await mallory.put("/files/links/dir/\(name)", "x".utf8).status))
        #expect([400, 404].contains(try await mallory.put("/files/links/dir/new/file", "x".utf8).status))
        #expect([400, 404].contains(try await mallory.delete("/files/links/dir/\(name)").status))
        #expect([200, 201, 400].contains(try await mallory.put("/files/links/file", "mine".utf8).status))
        #expect(try await mallory.delete("/files/links").status == 204)
        #expect(canary.state == Canary.untouched)
    }

    @Test("a hard link is no way to a file outside, and an overwritten name leaves its siblings alone")
    func hardLinks() async throws {
        let cell = try await mallory.cell(
            """
            import os
            os.makedirs('hard', exist_ok=True)
            refused = 0
            for source in '/etc/passwd', '/proc/self/environ', '/dev/null', '/tmp/outside', '/dev/shm/outside':
                if source.endswith('outside'): open(source, 'w').write('not in the workspace')
                try: os.link(source, 'hard/' + os.path.basename(source))
                except OSError: refused += 1
            open('hard/one', 'w').write('old'); os.link('hard/one', 'hard/two')
            refused, sorted(os.listdir('hard'))
            """
        )
        #expect(cell.text == "(5, ['one', 'two'])", "\(cell)")
        #expect(try await mallory.put("/files/hard/one", "new".utf8).status == 200)
        #expect(try await mallory.get("/files/hard/one").text == "new")
        #expect(try await mallory.get("/files/hard/two").text == "old")
        #expect(try await mallory.delete("/files/hard/one").status == 204)
        #expect(try await mallory.get("/files/hard/two").text == "old")
        #expect(try await mallory.delete("/files/hard").status == 204)
    }

    @Test("devices cannot be made, and a pipe, a socket or a closed folder holds up nothing")
    func specialFiles() async throws {
        let cell = try await mallory.cell(
            """
            import os, socket, stat
            os.makedirs('special/closed', exist_ok=True)
            refused = 0
            for name, kind, device in ('zero', stat.S_IFCHR, (1, 5)), ('disk', stat.S_IFBLK, (8, 0)):
                try: os.mknod('special/' + name, kind | 0o666, os.makedev(*device))
                except OSError: refused += 1
            os.mkfifo('special/pipe'); os.mkfifo('special/closed/pipe')
            listener = socket.socket(socket.AF_UNIX); listener.bind('special/socket'); listener.listen()
            os.symlink('pipe', 'special/link'); os.chmod('special/closed', 0)
            refused
            """
        )
        #expect(cell.text == "2", "\(cell)")
        for name in ["pipe", "socket", "link", "pipe/x", "socket/x"] {
            for method in ["GET", "HEAD", "PUT"] where method != "PUT" || name.hasSuffix("/x") {
                let answer = try await withDeadline(.seconds(5), "\(method) \(name)") {
                    try await mallory.send(method, "/files/special/\(name)", body: method == "PUT" ? [1] : nil)
                }
                #expect(answer.status == 400, "\(method) \(name): \(answer.status) \(answer.text)")
            }
        }
        // Many at once: were each to hold a thread of the server, others would wait.
        let answers = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<64 { group.addTask { try await mallory.get("/files/special/pipe").status } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers == Array(repeating: 400, count: 64))
        #expect(try await victim.cell("6 * 7").text == "42")
        #expect(try await mallory.delete("/files/special").status == 204)
        #expect(try await !mallory.names().contains("special"))
    }
}
