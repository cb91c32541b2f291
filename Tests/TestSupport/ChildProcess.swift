package import Glibc
import Synchronization

/// A program that a test started, waited for on a thread of its own.
package final class ChildProcess: Sendable {
    /// How a program ended.
    package enum Ending: Equatable, Sendable {
        case exited(Int)
        case signalled(Int)
    }

    package let pid: pid_t

    private enum State {
        case running([CheckedContinuation<Ending, Never>])
        case ended(Ending)
    }

    private let state = Mutex<State>(.running([]))

    /// Processes that run, so that a test that fails half-way leaves none behind when the tests end.
    private static let unfinished: Mutex<Set<pid_t>> = {
        atexit { ChildProcess.unfinished.withLock { pids in pids.forEach { kill($0, SIGTERM) } } }
        return Mutex([])
    }()

    /// Starts `arguments[0]`, an absolute path, with nothing but `environment` and descriptors 0, 1 and 2.
    ///
    /// Standard output and error are appended to `output` and `error`, files that are made if missing; standard input is /dev/null.
    package init(_ arguments: [String], environment: [String: String], output: String, error: String) throws {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        let appending = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, appending, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, error, appending, 0o644)
        // Closing one that is gone by then is no error.
        for inherited in Host.directory("/proc/self/fd").compactMap({ Int32($0) }) where inherited > 2 {
            posix_spawn_file_actions_addclose(&actions, inherited)
        }
        // A process group of its own keeps a terminal's Control-C for the tests, which then stop their servers themselves.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))

        var argv = arguments.map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { (argv + envp).forEach { free($0) } }
        var child = pid_t()
        let code = posix_spawn(&child, arguments[0], &actions, &attributes, &argv, &envp)
        guard code == 0 else { throw SystemCallError(call: "posix_spawn", object: arguments[0], errno: code) }
        pid = child
        Self.unfinished.withLock { _ = $0.insert(child) }
        try waitOnThread()
    }

    /// Waits for the end; any number of tasks may.
    package func ending() async -> Ending {
        await withCheckedContinuation { continuation in
            let known: Ending? = state.withLock { state in
                switch state {
                case .ended(let ending):
                    return ending
                case .running(let waiting):
                    state = .running(waiting + [continuation])
                    return nil
                }
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    /// How it ended, nil while it runs.
    package var endingSoFar: Ending? {
        state.withLock { if case .ended(let ending) = $0 { ending } else { nil } }
    }

    /// Sends a signal, unless the process was already reaped and its number may be another's.
    package func signal(_ number: Int32) {
        state.withLock { if case .running = $0 { _ = kill(pid, number) } }
    }

    private func waitOnThread() throws {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(self).toOpaque()
        let code = pthread_create(
            &thread,
            nil,
            { box in box.flatMap { Unmanaged<ChildProcess>.fromOpaque($0).takeRetainedValue().wait() } },
            box
        )
        guard code == 0 else { throw SystemCallError(call: "pthread_create", object: "", errno: code) }
        pthread_detach(thread)
    }

    private func wait() -> UnsafeMutableRawPointer? {
        var information = siginfo_t()
        // The process stays a zombie until the state is ours, so that no signal can hit another process of the same number.
        while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
        let (waiting, ending) = state.withLock { state in
            var status: Int32 = 0
            Self.unfinished.withLock { _ = $0.remove(pid) }
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
            let signal = Int(status & 0x7F)
            let ending = signal == 0 ? Ending.exited(Int(status >> 8 & 0xFF)) : .signalled(signal)
            var waiting: [CheckedContinuation<Ending, Never>] = []
            if case .running(let tasks) = state { waiting = tasks }
            state = .ended(ending)
            return (waiting, ending)
        }
        waiting.forEach { $0.resume(returning: ending) }
        return nil
    }
}

/// A system call that failed in a test's own machinery.
package struct SystemCallError: Error, CustomStringConvertible {
    package var call: String
    package var object: String
    package var errno: Int32

    package init(call: String, object: String, errno: Int32) {
        self.call = call
        self.object = object
        self.errno = errno
    }

    package var description: String { "\(call)(\(object)): \(String(cString: strerror(errno)))" }
}
