import TestSupport
import Testing

@testable import Execution

@Suite("The contexts of a tenant")
struct ContextTableTests {
    typealias Table = ContextTable<Int>

    private let start = ContinuousClock.now

    private func table(contexts: Int = 3, waiting: Int = 2) -> Table {
        var configuration = Table.Configuration()
        configuration.contexts = contexts
        configuration.waiting = waiting
        return Table(configuration: configuration)
    }

    private func description(_ id: String, _ language: String = "python") -> ContextDescription {
        ContextDescription(id: id, language: language, directory: "/home/user")
    }

    @Test("are as many as they may be, and found by language where they are the default")
    func adding() throws {
        var table = table(contexts: 2)
        try table.add(description("a"), isDefault: false, at: start)
        try table.add(description("b", "bash"), isDefault: true, at: start)
        #expect(throws: ContextRefusal.tooManyContexts(limit: 2)) {
            try table.add(description("c"), isDefault: false, at: start)
        }
        #expect(table.entries.map(\.description.id) == ["a", "b"])
        #expect(table.defaultID(of: "bash") == "b")
        #expect(table.defaultID(of: "python") == nil)
    }

    @Test("have the default one of Python before them, whenever it was added, and beyond their number")
    func pythonDefault() throws {
        var table = table(contexts: 2)
        try table.add(description("a"), isDefault: false, at: start)
        try table.add(description("b", "bash"), isDefault: true, at: start)
        try table.add(description(ContextID.default), isDefault: true, at: start)
        #expect(table.entries.map(\.description.id) == ["default", "a", "b"])
        #expect(table.defaultID(of: "python") == "default")
        _ = table.remove("a")
        try table.add(description("c"), isDefault: false, at: start)
        #expect(throws: ContextRefusal.tooManyContexts(limit: 2)) {
            try table.add(description("d"), isDefault: false, at: start)
        }
        #expect(table.entries.map(\.description.id) == ["default", "b", "c"])
    }

    @Test("give turns in the order in which they were asked for, an urgent one before the others")
    func turns() throws {
        var table = table(waiting: 2)
        try table.add(description("a"), isDefault: false, at: start)
        var places = (UInt64(1)...4).map { table.enter("a", ticket: $0, at: start) }
        places.append(table.enter("a", ticket: 5, isUrgent: true, at: start))
        places.append(table.enter("b", ticket: 6, at: start))
        #expect(
            places == [
                .turn, .waits, .waits, .refused(.queueFull(limit: 2)), .waits, .refused(.unknownContext(id: "b")),
            ]
        )
        let gaveUp = [table.giveUp("a", ticket: 2), table.giveUp("a", ticket: 2)]
        #expect(gaveUp == [true, false])
        // The first is not its turn.
        let next = [3, 1, 5, 3].map { table.leave("a", ticket: $0, at: start) }
        #expect(next == [nil, 5, 3, nil])
        #expect(table.isQuiet)
    }

    @Test("leave their kernel and who waited when they are removed")
    func removing() throws {
        var table = table()
        try table.add(description("a"), isDefault: false, at: start)
        _ = table.enter("a", ticket: 1, at: start)
        _ = table.enter("a", ticket: 2, at: start)
        let isSet = table.setKernel(7, of: "a")
        let left = table.remove("a")
        let removed = try #require(left)
        #expect(isSet && removed.kernel == 7 && removed.waiting == [2])
        let next = table.leave("a", ticket: 1, at: start)
        #expect(next == nil)
        let isSetLate = table.setKernel(8, of: "a")
        #expect(!isSetLate, "whoever sets it must end it")
        let again = table.remove("a")
        #expect(again == nil)
    }

    @Test("are idle from the end of their last turn")
    func idle() throws {
        var table = table()
        try table.add(description("a"), isDefault: false, at: start)
        _ = table.enter("a", ticket: 1, at: start)
        #expect(table.idle(since: start + .seconds(60)).isEmpty)
        _ = table.leave("a", ticket: 1, at: start + .seconds(10))
        #expect(table.idle(since: start + .seconds(9)).isEmpty)
        #expect(table.idle(since: start + .seconds(10)) == ["a"])
    }

    @Test("whatever happens in whatever order, one has a turn and nobody who waits is forgotten")
    func random() async {
        await withRandomSeed { random in
            var table = table(contexts: 4, waiting: 3)
            var waiting: [String: [UInt64]] = [:]
            var turns: [String: UInt64] = [:]
            for ticket in UInt64(1)...20_000 {
                let id = ["a", "b", "c", "d", "e"].randomElement(using: &random) ?? "a"
                switch Int.random(in: 0..<8, using: &random) {
                case 0:
                    guard table.entry(id) == nil else { break }
                    let isFull = table.entries.count == 4
                    var isRefused = false
                    do { try table.add(description(id), isDefault: false, at: start) } catch { isRefused = true }
                    #expect(isRefused == isFull)
                case 1:
                    guard Int.random(in: 0..<10, using: &random) == 0 else { break }
                    let left = table.remove(id)?.waiting ?? []
                    #expect(left == waiting[id] ?? [])
                    waiting[id] = nil
                    turns[id] = nil
                case 2:
                    guard let other = waiting[id]?.randomElement(using: &random) else { break }
                    let gaveUp = table.giveUp(id, ticket: other)
                    #expect(gaveUp)
                    waiting[id]?.removeAll { $0 == other }
                case 3, 4:
                    guard let turn = turns[id] else { break }
                    let next = table.leave(id, ticket: turn, at: start)
                    #expect(next == waiting[id]?.first)
                    turns[id] = next
                    if next != nil { waiting[id]?.removeFirst() }
                default:
                    let isUrgent = Int.random(in: 0..<10, using: &random) == 0
                    switch table.enter(id, ticket: ticket, isUrgent: isUrgent, at: start) {
                    case .turn: turns[id] = ticket
                    case .waits where isUrgent: waiting[id, default: []].insert(ticket, at: 0)
                    case .waits: waiting[id, default: []].append(ticket)
                    case .refused(.queueFull): #expect(waiting[id]?.count ?? 0 >= 3)
                    case .refused: #expect(table.entry(id) == nil)
                    }
                }
                #expect(table.entry(id)?.turn == turns[id])
            }
        }
    }
}
