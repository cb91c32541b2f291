import TestSupport
import Testing

/// Everything of the notebook routes that one server with short graces can answer for; the suites below it run in parallel, each cell
/// in a context of its own.
@Suite("Notebook API", .server(["INTERRUPT_GRACE_SEC": "4", "POOL_SIZE_NOTEBOOK": "1"], usesContexts: true))
struct NotebookAPI {
    /// Runs one cell in a context of its own.
    static func run(_ code: String, environment: JSON? = nil, timeout: Int? = nil) async throws -> CellAnswer {
        try await TestServer.current.withContext { try await $0.run(code, environment: environment, timeout: timeout) }
    }

    /// Runs cells one after another in a context of their own.
    static func run(_ codes: [String]) async throws -> [CellAnswer] {
        try await TestServer.current.withContext { context in
            var cells: [CellAnswer] = []
            for code in codes { cells.append(try await context.run(code)) }
            return cells
        }
    }

    /// A context answers, and with a count that says whether it is a fresh one.
    static func expectAnswering(_ context: NotebookContext, fresh: Bool, _ note: String = "") async throws {
        let cell = try await context.run("6 * 7")
        #expect(cell.types == ["number_of_executions", "result", "end_of_execution"], "\(note) \(cell)")
        #expect(cell.text == "42", "\(note) \(cell)")
        #expect((cell.executionCount == 1) == fresh, "\(note) \(cell)")
    }
}
