import JSON
import NIOCore
import SeccompPolicy
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("What the daemon is asked to make")
struct ContainerSpecificationTests {
    private func json(_ change: (inout ContainerSpecification) -> Void = { _ in }) throws -> JSONValue {
        var specification = ContainerSpecification(image: "image:tag")
        change(&specification)
        return try JSONParser.parse(specification.json())
    }

    @Test("by itself has every wall")
    func defaults() throws {
        let it = try json()
        let host = try #require(it["HostConfig"])
        #expect(it["Image"] == .string("image:tag") && it["Entrypoint"] == nil)
        for name in ["OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr"] {
            #expect(it[name] == .bool(true), "\(name)")
        }
        #expect(it["Tty"] == .bool(false) && it["StopTimeout"] == .integer(0))
        #expect(host["NetworkMode"] == .string("none") && host["IpcMode"] == .string("private"))
        #expect(host["CgroupnsMode"] == .string("private") && host["LogConfig"]?["Type"] == .string("none"))
        #expect(host["CapDrop"] == .array([.string("ALL")]) && host["CapAdd"] == .array([]))
        #expect(host["ReadonlyRootfs"] == .bool(true) && host["Privileged"] == .bool(false))
        #expect(host["Init"] == .bool(false) && host["SecurityOpt"] == .array([.string("no-new-privileges")]))
        #expect(host["Memory"] == nil && host["NanoCpus"] == nil)
    }

    @Test("carries limits, with no swap beyond the memory")
    func limits() throws {
        let it = try json { specification in
            specification.memoryBytes = 1 << 30
            specification.nanoCPUs = 5
            specification.pidsLimit = 64
            specification.sharedMemoryBytes = 1 << 20
            specification.ulimits = [.init(name: "core", soft: 0, hard: 0)]
            specification.networkMode = "bridge"
            specification.temporaryFileSystems = ["/tmp": "size=1m"]
            specification.seccompProfile = "{}"
            specification.securityOptions = ["apparmor=x"]
            specification.addedCapabilities = ["SETUID"]
            specification.entrypoint = []
        }
        let host = try #require(it["HostConfig"])
        #expect(host["Memory"] == .integer(1 << 30) && host["MemorySwap"] == .integer(1 << 30))
        #expect(
            host["NanoCpus"] == .integer(5) && host["PidsLimit"] == .integer(64) && host["ShmSize"] == .integer(1 << 20)
        )
        #expect(host["Ulimits"]?.elements?.first?["Name"] == .string("core"))
        #expect(host["Tmpfs"]?["/tmp"] == .string("size=1m"))
        let options = ["no-new-privileges", "seccomp={}", "apparmor=x"]
        #expect(host["SecurityOpt"] == .array(options.map { .string($0) }))
        #expect(host["CapAdd"] == .array([.string("SETUID")]) && it["Entrypoint"] == .array([]))
    }

    @Test("carries mounts and devices as the API has them")
    func mounts() throws {
        let it = try json { specification in
            specification.mounts = [
                .init(kind: .bind, source: "/a", target: "/b", isReadOnly: true, propagation: "rslave"),
                .init(kind: .tmpfs, target: "/t", sizeBytes: 5, mode: 0o700),
            ]
            specification.deviceRequests = [.init(count: -1), .init(deviceIDs: ["0"])]
        }
        let mounts = try #require(it["HostConfig"]?["Mounts"]?.elements)
        #expect(mounts[0]["BindOptions"]?["Propagation"] == .string("rslave") && mounts[0]["ReadOnly"] == .bool(true))
        #expect(mounts[1]["TmpfsOptions"]?["SizeBytes"] == .integer(5) && mounts[1]["Source"] == nil)
        let devices = try #require(it["HostConfig"]?["DeviceRequests"]?.elements)
        #expect(devices[0]["Count"] == .integer(-1) && devices[0]["Capabilities"] == .array([.array([.string("gpu")])]))
        #expect(devices[1]["Count"] == nil && devices[1]["DeviceIDs"] == .array([.string("0")]))
    }
}

@Suite("The seccomp profile for engines")
struct EngineSeccompProfileTests {
    private static func rules() throws -> [JSONValue] {
        let json = try JSONParser.parse(ByteBuffer(string: EngineSeccompProfile.json()))
        #expect(json["defaultAction"] == .string("SCMP_ACT_ERRNO") && json["defaultErrnoRet"] == .integer(1))
        return try #require(json["syscalls"]?.elements)
    }

    @Test("says of every call what the policy says")
    func sameAsPolicy() throws {
        let policy = SeccompPolicy.standard
        let rules = try Self.rules()
        func names(_ condition: (JSONValue) -> Bool) -> Set<String> {
            Set(rules.filter(condition).flatMap { $0["names"]?.elements?.compactMap(\.text) ?? [] })
        }
        let plain = names { $0["action"] == .string("SCMP_ACT_ALLOW") && $0["args"] == nil }
        #expect(plain == Set(policy.allowed.flatMap(\.calls) + EngineSeccompProfile.guestCalls))
        let conditional = rules.filter { $0["action"] == .string("SCMP_ACT_ALLOW") && $0["args"] != nil }
        #expect(conditional.count == policy.conditional.count)
        let absent = names { $0["errnoRet"] == .integer(38) }
        #expect(absent.isSuperset(of: ["clone3", "execveat", "cachestat", "mseal"]))
        #expect(names { $0["errnoRet"] == .integer(95) } == ["socket"])
        for call in ["mount", "unshare", "bpf", "ptrace", "keyctl", "setns", "io_uring_setup"] {
            #expect(names { _ in true }.contains(call) == false, "\(call)")
        }
    }

