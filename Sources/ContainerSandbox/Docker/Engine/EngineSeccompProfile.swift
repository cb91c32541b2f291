import JSON
import NIOCore
package import SeccompPolicy

/// The policy about system calls as container engines take it: the JSON of a seccomp profile.
package enum EngineSeccompProfile {
    /// What a guest needs beyond the programs it runs: setgroups, for it gives up its groups when it makes processes of other users,
    /// and Landlock, for it gives each of them a domain. Programs may call these too: the first takes a capability, the others can only
    /// restrict whoever calls them.
    package static let guestCalls = [
        "setgroups", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
    ]

    /// The profile of `policy`, with `guestCalls` allowed on top.
    ///
    /// For containers without new privileges only: runc loads it as the last thing before execve then, and needs nothing more of it. With
    /// new privileges runc would load it earlier, and fail: it must drop capabilities yet.
    ///
    /// Processes of other architectures, the 32-bit ones of the same processor included, are killed, not refused: that is what engines do.
    package static func json(
        of policy: SeccompPolicy = .standard,
        guestCalls: [String] = EngineSeccompProfile.guestCalls
    ) -> String {
        var rules: [JSONValue] = []
        let allowed = policy.allowed.flatMap(\.calls) + guestCalls
        rules.append(rule(allowed, action: allow))
        for conditional in policy.conditional {
            rules.append(rule([conditional.call], action: allow, conditional.conditions))
        }
        for refusal in policy.refused {
            rules.append(rule([refusal.rule.call], action: refuse, refusal.rule.conditions, code: refusal.code))
        }
        let absent = policy.absent.flatMap(\.calls) + newerCalls
        rules.append(rule(absent.filter { !guestCalls.contains($0) }, action: refuse, code: notImplemented))
        var profile = JSONMembers()
        profile.add("defaultAction", refuse)
        profile.add("defaultErrnoRet", Int(notPermitted))
        // The daemon picks what its machine is, which need not be ours.
        profile.add("archMap", .array(["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"].map(architecture)))
        profile.add("syscalls", .array(rules))
        var writer = JSONWriter(capacity: 32_768)
        writer.value(profile.value)
        return String(buffer: writer.buffer)
    }

    private static let allow = "SCMP_ACT_ALLOW"
    private static let refuse = "SCMP_ACT_ERRNO"
    private static let notPermitted: Int32 = 1
    private static let notImplemented: Int32 = 38

    /// Calls newer than the policy, which look absent as on a kernel without them. Engines treat what is newer than the newest call a
    /// profile names in the same way, runc since 1.0; others need the names. A name a library does not know yet is skipped.
    private static let newerCalls = [
        "cachestat", "fchmodat2", "map_shadow_stack", "futex_wake", "futex_wait", "futex_requeue", "statmount",
        "listmount", "lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules", "mseal", "setxattrat", "getxattrat",
        "listxattrat", "removexattrat", "open_tree_attr", "file_getattr", "file_setattr",
    ]

    private static func architecture(_ name: String) -> JSONValue {
        JSONMembers([("architecture", .string(name)), ("subArchitectures", .array([]))]).value
    }

    private static func rule(
        _ names: [String],
        action: String,
        _ conditions: [SeccompPolicy.Condition] = [],
        code: Int32? = nil
    ) -> JSONValue {
        var rule = JSONMembers()
        rule.add("names", names)
        rule.add("action", action)
        if let code { rule.add("errnoRet", Int(code)) }
        if !conditions.isEmpty { rule.add("args", .array(conditions.map(argument))) }
        return rule.value
    }

    private static func argument(_ condition: SeccompPolicy.Condition) -> JSONValue {
        switch condition {
        case .masked(let argument, let mask, let value):
            JSONMembers([
                ("index", .integer(Int(argument))), ("value", .integer(Int(mask))), ("valueTwo", .integer(Int(value))),
                ("op", .string("SCMP_CMP_MASKED_EQ")),
            ]).value
        }
    }
}
