package import Testing

/// Gives a suite (or a test) a server of its own and looks afterwards that nothing of it is left.
///
/// A machine runs one such server at a time, however many suites run in parallel.
package struct ServerScope: SuiteTrait, TestTrait, TestScoping {
    var settings: [String: String]
    var account: TestServer.Account
    var checksForLeaks: Bool
    var usesContexts: Bool

    package func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        try await ServerScope.machine.pass {
            let before = MachineState.now()
            let server = try await TestServer.start(settings, as: account)
            do {
                try await TestServer.$shared.withValue(server) {
                    try await checksForLeaks
                        ? server.checkingForLeaks(withContexts: usesContexts, function) : function()
                }
            } catch {
                await server.stop()
                throw error
            }
            let tree = ProcessTree(root: server.process.pid)
            let owner = Host.text("\(server.storage)/owner")
            await server.stop()
            await before.expectNothingLeft(of: tree, folder: server.folder.path, owner: owner)
        }
    }

    /// One server at a time: what they measure is the machine.
    package static let machine = Turnstile(places: 1)
}

extension Trait where Self == ServerScope {
    /// Runs the suite against a real server; see ``TestServer/current``. A suite that `usesContexts` finds the default one there, and
    /// at its end all others are deleted.
    package static func server(
        _ settings: [String: String] = [:],
        as account: TestServer.Account = .same,
        checksForLeaks: Bool = true,
        usesContexts: Bool = false
    ) -> ServerScope {
        ServerScope(settings: settings, account: account, checksForLeaks: checksForLeaks, usesContexts: usesContexts)
    }
}

/// Waits until no other suite uses the machine, for tests that start servers themselves.
package struct MachineScope: SuiteTrait, TestScoping {
    package func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        try await ServerScope.machine.pass(function)
    }
}

extension Trait where Self == MachineScope {
    /// Keeps other suites' servers away while this one runs.
    package static var machine: MachineScope { MachineScope() }
}