    @Test("compares the low words of arguments only, one condition an argument")
    func arguments() throws {
        for rule in try Self.rules() {
            guard let arguments = rule["args"]?.elements else { continue }
            #expect(Set(arguments.compactMap { $0["index"]?.integer }).count == arguments.count)
            for argument in arguments {
                #expect(argument["op"] == .string("SCMP_CMP_MASKED_EQ"))
                #expect(argument["value"]?.integer.map { $0 <= Int(UInt32.max) } == true)
            }
        }
    }
}

@Suite("The seccomp profile in a container", .needs(.docker), .timeLimit(.minutes(2)))
struct EngineSeccompInContainerTests {
    /// Makes system calls by number with arguments that can do nothing, and prints how each was answered.
    private static let program = """
        import ctypes, errno, sys
        libc = ctypes.CDLL(None, use_errno=True)
        for word in sys.argv[1:]:
            number, *arguments = (int(part) for part in word.split(","))
            ctypes.set_errno(0)
            result = libc.syscall(ctypes.c_long(number), *(ctypes.c_ulong(each) for each in arguments))
            print(errno.errorcode.get(ctypes.get_errno(), "0") if result < 0 else "ok", flush=True)
        """

    @Test("answers calls as the native filter does", .enabled(if: python != nil, "needs /usr/bin/python3, x86-64"))
    func calls() async throws {
        let calls: [(call: String, answer: String)] = [
            ("39", "ok"),  // getpid
            ("41,1,1,0", "ok"), ("41,2,1,0", "ok"),  // socket: unix, TCP
            ("41,16,3,0", "ENOTSUP"), ("41,17,3,0", "EPERM"), ("41,2,3,1", "EPERM"),  // netlink, packet, raw
            ("435,0,0", "ENOSYS"), ("322,0,0,0,0,0", "ENOSYS"),  // clone3, execveat
            ("451,0,0,0,0", "ENOSYS"), ("462,0,0,0", "ENOSYS"), ("470,0", "ENOSYS"), ("600,0", "ENOSYS"),  // newer ones
            ("272,0", "EPERM"), ("165,0,0,0,0,0", "EPERM"), ("308,0,0", "EPERM"),  // unshare, mount, setns
            ("321,0,0,0", "EPERM"), ("425,1,0", "EPERM"), ("101,0,0,0,0", "EPERM"),  // bpf, io_uring_setup, ptrace
            ("250,0,0,0,0", "EPERM"), ("323,0", "EPERM"), ("317,0,0,0", "EPERM"),  // keyctl, userfaultfd, seccomp
            ("434,1,0", "EPERM"), ("434,99999,0", "ESRCH"),  // pidfd_open: init, nobody
            ("157,15,0", "EFAULT"), ("157,22,0", "EPERM"),  // prctl: a name, SECCOMP
            ("135,4294967295", "ok"), ("135,262144", "EPERM"),  // personality: asking, without randomisation
            ("133,0,8192,0", "EPERM"),  // mknod: a device
        ]
        try await EngineScope.run { scope in
            let it = try await scope.run(["/usr/bin/python3", "-c", Self.program] + calls.map(\.call)) {
                specification in
                specification.binds = ["/usr:/usr:ro"]
                specification.environment = ["LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu"]
                specification.seccompProfile = EngineSeccompProfile.json()
                specification.user = "1000:1000"
            }
            #expect(await it.streams.closed())
            let answers = it.streams.output.split(separator: "\n").map(String.init)
            #expect(
                answers == calls.map(\.answer),
                "\(zip(calls, answers).filter { $0.answer != $1 }) \(it.streams.error)"
            )
        }
    }

    @Test(
        "lets runc start a container that has other users, groups and capabilities, and needs no further call for that"
    )
    func starts() async throws {
        try await EngineScope.run { scope in
            let it = try await scope.run(["sh", "-c", "cat /proc/self/comm; echo $(echo nested)"]) { specification in
                specification.seccompProfile = EngineSeccompProfile.json(guestCalls: [])
                specification.user = "1000:1000"
                specification.addedGroups = ["44"]
                specification.addedCapabilities = ["SETUID", "SETGID"]
            }
            #expect(await it.streams.closed())
            #expect(it.streams.output == "cat\nnested\n", "\(it.streams.error)")
        }
    }

    @Test("lets the guest give up its groups", .enabled(if: python != nil, "needs /usr/bin/python3, x86-64"))
    func groups() async throws {
        try await EngineScope.run { scope in
            for (calls, answer) in [([], "EPERM\n"), (EngineSeccompProfile.guestCalls, "ok\n")] as [([String], String)]
            {
                let it = try await scope.run(["/usr/bin/python3", "-c", Self.program, "116,0,0"]) { specification in
                    specification.binds = ["/usr:/usr:ro"]
                    specification.environment = ["LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu"]
                    specification.seccompProfile = EngineSeccompProfile.json(guestCalls: calls)
                    specification.user = "0:0"
                    specification.addedCapabilities = ["SETUID", "SETGID"]
                }
                #expect(await it.streams.closed())
                #expect(it.streams.output == answer, "\(it.streams.error)")
            }
        }
    }

    private static let python: String? = {
        #if arch(x86_64)
        Host.directory("/usr/bin").contains("python3") ? "/usr/bin/python3" : nil
        #else
        nil
        #endif
    }()
}
