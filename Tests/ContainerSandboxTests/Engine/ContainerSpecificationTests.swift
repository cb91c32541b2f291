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
        for name in ["OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr", "NetworkDisabled"] {
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
        #expect(host["NanoCpus"] == .integer(5) && host["PidsLimit"] == .integer(64) && host["ShmSize"] == .integer(1 << 20))
        #expect(host["Ulimits"]?.elements?.first?["Name"] == .string("core"))
        #expect(it["NetworkDisabled"] == .bool(false) && host["Tmpfs"]?["/tmp"] == .string("size=1m"))
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
