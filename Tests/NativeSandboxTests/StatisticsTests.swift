import GuestDriving
import Testing

@testable import NativeSandbox

@Suite("Statistics of a sandbox")
struct StatisticsTests {
    @Test("are read from files of either version")
    func numbers() {
        func number(_ text: String, _ name: String?) -> Int? {
            SandboxStatistics.number(in: Array(text.utf8), named: name)
        }
        #expect(number("1234\n", nil) == 1234)
        #expect(number("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", "oom_kill") == 2)
        #expect(number("low 0\nhigh 0\nmax 9\noom 3\noom_kill 1\noom_group_kill 1\n", "oom_kill") == 1)
        #expect(number("usage_usec 77\nuser_usec 1\n", "usage_usec") == 77)
        #expect(number("usage_usec 77\nuser_usec 1\n", nil) == nil)
        #expect(number("", nil) == nil)
        #expect(number("max\n", nil) == nil)
    }

    @Test("take every process but init for one that may go on", arguments: [(1, false), (2, true), (3, true)])
    func survivors(processes: Int, hasSurvivors: Bool) throws {
        let file = try Descriptor.sealedFile(named: "pids.current", holding: Array("\(processes)\n".utf8))
        #expect(SandboxStatistics([.processes], [file]).hasSurvivors == hasSurvivors)
        #expect(SandboxStatistics([], []).hasSurvivors == nil)
    }
}

@Suite("Wait statuses")
struct ExitStatusTests {
    @Test("tell codes from signals")
    func statuses() {
        #expect(ExitStatus(7 << 8).code == 7)
        #expect(ExitStatus(7 << 8).signal == nil)
        #expect(ExitStatus(9).signal == 9)
        #expect(ExitStatus(0x8b).signal == 11)
        #expect(ExitStatus(0x8b).code == nil)
    }
}
