import Execution
import Testing

@testable import NativeSandbox

@Suite("Facts about the host")
struct HostTests {
    private static let unifiedMount = "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

    private func unifiedHost(own: String, controllers: String) -> FakeHost {
        var host = FakeHost()
        host.texts["/proc/self/mountinfo"] = Self.unifiedMount
        host.texts["/proc/self/cgroup"] = "0::\(own)\n"
        let directory = own == "/" ? "/sys/fs/cgroup" : "/sys/fs/cgroup" + own
        host.directories = [directory]
        host.texts[directory + "/cgroup.controllers"] = controllers
        host.texts[directory + "/cgroup.procs"] = ""
        host.texts[directory + "/cgroup.subtree_control"] = "pids\n"
        return host
    }

    @Test("root uses the real root of the unified hierarchy")
    func unifiedRoot() {
        let host = unifiedHost(own: "/", controllers: "cpuset cpu memory pids\n")
        #expect(
            CgroupLayout.inspect(host.files)
                == .version2(
                    .init(
                        parent: "/sys/fs/cgroup",
                        controllers: ["memory", "pids", "cpu"],
                        needsLeaf: false,
                        toEnable: ["memory", "cpu"]
                    )
                )
        )
    }

    @Test("a delegated unit is used with a leaf for the server")
    func delegatedUnit() {
        var host = unifiedHost(own: "/user.slice/run-1.scope", controllers: "memory pids\n")
        host.texts["/sys/fs/cgroup/user.slice/run-1.scope/cgroup.type"] = "domain\n"
        #expect(
            CgroupLayout.inspect(host.files)
                == .version2(
                    .init(
                        parent: "/sys/fs/cgroup/user.slice/run-1.scope",
                        controllers: ["memory", "pids"],
                        needsLeaf: true,
                        toEnable: ["memory"]
                    )
                )
        )
    }

    @Test("a unit without the memory controller is of no use, and says so")
    func missingController() {
        let host = unifiedHost(own: "/user.slice/x.scope", controllers: "pids\n")
        #expect(
            CgroupLayout.inspect(host.files)
                == .missing("the controller 'memory' is not delegated to /sys/fs/cgroup/user.slice/x.scope")
        )
    }

    @Test("a unit that is not writable is of no use, and says so")
    func readOnlyUnit() {
        var host = unifiedHost(own: "/x.scope", controllers: "memory pids\n")
        host.readOnly = ["/sys/fs/cgroup/x.scope/cgroup.subtree_control"]
        #expect(
            CgroupLayout.inspect(host.files)
                == .missing("/sys/fs/cgroup/x.scope/cgroup.subtree_control is not writable")
        )
    }

    @Test("where version 2 is mounted empty, version 1 is used, hierarchies with two controllers once")
    func hybrid() {
        var host = FakeHost()
        host.texts["/proc/self/mountinfo"] = """
            33 28 0:29 / /c/memory rw - cgroup cgroup rw,memory
            34 28 0:30 / /c/pids rw - cgroup cgroup rw,pids
            35 28 0:31 / /c/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
            36 28 0:32 / /c/unified rw - cgroup2 cgroup2 rw
            """
        host.texts["/proc/self/cgroup"] = "3:memory:/\n0::/\n"
        host.texts["/c/unified/cgroup.controllers"] = "\n"
        host.texts["/c/unified/cgroup.subtree_control"] = "\n"
        host.directories = ["/c/memory", "/c/pids", "/c/cpu,cpuacct", "/c/unified"]
        #expect(
            CgroupLayout.inspect(host.files)
                == .version1([
                    .init(controllers: ["memory"], parent: "/c/memory"),
                    .init(controllers: ["pids"], parent: "/c/pids"),
                    .init(controllers: ["cpu", "cpuacct"], parent: "/c/cpu,cpuacct"),
                ])
        )
        host.readOnly = ["/c/memory"]
        #expect(CgroupLayout.inspect(host.files) == .missing("/c/memory is not writable"))
    }

    @Test("the longest range of subordinate ids is found by name and by number")
    func subordinateIDs() {
        var host = FakeHost()
        host.texts["/etc/subuid"] = "other:1:1\nme:100000:1000\n1001:300000:65536\nbroken\nme:x:y\n"
        host.texts["/etc/subgid"] = "me:200000:65000\n"
        #expect(
            SubordinateIDs.find(userID: 1001, userName: "me", host.files)
                == SubordinateIDs(firstUser: 300_000, firstGroup: 200_000, count: 65_000)
        )
        #expect(SubordinateIDs.find(userID: 5, userName: "you", host.files) == nil)
    }

    @Test("an environment of the system's interpreter needs nothing besides /usr")
    func systemInterpreter() {
        var host = FakeHost()
        host.texts["/venv/pyvenv.cfg"] = "home = /usr/bin\nversion = 3.11.2\n"
        host.directories = ["/usr/bin"]
        host.texts["/usr/bin/python3.11"] = ""
        host.links["/venv/bin/python3"] = "/usr/bin/python3.11"
        #expect(
            PythonEnvironment.inspect("/venv", host.files)
                == PythonEnvironment(path: "/venv", prefixes: [], problem: nil)
        )
    }

    @Test("an interpreter installed elsewhere is shown with its prefix, unless that is a large part of the host")
    func foreignInterpreter() {
        var host = FakeHost()
        host.texts["/venv/pyvenv.cfg"] = "home=/opt/py/bin\n"
        host.directories = ["/opt/py/bin", "/bin"]
        host.texts["/opt/py/bin/python3.13"] = ""
        host.links["/venv/bin/python3"] = "/opt/py/bin/python3.13"
        #expect(PythonEnvironment.inspect("/venv", host.files).prefixes == ["/opt/py"])
        host.secret = ["/opt/py/bin/python3.13"]
        #expect(PythonEnvironment.inspect("/venv", host.files).problem == "others may not read /opt/py/bin/python3.13")
        host.secret = []
        host.texts["/venv/pyvenv.cfg"] = "home=/bin\n"
        #expect(PythonEnvironment.inspect("/venv", host.files).problem?.contains("too close to the root") == true)
    }

    @Test("a folder that is no environment is refused with the reason")
    func noEnvironment() {
        let files = FakeHost().files
        #expect(PythonEnvironment.inspect("/venv", files).problem == "there is no /venv/pyvenv.cfg")
        #expect(PythonEnvironment.inspect("venv", files).problem == "the path is not absolute")
    }

    @Test(
        "kernel releases of all sorts are understood",
        arguments: [("6.18.44-fc", 6, 18), ("5.15", 5, 15), ("odd", 0, 0)]
    )
    func kernelVersions(release: String, major: Int, minor: Int) {
        #expect(HostFacts.KernelVersion(release: release) == HostFacts.KernelVersion(major, minor))
    }
}

