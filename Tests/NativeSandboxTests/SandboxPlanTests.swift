import Execution
import Testing

@testable import NativeSandbox

@Suite("The plan of a sandbox")
struct SandboxPlanTests {
    private func lines(_ plan: SandboxPlan, _ section: PlanText.Section) -> [String] {
        plan.plan.lines(of: section).map {
            $0.split(separator: "\t", omittingEmptySubsequences: false).joined(separator: " ")
        }
    }

    @Test("has every section once, in the order the launcher wants")
    func sections() {
        let found = SandboxPlan.example().plan.text.split(separator: "\n").filter { $0.hasPrefix("[") }
        #expect(found == ["[launcher]", "[root]", "[limits]", "[workspace]", "[statistics]", "[init]", "[entry]"])
    }

    @Test("as root gives each sandbox a user of its own and the workspaces to the server's")
    func rootIdentity() {
        let plan = lines(.example(), .launcher)
        #expect(plan.prefix(3) == ["mode root", "slots 100000 4096", "owner 990 991"])
        #expect(!plan.contains { $0.hasPrefix("map") })
    }

    @Test("as an ordinary user with subordinate ids gives each sandbox one of them")
    func subordinateIdentity() {
        var facts = HostFacts.ordinary
        facts.subordinateIDs = SubordinateIDs(firstUser: 100_000, firstGroup: 200_000, count: 65_536)
        #expect(
            lines(.example(facts), .launcher).prefix(5) == [
                "mode rootless", "map 0 1001 1 1002", "map 1 100000 65536 200000", "slots 1 4096", "owner 0 0",
            ]
        )
    }

    @Test("as an ordinary user without subordinate ids shares the server's")
    func sharedIdentity() {
        #expect(
            lines(.example(.ordinary), .launcher).prefix(4) == [
                "mode rootless", "map 0 1001 1 1002", "slots 0 4096 shared", "owner 0 0",
            ]
        )
    }

    @Test("does not use subordinate ids where a file system in memory cannot be mapped to them")
    func oldKernelSharesIdentity() {
        var facts = HostFacts.ordinary
        facts.subordinateIDs = SubordinateIDs(firstUser: 100_000, firstGroup: 100_000, count: 65_536)
        facts.kernel = HostFacts.KernelVersion(6, 1)
        #expect(SandboxPlan.example(facts).identity == .shared)
    }

    @Test("as root on such a kernel gives every sandbox the user of the server")
    func oldKernelSharesServer() {
        var facts = HostFacts.example
        facts.kernel = HostFacts.KernelVersion(6, 2)
        #expect(
            lines(.example(facts), .launcher).prefix(3) == ["mode root", "slots 990 4096 shared", "owner 990 990"]
        )
    }

    @Test("with cgroups of version 2 enables controllers and limits memory, swap and processes")
    func unifiedCgroups() {
        var facts = HostFacts.example
        facts.cgroups = .version2(
            .init(parent: "/sys/fs/cgroup/a", controllers: ["memory", "pids"], needsLeaf: true, toEnable: ["pids"])
        )
        let plan = SandboxPlan.example(facts)
        let launcher = lines(plan, .launcher).filter { $0.hasPrefix("cgroup") || $0.hasPrefix("sweep") }
        #expect(
            launcher == [
                "cgroup 2 unified /sys/fs/cgroup/a/code-interpreter-0123abcd",
                "cgroup-enable /sys/fs/cgroup/a +pids",
                "cgroup-enable /sys/fs/cgroup/a/code-interpreter-0123abcd +memory +pids",
                "sweep /sys/fs/cgroup/a code-interpreter-",
            ]
        )
        #expect(
            lines(plan, .limits) == [
                "for bare full",
                "write unified memory.max 268435456", "attempt unified memory.swap.max 0",
                "attempt unified memory.oom.group 1", "write unified pids.max 65",
                "for notebook",
                "write unified memory.max 2147483648", "attempt unified memory.swap.max 0",
                "attempt unified memory.oom.group 0", "write unified pids.max 513",
            ]
        )
        #expect(plan.statistics == [.outOfMemoryEvents, .memoryPeak, .processorUsage, .processes])
        #expect(lines(plan, .statistics).count == 4)
    }

    @Test("with cgroups of version 1 uses each hierarchy under the name of its first controller")
    func separateCgroups() {
        var facts = HostFacts.example
        facts.cgroups = .version1([
            .init(controllers: ["memory"], parent: "/c/memory"), .init(controllers: ["pids"], parent: "/c/pids"),
            .init(controllers: ["cpu", "cpuacct"], parent: "/c/cpu,cpuacct"),
        ])
        let plan = SandboxPlan.example(facts)
        #expect(lines(plan, .launcher).contains("cgroup 1 cpu /c/cpu,cpuacct/code-interpreter-0123abcd"))
        #expect(lines(plan, .statistics).contains("open cpu cpuacct.usage"))
        #expect(lines(plan, .limits).prefix(2) == ["for bare full", "write memory memory.limit_in_bytes 268435456"])
    }

    @Test("without cgroups limits each process by itself and promises no statistics")
    func withoutCgroups() {
        let plan = SandboxPlan.example(.ordinary)
        #expect(lines(plan, .limits).isEmpty)
        #expect(lines(plan, .statistics).isEmpty)
        #expect(plan.statistics.isEmpty)
        let limits = lines(plan, .entry).filter { $0.hasPrefix("resource-limit") }
        #expect(limits.contains("resource-limit cpu 5 6"))
        #expect(limits.contains("resource-limit nproc 65 65"))
        #expect(limits.contains("resource-limit data 536870912 536870912"))
        #expect(limits.contains("resource-limit as 1342177280 1342177280"))
    }

    @Test("shows nothing of the host but /usr, harmless parts of /etc, devices and the installation")
    func rootShowsLittle() {
        let plan = lines(.example(), .root)
        let sources = plan.filter { $0.hasPrefix("bind") }.map { String($0.split(separator: " ")[1]) }
        #expect(
            sources == [
                "/usr", "/etc/alternatives", "/etc/ssl", "/srv/app/.venv", "/srv/app/bin/libSandboxEntry.so",
                "/dev/full",
                "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero",
            ]
        )
        #expect(
            plan.filter { $0.hasPrefix("bind") }.allSatisfy { $0.hasSuffix(" read-only") || $0.hasSuffix(" device") }
        )
        #expect(plan.suffix(2) == ["enter", "seal"])
    }

    @Test("escapes what files contain, so that a line stays a line")
    func fileContentIsEscaped() throws {
        let line = try #require(SandboxPlan.example().plan.lines(of: .root).first { $0.contains("zygote.py") })
        #expect(line == "file\t/opt/code-interpreter/runtime/zygote.py\t0444\tprint(\"a\\\\n\")\\n\\tpass\\n")
    }

    @Test("binds the interpreter's own prefix where it is not below /usr")
    func foreignInterpreter() {
        var facts = HostFacts.example
        facts.environment.prefixes = ["/opt/python3.13"]
        #expect(lines(.example(facts), .root).contains("bind /opt/python3.13 /opt/python3.13 read-only"))
    }

    @Test("enters the user namespace after all others, and drops everything afterwards")
    func initOrder() {
        let verbs = lines(.example(), .`init`).map { String($0.split(separator: " ")[0]) }
        #expect(
            verbs == [
                "join-cgroups", "cgroup-namespace", "workspace", "workspace", "tmpfs", "tmpfs", "devpts", "proc",
                "mask", "mask", "mask", "mask", "mask", "loopback-up", "hostname", "user-namespace",
                "drop-capabilities", "no-new-privileges", "undumpable",
            ]
        )
    }

    @Test("confines in an order in which no step undoes or forbids a later one")
    func entryOrder() {
        var verbs: [String] = []
        for line in lines(.example(), .entry) {
            let verb = String(line.split(separator: " ")[0])
            if verb == "for" { continue }
            if verbs.last != verb { verbs.append(verb) }
        }
        #expect(
            verbs == [
                "join-cgroups", "namespaces", "directory", "new-session", "resource-limit", "drop-bounding-set",
                "identity",
                "drop-capabilities", "no-new-privileges", "dumpable", "landlock-handle", "landlock-allow",
                "landlock-enforce",
                "umask", "descriptors", "default-signals", "seccomp",
            ]
        )
    }

    @Test("limits CPU time of executions only, and goes on for every sandbox after its limits")
    func limitsOfKinds() {
        let entry = lines(.example(), .entry)
        let scopes = entry.filter { $0.hasPrefix("for") }
        #expect(scopes == ["for bare full", "for notebook", "for", "for bare full", "for notebook"])
        let parts = entry.split { $0.hasPrefix("for") }
        #expect(
            parts.map { $0.contains { $0.hasPrefix("resource-limit cpu") } } == [
                false, true, false, false, false, false,
            ]
        )
        #expect(parts[2] == ["resource-limit nproc 512 512"])
        #expect(parts[3].first == "drop-bounding-set")
        #expect(parts[4] == ["seccomp 0"] && parts[5] == ["seccomp 1"])
    }

    @Test("ends the confinement of every kind with one seccomp filter", arguments: SandboxKind.allCases)
    func filters(kind: SandboxKind) {
        var counts = true
        var steps: [Substring] = []
        for words in lines(.example(), .entry).map({ $0.split(separator: " ") }) {
            if words[0] == "for" {
                counts = words.count == 1 || words.dropFirst().contains { $0 == kind.rawValue }
            } else if counts {
                steps.append(words[0])
            }
        }
        #expect(steps.last == "seccomp" && steps.filter { $0 == "seccomp" }.count == 1, "\(steps)")
    }

    @Test("without Landlock has no step of it")
    func withoutLandlock() {
        var facts = HostFacts.example
        facts.landlockABI = 0
        #expect(!lines(.example(facts), .entry).contains { $0.hasPrefix("landlock") })
    }

    @Test(
        "asks Landlock only for what its version knows",
        arguments: [(1, 0x1fff, 0), (3, 0x7fff, 0), (5, 0xffff, 0), (6, 0xffff, 3)]
    )
    func landlockVersions(abi: Int, handled: UInt64, scopes: UInt64) throws {
        let rules = try #require(LandlockRules(abi: abi))
        #expect(rules.handled == handled)
        #expect(rules.scopes == scopes)
        for mask in [rules.reading, rules.everythingButDevices, rules.device, rules.terminals] {
            #expect(mask & ~handled == 0)
        }
        #expect(rules.everythingButDevices & (1 << 6 | 1 << 11) == 0)
    }

    @Test("names the line of a step that failed")
    func failingStep() {
        let plan = SandboxPlan.example().plan
        let failure = StepFailure(section: 5, step: 2, code: 1)
        #expect(failure.description(in: plan) == "[init] workspace /workspace: Operation not permitted")
        #expect(StepFailure(section: 0, step: -1, code: 22).description(in: plan) == "Invalid argument")
        #expect(
            StepFailure(section: 2, step: 999, code: 22).description(in: plan) == "[root] step 999: Invalid argument"
        )
    }
}
