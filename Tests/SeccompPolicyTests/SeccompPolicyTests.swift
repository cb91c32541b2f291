import CSeccomp
import SeccompPolicy
import Testing

@Suite("The policy about system calls")
struct SeccompPolicyTests {
    @Test("names no call twice and none that libseccomp does not know")
    func table() {
        let policy = SeccompPolicy.standard
        let names =
            policy.allowed.flatMap(\.calls) + policy.absent.flatMap(\.calls) + Set(policy.conditional.map(\.call))
        #expect(Set(names).count == names.count)
        // -1 is an error; other negative numbers are calls of other architectures.
        #expect(names.filter { seccomp_syscall_resolve_name($0) == -1 } == [])
    }

    @Test("gives a reason for everything it says")
    func reasons() {
        let policy = SeccompPolicy.standard
        let groups = policy.allowed + policy.absent
        #expect(groups.allSatisfy { !$0.reason.isEmpty && !$0.calls.isEmpty })
        #expect((policy.conditional + policy.refused.map(\.rule)).allSatisfy { !$0.reason.isEmpty })
        #expect(policy.conditional.allSatisfy { !$0.conditions.isEmpty })
    }
}
