import CLinux
import Glibc
import GuestDriving

/// A running `sandbox-launcher`: the socket to it and a handle of the process.
struct LauncherProcess: Sendable {
    let socket: Descriptor
    let process: Descriptor

    /// What every launcher of this server is started with.
    struct Recipe: Sendable {
        var path: String
        var plan: Descriptor
        var filters: Descriptor
    }

    /// Starts one. It ends, with all it made, when the socket is closed.
    static func start(_ recipe: Recipe) throws(SystemError) -> LauncherProcess {
        let (own, theirs) = try Descriptor.messageSockets()
        let descriptors = [theirs.raw, recipe.plan.raw, recipe.filters.raw]
        let pid = try systemCall("posix_spawn", on: recipe.path) {
            // The numbers ci_spawn gives them.
            withStrings([recipe.path, "3", "4", "5"]) { arguments in
                withStrings(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]) { environment in
                    ci_spawn(recipe.path, arguments, environment, STDERR_FILENO, descriptors, Int32(descriptors.count))
                }
            }
        }
        // It cannot be reaped before this: only its pidfd is ever waited for.
        let process = Descriptor(owning: try systemCall("pidfd_open") { ci_pidfd_open(pid) })
        return LauncherProcess(socket: own, process: process)
    }

    /// Waits for the end of a launcher whose socket is closed; kills it after `patience` milliseconds. Nil when it
    /// cannot be waited for.
    func end(patience: Int32) -> ExitStatus? {
        shutdown(socket.raw, Int32(SHUT_RDWR))
        if let status = reap(patience) { return status }
        // The kill takes all with it: the launcher is the first process of its namespace.
        ci_pidfd_signal(process.raw, SIGKILL)
        return reap(patience)
    }

    private func reap(_ milliseconds: Int32) -> ExitStatus? {
        var entry = pollfd(fd: process.raw, events: Int16(POLLIN), revents: 0)
        while poll(&entry, 1, milliseconds) < 0, errno == EINTR {}
        var status: Int32 = 0
        return ci_pidfd_reap(process.raw, &status) == 1 ? ExitStatus(status) : nil
    }
}

/// Gives `body` the texts as C wants them: pointers, and a null pointer at the end.
private func withStrings<Result>(
    _ texts: [String],
    _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) } + [nil]
    defer { pointers.forEach { free($0) } }
    // Safety: the pointers live until the end of this function, and `body` does not keep them.
    return pointers.withUnsafeMutableBufferPointer { buffer in
        guard let first = buffer.baseAddress else {
            preconditionFailure("an array of at least one pointer has an address")
        }
        return body(UnsafePointer(first))
    }
}
