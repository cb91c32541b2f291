package import Glibc
import Testing

/// A real `code-interpreter serve` with settings, a port and a storage folder of its own.
package final class TestServer: Sendable {
    /// Who runs the server.
    package enum Account: Sendable {
        /// The user of the tests; root gives up its rights by itself.
        case same
        /// An ordinary user without entries in /etc/passwd and /etc/subuid.
        case ordinary
    }

    /// The server of the suite that runs; see ``ServerScope``.
    @TaskLocal package static var shared: TestServer?

    /// The user and group number of ``Account/ordinary``.
    package static let ordinaryUser: uid_t = 61001

    package let port: Int
    package let process: ChildProcess
    package let folder: TemporaryFolder
    package let settings: [String: String]
    package let account: Account

    /// Bounds the executions that tests of one suite have under way at a time.
    let turnstile = Turnstile(places: 6)

    package var url: String { "http://127.0.0.1:\(port)" }
    package var storage: String { "\(folder.path)/storage" }
    package var logPath: String { "\(folder.path)/server.log" }

    private init(
        port: Int,
        process: ChildProcess,
        folder: TemporaryFolder,
        settings: [String: String],
        account: Account
    ) {
        self.port = port
        self.process = process
        self.folder = folder
        self.settings = settings
        self.account = account
    }

    /// Settings a test does not care about: small pools, so that a server starts in a moment.
    package static let defaults = [
        "HOST": "127.0.0.1", "POOL_SIZE_BARE": "4", "POOL_SIZE_FULL": "3", "MAX_CONCURRENT_EXECUTIONS": "8",
        "CPU_TIME_LIMIT_SEC": "30", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
    ]

    /// Starts a server and waits until it is ready.
    ///
    /// The settings are environment variables beside and above ``defaults``; `folder` is where an earlier server left its files, nil
    /// makes a new one; `prefix` is a command that ends by executing its arguments, such as `unshare -m`. A server that does not
    /// become ready is a ``StartFailure`` with the log.
    package static func start(
        _ settings: [String: String] = [:],
        as account: Account = .same,
        in folder: TemporaryFolder? = nil,
        prefix: [String] = []
    ) async throws -> TestServer {
        let server = try launch(settings, as: account, in: folder, prefix: prefix)
        let deadline = ContinuousClock.now + .seconds(90)
        while ContinuousClock.now < deadline {
            if let ending = server.process.endingSoFar {
                throw server.startFailure("it \(ending)", isNew: folder == nil)
            }
            // Refused connections are how a server looks that does not listen yet. /ready may want a key.
            if let answer = try? await HTTP.send("GET", server.url + "/health", deadline: .seconds(5)),
                try answer.json["status"] == "ok"
            {
                return server
            }
            try await Task.sleep(for: .milliseconds(25))
        }
        server.process.signal(SIGKILL)
        _ = await server.process.ending()
        throw server.startFailure("it was not ready in time", isNew: folder == nil)
    }

    /// Takes the log and removes the folder, unless it is an earlier server's.
    private func startFailure(_ reason: String, isNew: Bool) -> StartFailure {
        defer { if isNew { folder.remove() } }
        return StartFailure(reason: reason, log: log)
    }

    /// Starts a server without waiting for anything.
    package static func launch(
        _ settings: [String: String] = [:],
        as account: Account = .same,
        in folder: TemporaryFolder? = nil,
        prefix: [String] = []
    ) throws -> TestServer {
        let port = try freePort()
        let place = try folder ?? prepared(TemporaryFolder("server"), for: account)
        var environment = defaults
        environment["PORT"] = "\(port)"
        environment["FILE_STORAGE_DIR"] = "\(place.path)/storage"
        environment["TMPDIR"] = "\(place.path)/tmp"
        environment["HOME"] = place.path
        environment["PYTHON_ENVIRONMENT"] = Installation.pythonEnvironment
        environment.merge(TestBackend.current.settings) { _, new in new }
        environment.merge(settings) { _, new in new }
        let process = try ChildProcess(
            prefix + account.prefix + [Installation.program, "serve"],
            environment: environment,
            output: "\(place.path)/server.log",
            error: "\(place.path)/server.log"
        )
        return TestServer(port: port, process: process, folder: place, settings: environment, account: account)
    }

    /// Asks the server to end, waits for that, and removes its folder.
    package func stop(keepingFolder: Bool = false) async {
        process.signal(SIGTERM)
        if !(await eventually(within: .seconds(30), { process.endingSoFar != nil })) {
            Issue.record("The server did not end within 30 s of SIGTERM.\n\(logTail)")
            process.signal(SIGKILL)
        }
        _ = await process.ending()
        if !keepingFolder { folder.remove() }
    }

    /// Everything the server wrote to its standard output and error.
    package var log: String { Host.text(logPath) ?? "" }

    /// The end of ``log``, for messages of failing tests.
    package var logTail: String {
        "--- log of the server ---\n" + log.split(separator: "\n").suffix(40).joined(separator: "\n")
    }

    /// A port nobody listens on at this moment.
    package static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemCallError(call: "socket", object: "", errno: errno) }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        // Safety: both calls get the address and its true size, and do not keep the pointer.
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer -> Int32 in
                bind(descriptor, pointer, length) == 0 ? getsockname(descriptor, pointer, &length) : -1
            }
        }
        guard code == 0 else { throw SystemCallError(call: "bind", object: "127.0.0.1", errno: errno) }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private static func prepared(_ folder: TemporaryFolder, for account: Account) throws -> TemporaryFolder {
        _ = try folder.folder("tmp", mode: 0o1777)
        if case .ordinary = account { folder.give(to: ordinaryUser) }
        return folder
    }

    /// A server that ended or did not become ready.
    package struct StartFailure: Error, CustomStringConvertible {
        package var reason: String
        package var log: String

        package var description: String { "The server did not start: \(reason).\n\(log)" }
    }
}

extension TestServer.Account {
    fileprivate var prefix: [String] {
        switch self {
        case .same: []
        case .ordinary:
            [
                "/usr/bin/setpriv", "--reuid=\(TestServer.ordinaryUser)", "--regid=\(TestServer.ordinaryUser)",
                "--clear-groups",
            ]
        }
    }
}
