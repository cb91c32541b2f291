import Execution

extension SandboxPlan {
    /// What the sandboxes of some kinds may use.
    private struct Allowance {
        let kinds: [SandboxKind]
        let memoryBytes: Int
        let processes: Int
        /// CPU time of a single process; nil is no limit.
        let cpuSeconds: Int?
    }

    private var allowances: [Allowance] {
        [
            Allowance(
                kinds: SandboxKind.executions,
                memoryBytes: settings.memoryLimitMB << 20,
                processes: settings.maxProcesses,
                cpuSeconds: settings.cpuTimeLimitSeconds
            ),
            Allowance(
                kinds: [.notebook],
                memoryBytes: settings.contextMemoryLimitMB << 20,
                processes: settings.contextMaxProcesses,
                cpuSeconds: nil
            ),
        ]
    }

    /// `[limits]`: what control groups hold every sandbox to. Without them, limits for each process stand in; see
    /// ``addResourceLimits()``.
    mutating func addLimits() {
        if facts.cgroups.isMissing { return }
        for allowance in allowances {
            begin(.limits, for: allowance.kinds)
            addLimits(allowance)
        }
    }

    private mutating func addLimits(_ allowance: Allowance) {
        // Init is one of ours and takes no place of the program's.
        let processes = "\(allowance.processes + 1)"
        let memoryBytes = allowance.memoryBytes
        switch facts.cgroups {
        case .version1(let hierarchies):
            let memory = hierarchyName("memory", hierarchies)
            add(.limits, "write", memory, "memory.limit_in_bytes", "\(memoryBytes)")
            // Memory and swap together: no swap. Missing where the kernel does not count swap.
            add(.limits, "attempt", memory, "memory.memsw.limit_in_bytes", "\(memoryBytes)")
            add(.limits, "attempt", memory, "memory.swappiness", "0")
            add(.limits, "write", hierarchyName("pids", hierarchies), "pids.max", processes)
        case .version2:
            add(.limits, "write", "unified", "memory.max", "\(memoryBytes)")
            add(.limits, "attempt", "unified", "memory.swap.max", "0")
            // Out of memory ends an execution as a whole, so that no half-dead program goes on; of several contexts only one.
            let isWhole = allowance.kinds == SandboxKind.executions
            add(.limits, "attempt", "unified", "memory.oom.group", isWhole ? "1" : "0")
            add(.limits, "write", "unified", "pids.max", processes)
        case .missing:
            break
        }
    }

    /// `[statistics]`: what is read while a program runs and after it.
    mutating func addStatistics() {
        switch facts.cgroups {
        case .version1(let hierarchies):
            let memory = hierarchyName("memory", hierarchies)
            add(.statistics, "open", memory, "memory.oom_control")
            add(.statistics, "attempt", memory, "memory.max_usage_in_bytes")
            if hierarchies.contains(where: { $0.controllers.contains("cpuacct") }) {
                add(.statistics, "open", hierarchyName("cpuacct", hierarchies), "cpuacct.usage")
            } else {
                add(.statistics, "attempt", memory, "cpuacct.usage")
            }
            add(.statistics, "open", hierarchyName("pids", hierarchies), "pids.current")
        case .version2:
            add(.statistics, "open", "unified", "memory.events")
            // Since Linux 5.19.
            add(.statistics, "attempt", "unified", "memory.peak")
            add(.statistics, "open", "unified", "cpu.stat")
            add(.statistics, "open", "unified", "pids.current")
        case .missing:
            return
        }
        statistics = [.outOfMemoryEvents, .memoryPeak, .processorUsage, .processes]
    }

    /// A hierarchy is named after the first of its controllers.
    private func hierarchyName(_ controller: String, _ hierarchies: [CgroupLayout.Hierarchy]) -> String {
        hierarchies.first { $0.controllers.contains(controller) }?.controllers[0] ?? controller
    }

    /// Limits of the kernel for each process, in `[entry]`.
    mutating func addResourceLimits() {
        addResourceLimit("core", 0, 0)
        addResourceLimit("nofile", settings.maxOpenFiles, settings.maxOpenFiles)
        addResourceLimit("memlock", 8 << 20, 8 << 20)
        for allowance in allowances {
            begin(.entry, for: allowance.kinds)
            addResourceLimits(allowance)
        }
        begin(.entry, for: [])
    }

    private mutating func addResourceLimit(_ name: String, _ soft: Int, _ hard: Int) {
        add(.entry, "resource-limit", name, "\(soft)", "\(hard)")
    }

    private mutating func addResourceLimits(_ allowance: Allowance) {
        let memoryBytes = allowance.memoryBytes
        // Counted for each user namespace, hence for each sandbox. Init counts where it has the program's user.
        let processes = allowance.processes + (identity == .shared ? 1 : 0)
        addResourceLimit("nproc", processes, processes)
        if case .missing = facts.cgroups {
            if let seconds = allowance.cpuSeconds { addResourceLimit("cpu", seconds, seconds + 1) }
            // What a process maps privately; the warm interpreter's own share is not the program's.
            addResourceLimit("data", memoryBytes + Self.interpreterDataBytes, memoryBytes + Self.interpreterDataBytes)
            // What it maps at all: catches shared mappings, with room for libraries and what the C library reserves.
            addResourceLimit("as", memoryBytes + Self.addressSpaceBytes, memoryBytes + Self.addressSpaceBytes)
        } else if let seconds = allowance.cpuSeconds {
            // Acts only where the server died: it counts for the sandbox as a whole and is earlier.
            addResourceLimit("cpu", seconds + 2, seconds + 3)
        }
    }

    /// Private writable memory of the full zygote, rounded up: 105 MB measured with the default imports.
    private static let interpreterDataBytes = 256 << 20
    /// The zygote itself needs 193 MB; the C library reserves 64 MB for each of a program's first threads.
    private static let addressSpaceBytes = 1 << 30
}
