import Execution
import GuestDriving
import GuestProtocol
import Synchronization
import Testing

@Suite("What drives the interpreter of a context")
struct KernelDriverTests {
    private func kernel(_ line: FakePort.Line) throws -> DrivenKernel {
        try DrivenKernel(FakePort(line: line), grace: .seconds(5)) { line.ring() }
    }

    private static func started(_ id: Int) -> GuestFrame { .cell(id: id, .event(.started(executionCount: id))) }
    private static func done(_ id: Int) -> GuestFrame { .cell(id: id, .done(ends: false)) }

    @Test("gives an interpreter up that answers for a cell which is still on its way", arguments: [true, false])
    func answerTooEarly(isStart: Bool) async throws {
        let line = FakePort.Line { line, number in
            if number == 1 { return line.say(.opened) }
            line.say(isStart ? Self.started(1) : Self.done(1), whileSending: true)
        }
        let kernel = try kernel(line)
        try await kernel.open(language: "python", directory: "/")
        let events = Mutex<[CellEvent]>([])
        let ending = await kernel.run(Cell(code: "1")) { event in events.withLock { $0.append(event) } }
        #expect(ending.death == .garbled)
        #expect(events.withLock { $0 }.isEmpty)
    }

    @Test("gives an interpreter up that says it is open before it can have heard of it")
    func openTooEarly() async throws {
        let line = FakePort.Line { line, _ in line.say(.opened, whileSending: true) }
        let kernel = try kernel(line)
        await #expect(throws: KernelRefusal.self) { try await kernel.open(language: "python", directory: "/") }
        #expect(kernel.death == .garbled)
    }

    @Test("does not mind what an interpreter still says of earlier cells while the next is on its way")
    func late() async throws {
        let line = FakePort.Line { line, number in
            switch number {
            case 1: line.say(.opened)
            case 2: line.say(Self.started(1), Self.done(1))
            default:
                line.say(Self.started(1), Self.done(1), Self.done(3), whileSending: true)
                line.say(Self.started(2), Self.done(2))
            }
        }
        let kernel = try kernel(line)
        try await kernel.open(language: "python", directory: "/")
        for count in 1...2 {
            let events = Mutex<[CellEvent]>([])
            let ending = await kernel.run(Cell(code: "1")) { event in events.withLock { $0.append(event) } }
            #expect(ending == CellEnding())
            #expect(events.withLock { $0 } == [.started(executionCount: count)])
        }
    }
}
