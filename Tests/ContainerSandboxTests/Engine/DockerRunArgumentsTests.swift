import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("Flags of docker run")
struct DockerRunArgumentsTests {
    private func applied(_ text: String) throws -> ContainerSpecification {
        var specification = ContainerSpecification(image: "image")
        specification.labels = ["owner": "us"]
        specification.environment = ["HOME=/home/user"]
        try DockerRunArguments(parsing: text).apply(to: &specification)
        return specification
    }

    private func problems(_ text: String) -> [String] {
        do throws(DockerRunArguments.Problems) {
            _ = try DockerRunArguments(parsing: text)
            return []
        } catch {
            return error.texts
        }
    }

    @Test("an empty list changes nothing")
    func empty() throws {
        #expect(try applied(" \n") == applied(""))
    }

    @Test(
        "a value may stand after a space or an equals sign, and behind a letter",
        arguments: [
            "--memory 512m", "--memory=512m", "-m 512m", "-m512m", "-m=512m", "'--memory' \"512m\"", "-m 51\\2m",
        ]
    )
    func spellings(text: String) throws {
        #expect(try applied(text).memoryBytes == 512 << 20)
    }

    @Test("limits become limits")
    func limits() throws {
        let it = try applied(
            """
            --memory-reservation 1g --cpus 1.5 --cpu-shares=512 -c 600 --cpuset-cpus 0-1 --cpuset-mems 0 --pids-limit 99 \
            --shm-size 64m --ulimit nofile=10:20 --ulimit core=0 --ulimit nofile=1024 --oom-score-adj 500 --blkio-weight 300 \
            --storage-opt size=10G --stop-timeout 3
            """
        )
        #expect(it.memoryReservationBytes == 1 << 30 && it.nanoCPUs == 1_500_000_000 && it.cpuShares == 600)
        #expect(it.cpusetCPUs == "0-1" && it.cpusetMemory == "0" && it.pidsLimit == 99)
        #expect(it.sharedMemoryBytes == 64 << 20 && it.oomScoreAdjustment == 500 && it.blockIOWeight == 300)
        #expect(it.ulimits == [.init(name: "core", soft: 0, hard: 0), .init(name: "nofile", soft: 1024, hard: 1024)])
        #expect(it.storageOptions == ["size": "10G"] && it.stopTimeoutSeconds == 3)
    }

