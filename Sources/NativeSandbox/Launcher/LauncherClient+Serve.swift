import CLinux
import Glibc
import GuestDriving
import GuestProtocol
import LauncherProtocol
import Logging
import Synchronization

extension LauncherClient {
    /// How the launcher's thread came to its end.
    enum End: Error, Sendable, Equatable {
        /// ``stop()`` was called.
        case stopped
        /// The launcher ended and cannot be started again.
        case launcherGone(String)
    }

    /// Reads what the launcher says until ``stop()`` or the launcher is lost for good. Blocks its thread; call it once.
    ///
    /// On return the launcher is gone, everybody who waited for a sandbox got an error, and every sandbox is lost.
    func serve(mayRestart: @Sendable () -> Bool, ready: @Sendable () -> Void) -> End {
        var restarts = RestartBudget()
        while true {
            let reason = readUntilLost(ready)
            let (launcher, isStopping, defect) = core.withLock { core in
                defer { core.launcher = nil }
                return (core.launcher, core.isStopping, core.defect)
            }
            let status = launcher?.end(patience: 10_000)
            perform { core in
                core.unsent = []
                return core.state.launcherLost(reason)
            }
            if isStopping { return finish(.stopped) }
            let ending = status.map { "it ended with \($0)" } ?? "it does not end"
            if let defect { return finish(.launcherGone(defect)) }
            guard mayRestart() else {
                return finish(
                    .launcherGone("the launcher was lost (\(ending)), and root, which another needs, was given up")
                )
            }
            guard restarts.take(at: .now) else {
                return finish(.launcherGone("the launcher was lost again and again (\(ending))"))
            }
            logger.error("the launcher was lost and is started again", metadata: ["reason": "\(ending)"])
            if let error = restart() { return finish(.launcherGone("the launcher cannot be started: \(error)")) }
        }
    }

    /// Makes ``serve(mayRestart:ready:)`` return soon.
    func stop() {
        core.withLock { $0.isStopping = true }
        wakeUp.signal()
    }

    private func finish(_ end: End) -> End {
        perform { core in
            if case .launcherGone(let reason) = end { core.defect = reason }
            core.isStopping = true
            return core.state.stopped("the backend ended")
        }
        return end
    }

    private func restart() -> SystemError? {
        do {
            let launcher = try LauncherProcess.start(recipe)
            core.withLock { $0.launcher = launcher }
            return nil
        } catch {
            return error
        }
    }

    /// One turn for each thing that happens; gives why the launcher is of no use any longer.
    private func readUntilLost(_ ready: () -> Void) -> String {
        while true {
            guard let socket = core.withLock({ $0.isStopping ? nil : $0.launcher?.socket }) else { return "stopping" }
            let guests = wait(socket)
            wakeUp.clear()
            for id in guests { readGuest(id) }
            if let reason = readLauncher(socket, ready) { return reason }
            flush(socket)
            perform { $0.state.timePassed(to: .now) }
        }
    }

    /// Sleeps until the socket, a guest or somebody of the server has something; gives the guests that do.
    private func wait(_ socket: Descriptor) -> [UInt32] {
        let (guests, hasUnsent, deadline) = core.withLock { core in
            (
                core.sandboxes.compactMap { id, entry in entry.handover.map { (id, $0.channel) } },
                !core.unsent.isEmpty,
                core.state.nextDeadline
            )
        }
        let interest = Int16(POLLIN) | (hasUnsent ? Int16(POLLOUT) : 0)
        var entries = [
            pollfd(fd: wakeUp.raw, events: Int16(POLLIN), revents: 0),
            pollfd(fd: socket.raw, events: interest, revents: 0),
        ]
        entries += guests.map { pollfd(fd: $0.1.raw, events: Int16(POLLIN), revents: 0) }
        let timeout = deadline.map { Milliseconds.until($0) } ?? -1
        // Fails only when interrupted, and then nothing has happened.
        guard poll(&entries, nfds_t(entries.count), timeout) > 0 else { return [] }
        return zip(guests, entries[2...]).compactMap { $1.revents == 0 ? nil : $0.0 }
    }

