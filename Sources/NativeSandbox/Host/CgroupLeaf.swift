import Glibc

/// Makes room in a delegated control group of version 2: one that has processes may not give controllers to children.
enum CgroupLeaf {
    private static let name = "server"

    /// Moves every process of `directory` into a child of it.
    static func retreat(from directory: String) throws(SystemError) {
        let leaf = directory + "/" + name
        if mkdir(leaf, 0o755) != 0, errno != EEXIST { throw SystemError("mkdir", on: leaf, code: errno) }
        // Processes may start others meanwhile; a few rounds get them all.
        for _ in 0..<16 {
            let processes = (SmallFile.read(directory + "/cgroup.procs") ?? "").split(separator: "\n")
            if processes.isEmpty { return }
            for process in processes {
                do {
                    try SmallFile.write(String(process), to: leaf + "/cgroup.procs")
                } catch  where error.code == ESRCH {
                    continue
                }
            }
        }
    }
}