    @Test("places become mounts")
    func places() throws {
        let it = try applied(
            """
            --tmpfs /a --tmpfs /b:size=1m,noexec -v /data:/data:ro --volume cache:/cache -v /anonymous \
            --mount type=bind,source=/x,target=/y,readonly --mount type=volume,src=v,dst=/v \
            --mount 'type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=1777'
            """
        )
        #expect(it.temporaryFileSystems == ["/a": "", "/b": "size=1m,noexec"])
        #expect(it.binds == ["/data:/data:ro", "cache:/cache"])
        #expect(
            it.mounts == [
                .init(kind: .volume, target: "/anonymous"),
                .init(kind: .bind, source: "/x", target: "/y", isReadOnly: true),
                .init(kind: .volume, source: "v", target: "/v"),
                .init(kind: .tmpfs, target: "/t", sizeBytes: 1 << 20, mode: 0o1777),
            ]
        )
    }

    @Test("surroundings are added and take nothing of ours away")
    func surroundings() throws {
        let it = try applied(
            """
            -e A=1 --env HOME=/root --env 'B=two words' -l team=x --label owner=them --dns 1.1.1.1 --dns-search example.org \
            --add-host db:10.0.0.1 --hostname box --platform linux/arm64 --group-add 44 --read-only \
            --security-opt apparmor=mine --security-opt label=type:mine --security-opt no-new-privileges
            """
        )
        #expect(it.environment == ["HOME=/home/user", "A=1", "B=two words"])
        #expect(it.labels == ["owner": "us", "team": "x"])
        #expect(it.dns == ["1.1.1.1"] && it.dnsSearch == ["example.org"] && it.extraHosts == ["db:10.0.0.1"])
        #expect(it.hostname == "box" && it.platform == "linux/arm64" && it.addedGroups == ["44"])
        #expect(it.securityOptions == ["apparmor=mine", "label=type:mine"] && it.noNewPrivileges && it.isRootReadOnly)
    }

    @Test("GPUs become requests for devices")
    func gpus() throws {
        #expect(try applied("--gpus all").deviceRequests == [.init(count: -1)])
        #expect(try applied("--gpus 2").deviceRequests == [.init(count: 2)])
        #expect(
            try applied(#"--gpus '"device=0,1",capabilities=compute,driver=nvidia'"#).deviceRequests == [
                .init(driver: "nvidia", deviceIDs: ["0", "1"], capabilities: ["gpu", "compute"])
            ]
        )
    }

    @Test("a seccomp profile is read")
    func profile() throws {
        let folder = try TemporaryFolder("arguments")
        defer { folder.remove() }
        let path = try folder.file("profile.json", #" {"defaultAction":"SCMP_ACT_ERRNO"}"#.utf8)
        #expect(try applied("--security-opt seccomp=\(path)").seccompProfile == #" {"defaultAction":"SCMP_ACT_ERRNO"}"#)
        try folder.file("profile.json", "no".utf8)
        #expect(problems("--security-opt seccomp=\(path)").first?.contains("no JSON object") == true)
        #expect(problems("--security-opt seccomp=/none/at/all").first?.contains("No such file") == true)
    }

    @Test(
        "what takes a wall away or breaks the guest is refused with the reason",
        arguments: [
            ("--privileged", "every wall"), ("--cap-add SYS_ADMIN", "wall"), ("--cap-add=NET_RAW", "wall"),
            ("--pid host", "wall"), ("--ipc=host", "wall"), ("--userns host", "wall"), ("--device /dev/kvm", "wall"),
            ("--uts=host", "container's"), ("--cgroupns host", "wall"), ("--security-opt seccomp=unconfined", "wall"),
            ("--security-opt apparmor=unconfined", "wall"), ("--security-opt label=disable", "wall"),
            ("--security-opt no-new-privileges=false", "privileges"),
            ("--security-opt systempaths=unconfined", "kernel"),
            ("--runtime runsc", "DOCKER_RUNTIME"), ("--network host", "PYTHON_EXECUTOR_DOCKER_NETWORK"),
            ("--net=bridge", "PYTHON_EXECUTOR_DOCKER_NETWORK"), ("--init", "first process"), ("-it", "standard input"),
            ("-d", "server"), ("--rm", "server"), ("--name x", "name"), ("--entrypoint sh", "first process"),
            ("-u 0", "guest"), ("-w /", "workspace"), ("-p 80:80", "listens"), ("--memory-swap -1", "swap"),
            ("--read-only=false", "written"), ("-v /:/host", "wall"), ("-v /proc:/p", "wall"),
            ("-v //sys/fs:/p", "wall"),
            ("-v /var/run/docker.sock:/d", "wall"), ("-v /run:/r", "wall"), ("-v /run/containerd:/r", "wall"),
            ("-v /var:/v", "wall"),
            ("-v /var/lib/docker/x:/v", "wall"), ("--oom-score-adj -500", "from 0"),
            ("--mount type=bind,src=/,dst=/host", "wall"), ("-v /a:/b:rshared", "options"),
            ("--volumes-from x", "sandbox"),
            ("--mount type=bind,src=/a,dst=/b,bind-propagation=shared", "propagation"),
            ("-v /a/../../etc:/b", "without"),
            ("--sysctl kernel.shm_rmid_forced=1", "kernel"),
        ]
    )
    func refusals(text: String, part: String) {
        let found = problems(text)
        #expect(!found.isEmpty && found[0].contains(part), "\(found)")
    }

    @Test(
        "values that are none are refused",
        arguments: [
            "--memory lots", "--memory -5", "--memory 0", "--memory 1e9", "--memory 512q", "-m", "--cpus 0", "--cpus x",
            "--pids-limit -1", "--ulimit nofile", "--ulimit nofile=20:10", "--ulimit nofile=a", "--tmpfs tmp",
            "--tmpfs /",
            "-v a:b:c:d", "-v ./here:/there", "-v /a:b", "--mount target=/x,what=1", "--mount type=bind,target=/x",
            "-e A",
            "-e =x", "--add-host x", "--hostname ''", "--gpus none", "--gpus 'count=1,\"device=0,1\"'",
            "--blkio-weight 5", "--security-opt x=y", "--storage-opt x", "--memory 99999999999999999999g", "'open",
            "back\\",
        ]
    )
    func badValues(text: String) {
        #expect(problems(text).count >= 1)
    }

    @Test("an unknown flag is refused with the nearest known one, a word that is no flag too")
    func unknown() {
        #expect(problems("--memroy 1g").first?.contains("--memory") == true)
        #expect(problems("--frobnicate")[0].contains("no flag"))
        #expect(problems("python:3.12").first?.contains("no image") == true)
        #expect(problems("-q").first?.contains("-q") == true)
    }

    @Test("every problem is told at once, and no value of a variable")
    func allAtOnce() {
        let found = problems("--privileged --memory lots -e SECRET --cap-add ALL --env =hunter2")
        #expect(found.count == 5, "\(found)")
        #expect(!found.joined().contains("hunter2"))
    }

    @Test(
        "sizes are as Docker has them",
        arguments: [
            ("5", 5), ("5b", 5), ("1k", 1024), ("1kb", 1024), ("1KiB", 1024), ("1.5m", 1_572_864), ("2G", 2 << 30),
            ("1t", 1 << 40),
        ]
    )
    func sizes(text: String, bytes: Int) {
        #expect(DockerValues.size(text) == bytes)
    }
}
