import TestSupport
import Testing

/// The attacks on walls that do not depend on root or control groups, against a server that an ordinary user started.
///
/// 14 is left out: with one id for everything the program and its sandbox's init are the same user to the kernel.
@Suite(
    "Attacks on a server without root",
    .needs(.otherUsers, .userNamespaces),
    .server(["ALLOW_WITHOUT_CGROUPS": "true", "CPU_TIME_LIMIT_SEC": "20"], as: .ordinary),
    .serialized,
    .nativeOnly("native sandboxes without root")
)
struct RootlessAttackTests {
    @Test(
        "hostile programs find their walls",
        arguments: [
            "01_reachability", "02_foreign_system_calls", "03_privileges", "04_set_id_programs", "05_nested_namespaces",
            "06_fork_bomb", "07_kill_everything",
            "08_daemon", "09_orphans", "11_other_processes", "12_own_executable", "16_read_only_root",
            "17_device_nodes", "20_kernel_settings",
            "21_time_and_names", "22_links_out", "23_hard_links", "25_rename_race", "33_inherited_descriptors",
            "39_forged_channel", "39_broken_channel",
            "47_no_network", "51_zygote_is_out_of_reach",
        ]
    )
    func attack(name: String) async throws {
        let server = try TestServer.current
        let attack = try Attack.named(name)
        let host = try HostFacts(server: server)
        defer { host.close() }
        let stdin = attack.readsFacts ? host.json.description : nil
        let answer = try await server.execute(ExecuteRequest(attack.code, stdin: stdin, timeout: attack.timeout))
        #expect(!answer.stdout.contains("BREACH"), "\(answer.stdout)")
        if let last = attack.expectation.last {
            #expect(answer.stdout.split(whereSeparator: \.isNewline).last.map(String.init) == last, "\(answer.json)")
        }
        for file in answer.files {
            let content = String(decoding: try await server.download(file.id), as: UTF8.self)
            #expect(!content.contains(host.secretContent), "\(file.path)")
        }
        #expect(try await server.execute("print(6 * 7)", timeout: 60_000).stdout == "42\n")
    }

    @Test("no run finds a trace of the one before")
    func traces() async throws {
        let server = try TestServer.current
        let host = try HostFacts(server: server)
        defer { host.close() }
        for name in ["51_leave_traces", "51_find_traces"] {
            let attack = try Attack.named(name)
            let answer = try await server.execute(
                ExecuteRequest(attack.code, stdin: host.json.description, timeout: attack.timeout)
            )
            #expect(answer.stdout.hasSuffix("held\n") && !answer.stdout.contains("BREACH"), "\(answer.json)")
        }
    }
}
