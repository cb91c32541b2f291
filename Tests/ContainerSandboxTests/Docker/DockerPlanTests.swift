import Execution
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("The plan of containers")
struct DockerPlanTests {
    private func plan(_ arguments: String, network: String = "none") throws -> DockerPlan {
        var docker = DockerSettings(image: "guest", owner: "me")
        docker.network = network
        docker.runArguments = try DockerRunArguments(parsing: arguments)
        return DockerPlan(sandboxes: ContainerSettings(), docker: docker, seccompProfile: "{}")
    }

    @Test("takes no wall away by itself")
    func standing() throws {
        let plan = try plan("--tmpfs /scratch:size=1m")
        #expect(plan.reducedModes.isEmpty)
        #expect(plan.walls(engine: nil, greeting: nil).allSatisfy { $0.isStanding })
        #expect(plan.walls(engine: nil, greeting: nil).contains { $0.detail.contains("a seccomp profile of our own") })
    }

    @Test(
        "says which settings change a wall",
        arguments: [
            ("--volume /srv/data:/data:ro", "none", "with-mounts"),
            ("--mount type=bind,source=/srv/data,target=/data", "none", "with-mounts"),
            ("", "bridge", "with-network"),
        ]
    )
    func changed(arguments: String, network: String, mode: String) throws {
        #expect(try plan(arguments, network: network).reducedModes == [mode])
    }

    @Test("says so where a seccomp profile is somebody else's")
    func otherProfile() throws {
        let folder = try TemporaryFolder("profile")
        defer { folder.remove() }
        let path = try folder.file("profile.json", #"{"defaultAction":"SCMP_ACT_ERRNO"}"#.utf8)
        let plan = try plan("--security-opt seccomp=\(path)")
        #expect(plan.reducedModes == ["with-other-seccomp-profile"])
        let walls = plan.walls(engine: nil, greeting: nil)
        #expect(walls.contains { $0.name == "system calls" && $0.detail.contains("a setting names") })
    }
}
