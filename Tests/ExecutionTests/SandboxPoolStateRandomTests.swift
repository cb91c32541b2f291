import TestSupport
import Testing

@testable import Execution

@Suite("The pool keeps its promises over random histories")
struct SandboxPoolStateRandomTests {
    @Test("40 histories of 1,000 steps each")
    func randomHistories() async {
        await withRandomSeed { random in
            for _ in 0..<40 {
                var history = History(&random)
                for _ in 0..<1_000 { history.step(&random) }
                history.end()
            }
        }
    }
}

/// A pool's state, with a book of where everything is, kept beside it.
private struct History {
    typealias State = SandboxPoolState<Int>

    var state: State
    var now = ContinuousClock.now
    var nextResource = 0
    var nextTicket: UInt64 = 0
    var ready: [SandboxKind: [Int]] = [:]
    var taken: [Int] = []
    var making: [SandboxKind] = []
    var waiting: [SandboxKind: [UInt64]] = [:]
    var doomed: [Int] = []
    var destroying: [Int] = []
    var gone = 0

    init(_ random: inout SeededGenerator) {
        var configuration = State.Configuration()
        configuration.targets = [
            .bare: Int.random(in: 0...6, using: &random), .full: Int.random(in: 0...6, using: &random),
        ]
        configuration.makes = Int.random(in: 1...5, using: &random)
        configuration.refills = Int.random(in: 1...5, using: &random)
        configuration.destroys = Int.random(in: 1...3, using: &random)
        configuration.backlog = Int.random(in: 1...10, using: &random)
        configuration.waiters = 20
        state = State(configuration: configuration)
    }

    mutating func step(_ random: inout SeededGenerator) {
        now += .milliseconds(Int.random(in: 0...40, using: &random))
        let kind = SandboxKind.allCases.randomElement(using: &random) ?? .bare
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25: take(kind)
        case 25..<45: startMakes()
        case 45..<70: finishMake(succeeds: Int.random(in: 0..<4, using: &random) > 0, &random)
        case 70..<80: discard(&random)
        case 80..<85: giveUp(kind, &random)
        case 85..<88: die(&random)
        case 88..<95: doomed.removeFirst(startDestroys())
        default: finishDestroy()
        }
        check()
    }

    /// Stops and lets everything end: nothing may be left.
    mutating func end() {
        #expect(Set(state.stop()) == Set(waiting.values.flatMap { $0 }))
        waiting = [:]
        #expect(state.startMakes(at: now) == [])
        for kind in making {
            doomed += ready[kind, default: []]
            ready[kind] = []
            nextResource += 1
            #expect(state.made(nextResource, kind: kind) == .doomed)
        }
        for resource in taken { state.discard(resource, at: now) }
        while !state.isDrained {
            let started = state.startDestroys(at: now)
            gone += started.count
            if started.isEmpty && destroying.isEmpty {
                Issue.record("stopped, but never drained")
                return
            }
            for _ in 0..<(started.count + destroying.count) { state.destroyed() }
            gone += destroying.count
            destroying = []
        }
        #expect(gone == nextResource, "sandboxes were lost or destroyed twice")
    }

    private mutating func take(_ kind: SandboxKind) {
        nextTicket += 1
        switch state.take(nextTicket, kind: kind, at: now) {
        case .given(let resource):
            #expect(ready[kind]?.first == resource)
            ready[kind]?.removeFirst()
            taken.append(resource)
        case .waits: waiting[kind, default: []].append(nextTicket)
        case .refused(let refusal): #expect(refusal != .stopping)
        }
    }

    private mutating func startMakes() {
        let kinds = state.startMakes(at: now)
        making += kinds
        if kinds.isEmpty, making.isEmpty, !state.rests(at: now),
            doomed.count + destroying.count < state.configuration.backlog
        {
            // Nothing to do, or every kind that lacks something rests after a failure.
            for kind in SandboxKind.allCases where state.shelves[kind]?.failing == nil {
                #expect(waiting[kind, default: []].isEmpty && state.ready(kind) >= state.target(kind))
            }
        }
    }

    private mutating func finishMake(succeeds: Bool, _ random: inout SeededGenerator) {
        guard let index = making.indices.randomElement(using: &random) else { return }
        let kind = making.remove(at: index)
        guard succeeds else {
            let failed = state.makeFailed(
                kind,
                isSetup: false,
                refusal: .noCapacity(reason: "", retryAfter: nil),
                at: now
            )
            #expect(failed.refused.isEmpty || failed.refused == waiting[kind])
            #expect(failed.pause > .zero && failed.pause <= state.configuration.longestPause)
            if !failed.refused.isEmpty { waiting[kind] = [] }
            return
        }
        nextResource += 1
        switch state.made(nextResource, kind: kind) {
        case .given(let ticket):
            #expect(waiting[kind]?.first == ticket, "not first come, first served")
            waiting[kind]?.removeFirst()
            taken.append(nextResource)
        case .kept:
            #expect(waiting[kind, default: []].isEmpty)
            ready[kind, default: []].append(nextResource)
        case .doomed: Issue.record("doomed although nothing stopped")
        }
    }

    private mutating func discard(_ random: inout SeededGenerator) {
        guard let index = taken.indices.randomElement(using: &random) else { return }
        let resource = taken.remove(at: index)
        state.discard(resource, at: now)
        doomed.append(resource)
    }

    private mutating func giveUp(_ kind: SandboxKind, _ random: inout SeededGenerator) {
        let ticket = waiting[kind]?.randomElement(using: &random) ?? 0
        #expect(state.giveUp(.init(ticket: ticket, kind: kind)) == (ticket != 0))
        waiting[kind]?.removeAll { $0 == ticket }
    }

    private mutating func die(_ random: inout SeededGenerator) {
        let dead = Set(ready.values.flatMap { $0 }.filter { _ in Bool.random(using: &random) })
        #expect(state.dropReady { dead.contains($0) } == dead.count)
        for kind in SandboxKind.allCases {
            doomed += ready[kind, default: []].filter { dead.contains($0) }
            ready[kind]?.removeAll { dead.contains($0) }
        }
    }

    private mutating func startDestroys() -> Int {
        let started = state.startDestroys(at: now)
        #expect(started == Array(doomed.prefix(started.count)))
        destroying += started
        return started.count
    }

    private mutating func finishDestroy() {
        guard !destroying.isEmpty else { return }
        destroying.removeFirst()
        gone += 1
        state.destroyed()
    }

    private func check() {
        for kind in SandboxKind.allCases {
            #expect(state.ready(kind) == ready[kind, default: []].count)
            #expect(state.waiting(kind) == waiting[kind, default: []].count)
            #expect(state.ready(kind) == 0 || state.waiting(kind) == 0, "somebody waits while one is ready")
            let most = state.target(kind) + state.configuration.makes
            #expect(state.ready(kind) <= most, "more are kept than wanted")
        }
        #expect(state.taken == taken.count && state.making == making.count)
        for kind in SandboxKind.allCases { #expect(state.making(kind) <= state.configuration.makes) }
        #expect(state.destroying == destroying.count && destroying.count <= state.configuration.destroys)
        #expect(Array(state.doomed) == doomed)
    }
}
