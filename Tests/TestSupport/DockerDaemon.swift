import Glibc
import Synchronization

/// A Docker daemon for tests: `dockerd` as root, with folders and a socket of its own and without networks.
package final class DockerDaemon: Sendable {
    /// As `DOCKER_HOST` has it.
    package let host: String

    /// Nil for a daemon that somebody else started.
    private let own: Own?
    private let tinyImageTask = Mutex<Task<Void, any Error>?>(nil)

    /// The daemon that all suites of a run share; the first who asks starts it. It is stopped when the tests end.
    ///
    /// Where `CODE_INTERPRETER_TEST_DOCKER_HOST` names a running one, that is used and left as it is.
    package static var shared: DockerDaemon {
        get async throws { try await sharedStart.value }
    }

    /// Waited for by everybody who asks for ``shared``; nobody cancels it.
    private static let sharedStart = Task {
        if let runningHost { return DockerDaemon(host: runningHost, own: nil) }
        return try await DockerDaemon.start()
    }

    /// Starts a daemon that only the caller uses, who must ``stop()`` it.
    package static func start() async throws -> DockerDaemon {
        guard let program else { throw DockerDaemonError(text: "there is no dockerd") }
        let folder = try TemporaryFolder("test", prefix: "dockerd")
        let own = Own(program: program, folder: folder)
        Own.remember(own)
        let daemon = DockerDaemon(host: "unix://\(own.socket)", own: own)
        do {
            try await daemon.launch()
        } catch {
            await daemon.stop()
            throw error
        }
        return daemon
    }

    /// Ends a daemon of our own as SIGTERM does, which ends its containers, and removes all that is its.
    package func stop() async {
        guard let own else { return }
        await own.end(SIGTERM)
        own.clear()
    }

    /// Ends the daemon and starts it again over the same folders.
    package func restart() async throws {
        guard let own else { throw DockerDaemonError(text: "a daemon that others started is not ours to restart") }
        await own.end(SIGTERM)
        try await launch()
    }

    /// What the daemon printed last, for the message of a test.
    package var logTail: String {
        (own.flatMap { Host.text($0.log) } ?? "").split(separator: "\n").suffix(20).joined(separator: "\n")
    }

    /// Where dockerd is, nil where it is not.
    package static let program: String? = ["/usr/sbin/dockerd", "/usr/bin/dockerd", "/usr/local/bin/dockerd"]
        .first { (path: String) in access(path, X_OK) == 0 }

    /// A daemon that runs already and that tests shall use.
    package static let runningHost = Host.environment("CODE_INTERPRETER_TEST_DOCKER_HOST")
        .flatMap { $0.isEmpty ? nil : $0 }

    private init(host: String, own: Own?) {
        self.host = host
        self.own = own
    }

    /// Starts the process and waits until it answers.
    private func launch() async throws {
        guard let own else { return }
        try own.launch()
        let isThere = await eventually(within: .seconds(60), every: .milliseconds(50)) {
            if own.hasEnded { return true }
            return (try? await send("GET", "/_ping", deadline: .seconds(5)).status) == 200
        }
        if !isThere || own.hasEnded { throw DockerDaemonError(text: "dockerd does not answer\n\(logTail)") }
    }

    // MARK: Asking it

    /// Sends a request over the socket. `path` is everything after the host.
    package func send(
        _ method: String,
        _ path: String,
        body: [UInt8]? = nil,
        deadline: Duration = .seconds(60)
    ) async throws -> HTTPAnswer {
        let headers = [("Host", "docker")] + (body == nil ? [] : [("Content-Type", "application/x-tar")])
        return try await HTTP.send(method, url + path, headers: headers, body: body, deadline: deadline)
    }

    private var url: String {
        guard host.hasPrefix("unix://") else {
            return "http://" + (host.split(separator: "/").last.map(String.init) ?? "")
        }
        let encoded = host.dropFirst("unix://".count).utf8.map { byte in
            let isPlain = (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            return isPlain ? String(Unicode.Scalar(byte)) : (byte < 16 ? "%0" : "%") + String(byte, radix: 16)
        }
        return "http+unix://\(encoded.joined())"
    }

    /// Makes the image `name` ("name:tag") of a tar archive, as `docker import` does; `changes` are lines of a Dockerfile, such as
    /// `LABEL a=b`.
    package func importImage(_ name: String, archive: [UInt8], changes: [String] = []) async throws {
        let parts = name.split(separator: ":", maxSplits: 1)
        let options = changes.map { "&changes=" + $0.replacing(" ", with: "%20").replacing("=", with: "%3D") }.joined()
        let query = "fromSrc=-&repo=\(parts[0])&tag=\(parts.count > 1 ? parts[1] : "latest")\(options)"
        let answer = try await send("POST", "/images/create?\(query)", body: archive)
        guard answer.status == 200, !answer.text.contains("\"error\"") else {
            throw DockerDaemonError(text: "no image \(name): \(answer.text)")
        }
    }

    /// Makes ``tinyImage`` unless the daemon has it; once, however many ask.
    package func makeTinyImage() async throws {
        let task = tinyImageTask.withLock { task in
            // Waited for by everybody who asks; nobody cancels it.
            let making = task ?? Task { try await self.importTinyImage() }
            task = making
            return making
        }
        try await task.value
    }

    private func importTinyImage() async throws {
        if try await send("GET", "/images/\(Self.tinyImage)/json").status == 200 { return }
        try await importImage(Self.tinyImage, archive: TarArchive.ofHostPrograms(), changes: ["LABEL tests=tiny"])
    }

    /// A shell and some programs of this machine, a few megabytes.
    package static let tinyImage = "code-interpreter-tests:tiny"
}

/// A daemon that did not do what a test's own machinery needs.
package struct DockerDaemonError: Error, CustomStringConvertible {
    var text: String

    package var description: String { text }
}

/// The process and the folders of a daemon.
private final class Own: Sendable {
    private let program: String
    private let folder: TemporaryFolder
    private let process = Mutex<ChildProcess?>(nil)

    var socket: String { "\(folder.path)/docker.sock" }
    var log: String { "\(folder.path)/log" }

    init(program: String, folder: TemporaryFolder) {
        self.program = program
        self.folder = folder
    }

    /// Daemons that were not stopped, so that none outlives the tests.
    private static let unfinished: Mutex<[Own]> = {
        atexit {
            for own in Own.unfinished.withLock({ $0 }) { own.endAtExit() }
        }
        return Mutex([])
    }()

    static func remember(_ own: Own) {
        unfinished.withLock { $0.append(own) }
    }

    func launch() throws {
        // The machine's own configuration is not for tests.
        let configuration = try folder.file("daemon.json", "{}".utf8)
        let path = Host.environment("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin"
        let child = try ChildProcess(
            [
                program, "--data-root", "\(folder.path)/data", "--exec-root", "\(folder.path)/exec", "--pidfile",
                "\(folder.path)/pid", "--host", "unix://\(socket)", "--bridge=none", "--iptables=false",
                "--ip-masq=false", "--config-file", configuration,
            ],
            environment: ["PATH": path, "HOME": folder.path],
            output: log,
            error: log
        )
        process.withLock { $0 = child }
    }

    var hasEnded: Bool { process.withLock { $0 }?.endingSoFar != nil }

    func end(_ signal: Int32) async {
        guard let child = process.withLock({ $0 }) else { return }
        child.signal(signal)
        if await eventually(within: .seconds(30), { child.endingSoFar != nil }) { return }
        child.signal(SIGKILL)
        _ = await child.ending()
    }

    /// Removes what the daemon leaves: mounts below its folders, its containerd where it was killed, the folders.
    func clear() {
        if let pid = Host.text("\(folder.path)/exec/containerd/containerd.pid").flatMap({ pid_t($0.trimmedWord) }),
            Host.link("/proc/\(pid)/exe")?.contains("containerd") == true
        {
            kill(pid, SIGKILL)
        }
        let mounts = (Host.text("/proc/self/mounts") ?? "").split(separator: "\n").compactMap { line in
            line.split(separator: " ").dropFirst().first.map(String.init)
        }
        for path in mounts.reversed() where path.hasPrefix(folder.path + "/") { umount2(path, Int32(MNT_DETACH)) }
        folder.remove()
        Self.unfinished.withLock { $0.removeAll { $0 === self } }
    }

    /// As ``end(_:)`` and ``clear()``, where nothing asynchronous runs any more.
    private func endAtExit() {
        if let child = process.withLock({ $0 }) {
            for signal in [SIGTERM, SIGKILL] where child.endingSoFar == nil {
                child.signal(signal)
                for _ in 0..<300 where child.endingSoFar == nil { usleep(50_000) }
            }
        }
        clear()
    }
}

extension String {
    /// Without the end of its line.
    fileprivate var trimmedWord: Substring { prefix { !$0.isWhitespace } }
}
