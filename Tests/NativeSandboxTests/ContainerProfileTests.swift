import Foundation
import SeccompPolicy
import Testing

@testable import NativeSandbox

/// deploy/docker/seccomp-native.json, under which a server with native sandboxes runs in a container.
@Suite("The seccomp profile of containers")
struct ContainerProfileTests {
    private struct Profile: Decodable {
        var defaultAction: String
        var syscalls: [Rule]

        struct Rule: Decodable {
            var comment: String
            var names: [String]
            var action: String
        }
    }

    private let profile: Profile

    init() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let data = try Data(contentsOf: root.appending(path: "deploy/docker/seccomp-native.json"))
        profile = try JSONDecoder().decode(Profile.self, from: data)
    }

    private func allowed(_ isIncluded: (Profile.Rule) -> Bool = { _ in true }) -> Set<String> {
        Set(profile.syscalls.filter { $0.action == "SCMP_ACT_ALLOW" && isIncluded($0) }.flatMap(\.names))
    }

    /// Every call that programs in sandboxes may make, with some arguments at least.
    private var sandboxCalls: Set<String> {
        let policy = SeccompPolicy.standard
        return Set(policy.allowed.flatMap(\.calls) + policy.conditional.map(\.call))
    }

    @Test("refuses what it does not name")
    func refusal() {
        #expect(profile.defaultAction == "SCMP_ACT_ERRNO")
    }

    @Test("passes what sandboxes may do, and beyond that what the launcher does and nothing else")
    func calls() {
        #expect(sandboxCalls.subtracting(allowed()) == [])
        let launcher = allowed { $0.comment.hasPrefix("LAUNCHER") }
        #expect(allowed().subtracting(launcher).subtracting(sandboxCalls) == [])
        #expect(launcher.subtracting(sandboxCalls).count == launcher.count - 1, "clone alone is both")
    }

    @Test("names each call once, but for personality, whose values are rules of their own")
    func duplicates() {
        let names = profile.syscalls.flatMap(\.names).filter { $0 != "personality" }
        #expect(names.count == Set(names).count)
    }

    @Test("makes clone3 look absent, so that programs use clone")
    func absentCalls() {
        #expect(profile.syscalls.filter { $0.names == ["clone3"] }.map(\.action) == ["SCMP_ACT_ERRNO"])
    }
}
