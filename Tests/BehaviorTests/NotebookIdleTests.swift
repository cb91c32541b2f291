import TestSupport
import Testing

/// What is there when nobody uses it: the default context, and processes that outlived theirs.
@Suite(
    "Unused contexts",
    .server(["MAX_CONTEXTS": "3", "CONTEXT_FREEZE_SEC": "1", "POOL_SIZE_NOTEBOOK": "1"], checksForLeaks: false),
    .serialized
)
struct NotebookIdleTests {
    private func deleteAllContexts(of server: TestServer) async throws {
        try await server.deleteContexts()
        #expect(try await server.send("DELETE", "/contexts/default").status == 200)
    }

    @Test("the default context is listed first, used or not, and can be used beside as many as there may be")
    func defaultContext() async throws {
        let server = try TestServer.current
        try await deleteAllContexts(of: server)
        var contexts: [NotebookContext] = []
        for _ in 0..<3 { contexts.append(try await server.makeContext()) }
        let ids = ["default"] + contexts.map(\.id)
        let before = try await server.listedContexts().compactMap { $0["id"]?.string }
        #expect(before == ids)
        #expect(try await server.cell(CellRequest("6 * 7")).text == "42")
        let after = try await server.listedContexts().compactMap { $0["id"]?.string }
        #expect(after == ids)
        #expect(try await server.post("/contexts", "{}").status == 429)
        for context in contexts { try await context.delete() }
    }

    @Test("a process that outlived its context stops when nobody uses the sandbox any more", .needs(.cgroups))
    func orphans() async throws {
        let server = try TestServer.current
        let marker = "burn-\(UInt32.random(in: 0...UInt32.max))"
        let context = try await server.makeContext()
        let loop = "while :; do :; done"
        let cell = try await context.run(
            "import subprocess\n_ = subprocess.Popen(['sh', '-c', '\(loop)', '\(marker)'], start_new_session=True)"
        )
        #expect(cell.error == nil, "\(cell)")
        try await deleteAllContexts(of: server)
        let isStill = await eventually(within: .seconds(30)) { await Self.isStill(marker) }
        #expect(isStill, "it burns time for ever")
    }

    /// Whether the process is there and used no processor time for a while.
    private static func isStill(_ marker: String) async -> Bool {
        func ticks() -> [Substring]? {
            let pid = Host.directory("/proc").first { pid in
                Int(pid) != nil && (Host.text("/proc/\(pid)/cmdline") ?? "").hasSuffix("\0\(marker)\0")
            }
            return pid.flatMap { Host.text("/proc/\($0)/stat") }.map { Array($0.split(separator: " ")[13...14]) }
        }
        guard let before = ticks() else { return false }
        // A process that runs would use some of it.
        try? await Task.sleep(for: .milliseconds(400))
        return ticks() == before
    }
}
