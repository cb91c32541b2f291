import Glibc
import Testing

@testable import NativeSandbox

@Suite("Giving root up", .enabled(if: geteuid() == 0, "needs root to give it up"))
struct PrivilegesTests {
    @Test("does not take part of the threads for all of them")
    func threadThatKeepsRoot() async {
        // The main thread of this asynchronous program is ending for ever and follows nobody; that the server has no such
        // thread is tested with the server.
        await #expect(processExitsWith: .success) {
            do {
                try Privileges.drop(toUser: 65_432, group: 65_431)
                exit(1)
            } catch {
                exit("\(error)".contains("still has it") ? 0 : 2)
            }
        }
    }
}