    /// Takes every event that is there; gives why there will be no more.
    private func readLauncher(_ socket: Descriptor, _ ready: () -> Void) -> String? {
        while true {
            var event = ci_event()
            var descriptors = [Int32](repeating: -1, count: Int(CI_MAX_DESCRIPTORS))
            var count = Int32(descriptors.count)
            let size = ci_receive(socket.raw, &event, MemoryLayout<ci_event>.size, &descriptors, &count)
            if size < 0 {
                if errno == EAGAIN { return nil }
                if errno == EINTR { continue }
                return SystemError("recvmsg", code: errno).description
            }
            let handed = descriptors[..<Int(count)].map { Descriptor(owning: $0) }
            guard size == MemoryLayout<ci_event>.size else { return "the launcher closed its socket" }
            if let event = LauncherEvent(event) { take(event, handed, ready) }
            if let defect = core.withLock({ $0.defect }) { return defect }
        }
    }

    private func take(_ event: LauncherEvent, _ descriptors: [Descriptor], _ ready: () -> Void) {
        log(event)
        // What a guest said before it ended comes before its end.
        if case .exited(let id, _) = event { readGuest(id) }
        var isReady = false
        perform { core in
            var actions = core.state.received(event)
            if case .created(let id) = event, core.sandboxes[id]?.maker != nil {
                core.sandboxes[id]?.handover = Handover(descriptors, statistics: plan.statistics.count)
                if core.sandboxes[id]?.handover == nil { actions += core.state.handoverFailed(id) }
            }
            if case .entered(let id) = event, core.sandboxes[id]?.maker != nil {
                core.sandboxes[id]?.handover = Handover(channel: descriptors)
                if core.sandboxes[id]?.handover == nil { actions += core.state.handoverFailed(id) }
            }
            isReady = actions.contains(.announceReady)
            return actions
        }
        if isReady { ready() }
    }

    private func log(_ event: LauncherEvent) {
        switch event {
        case .zygoteReady(let zygote): logger.debug("a zygote serves", metadata: ["zygote": "\(zygote)"])
        case .zygoteLost(let zygote, let status):
            logger.error("a zygote was lost", metadata: ["zygote": "\(zygote)", "ended": "\(ExitStatus(status))"])
        default: break
        }
    }

    /// Reads from a guest that is to become ready.
    private func readGuest(_ id: UInt32) {
        guard let channel = core.withLock({ $0.sandboxes[id]?.handover?.channel }) else { return }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(channel.raw, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        perform { core in
            guard count > 0 else { return core.state.guestSpoke(id, nil) }
            bytes[..<count].withUnsafeBytes { core.sandboxes[id]?.frames.append($0) }
            do {
                guard let frame = try core.sandboxes[id]?.frames.next() else { return [] }
                return core.state.guestSpoke(id, frame)
            } catch {
                return core.state.guestSpoke(id, nil)
            }
        }
    }

    /// Sends what the socket had no room for.
    private func flush(_ socket: Descriptor) {
        core.withLock { core in
            while let request = core.unsent.first, Self.send(request, to: socket) { core.unsent.removeFirst() }
        }
    }
}

/// How often a launcher may be started again: five times in any minute.
private struct RestartBudget {
    private var recent: [ContinuousClock.Instant] = []

    mutating func take(at now: ContinuousClock.Instant) -> Bool {
        recent.removeAll { $0 < now - .seconds(60) }
        guard recent.count < 5 else { return false }
        recent.append(now)
        return true
    }
}

/// Time as poll(2) wants it.
enum Milliseconds {
    /// Rounded up, 0 for the past, at most a day.
    static func until(_ deadline: ContinuousClock.Instant, from now: ContinuousClock.Instant = .now) -> Int32 {
        rounded(deadline - now)
    }

    static func rounded(_ duration: Duration) -> Int32 {
        let (seconds, attoseconds) = duration.components
        if seconds < 0 || attoseconds < 0 { return 0 }
        if seconds >= 86_400 { return 86_400_000 }
        return Int32(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
