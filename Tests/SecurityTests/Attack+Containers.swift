import TestSupport

// What attacks find in containers and not in native sandboxes, each with the reason why that is no way out.
extension Attack {
    /// The lines of its output that tell of a wall that did not hold.
    static func breaches(in output: String) -> [Substring] {
        let found = output.split(whereSeparator: \.isNewline).filter { $0.contains("BREACH") }
        if TestBackend.isNative { return found }
        return found.filter { line in
            !knownInContainers.contains { line.hasPrefix("BREACH " + $0) } && !isOpenedOnly(line)
        }
    }

    /// A file of another context in /proc that everybody of that user may open; what is read from it is only its command line (proc(5): the others ask for
    /// the right to trace, which Landlock refuses).
    private static func isOpenedOnly(_ line: Substring) -> Bool {
        line.hasPrefix("BREACH /proc/")
            && ["/cmdline: ", "/stack: ", "/syscall: ", "/io: "].contains { line.contains($0) }
    }

    private static let knownInContainers = [
        // An engine mounts /proc without hidepid: names of processes, and nothing else of them.
        "visible processes",
        // Masked files are empty instead of closed; /sys is there, read-only, and what is masked in it is empty.
        "/proc/timer_list: 0 bytes", "/sys: ", "/sys/fs/cgroup: ",
        // Of the image, which holds nothing of the host.
        "/etc/hostname: ", "/etc/fstab: ", "/var/lib: ", "/var/log: ", "/.dockerenv: ",
        // Dropping from the bounding set takes SETPCAP, which a guest does not have; with no_new_privs nothing comes of it.
        "CapBnd 00000000000000e0",
        // No user namespace of its own, unless the daemon remaps ids.
        "map          0          0 4294967295", "/proc/self/uid_map: ", "/proc/self/projid_map: ",
        "/proc/self/loginuid: ",
        // Children begin with 1000 and may go back to the guest's 0: the memory killer then takes somebody else of the same container.
        "lower oom_score_adj", "oom_adj",
        // Message queues of the container's own IPC namespace, bounded by RLIMIT_MSGQUEUE.
        "a file in /dev/mqueue: ",
        // The same tree as /workspace, by its other name: a symbolic link.
        "folder /home/user",
    ]
}