@Suite("The report on the host")
struct HostReportTests {
    @Test("a complete host has every wall and nothing to say")
    func complete() {
        let report = HostReport(.example, .example)
        #expect(report.walls.map(\.name) == ["namespaces", "user ids", "cgroups", "landlock", "seccomp"])
        #expect(report.walls.allSatisfy { $0.isStanding })
        #expect(report.findings.isEmpty)
        #expect(report.reducedModes.isEmpty)
    }

    @Test("as root a missing wall is an error until the setting named after the risk allows it")
    func missingWalls() {
        var facts = HostFacts.example
        facts.cgroups = .missing("read-only")
        facts.landlockABI = 0
        #expect(HostReport(facts, .example).errors.map(\.subject) == ["cgroups", "landlock"])
        var settings = NativeSettings.example
        settings.allowWithoutCgroups = true
        settings.allowWithoutLandlock = true
        let report = HostReport(facts, settings)
        #expect(report.errors.isEmpty)
        #expect(report.reducedModes == ["without-cgroups", "without-landlock"])
        #expect(report.walls.filter { !$0.isStanding }.map(\.name) == ["cgroups", "landlock"])
    }

    @Test("an ordinary user may go without cgroups, and is told how to have them")
    func ordinaryUser() throws {
        let report = HostReport(.ordinary, .example)
        #expect(report.errors.isEmpty)
        #expect(report.reducedModes == ["one-user-for-all", "without-cgroups"])
        let finding = try #require(report.findings.first { $0.subject == "cgroups" })
        #expect(finding.cure?.contains("-p Delegate=yes") == true)
        #expect(report.findings.contains { $0.subject == "user ids" })
    }

    @Test("forbidden user namespaces are an error with the cure for their cause")
    func namespaceCauses() {
        var facts = HostFacts.ordinary
        facts.namespaceError = 1
        #expect(HostReport(facts, .example).errors.first?.cure?.contains("container") == true)
        facts.apparmorRestrictsUserNamespaces = 1
        #expect(HostReport(facts, .example).errors.first?.cure?.contains("apparmor_restrict") == true)
        facts.unprivilegedUserNamespaces = 0
        #expect(HostReport(facts, .example).errors.first?.cure?.contains("unprivileged_userns_clone=1") == true)
        facts.maxUserNamespaces = 0
        #expect(HostReport(facts, .example).errors.first?.cure?.contains("max_user_namespaces") == true)
    }

    @Test("an old kernel is an error; one without mapped file systems in memory where sandboxes would be root")
    func oldKernels() {
        var facts = HostFacts.example
        facts.kernel = HostFacts.KernelVersion(6, 1)
        let report = HostReport(facts, .example)
        #expect(report.errors.isEmpty)
        #expect(report.findings.map(\.subject) == ["user ids"])
        #expect(report.reducedModes == ["one-user-for-all"])
        var root = NativeSettings.example
        root.serverUID = 0
        #expect(HostReport(facts, root).errors.map(\.subject) == ["kernel"])
        facts.userID = 1001
        #expect(HostReport(facts, .example).errors.isEmpty)
        facts.kernel = HostFacts.KernelVersion(5, 10)
        #expect(HostReport(facts, .example).errors.map(\.subject) == ["kernel"])
    }

    @Test("everything that is missing is listed at once, errors first")
    func allAtOnce() {
        var facts = HostFacts.example
        facts.launcher = nil
        facts.entryLibrary = nil
        facts.environment.problem = "it is gone"
        facts.landlockABI = 3
        let report = HostReport(facts, .example)
        #expect(report.findings.map(\.severity) == [.error, .error, .error, .note])
        #expect(report.reducedModes == ["contexts-reach-each-other"])
    }

    @Test("root without the capabilities that sandboxes take is an error that names them, anybody else's lack is none")
    func missingCapabilities() {
        #expect(Capabilities.missing(status: "Name:\tx\nCapEff:\t000001ffffffffff\n") == [])
        // What container engines leave to root.
        let ordinary = Capabilities.missing(status: "CapEff:\t00000000a80425fb\n")
        #expect(ordinary == ["NET_ADMIN", "SYS_PTRACE", "SYS_ADMIN"])
        var facts = HostFacts.example
        facts.missingCapabilities = ordinary
        let errors = HostReport(facts, .example).errors
        #expect(errors.map(\.subject) == ["capabilities"])
        #expect(errors.first?.cure?.contains("--cap-add SYS_PTRACE") == true)
        facts.userID = 1000
        #expect(HostReport(facts, .example).errors.filter { $0.subject == "capabilities" } == [])
    }
}
