import Testing

@testable import Execution

@Suite("The pool decides what is made, given and destroyed")
struct SandboxPoolStateTests {
    typealias State = SandboxPoolState<Int>

    private static let epoch = ContinuousClock.now
    private static let lost = State.Refusal.noCapacity(reason: "lost", retryAfter: nil)

    private static func state(bare: Int = 4, full: Int = 0, _ change: (inout State.Configuration) -> Void = { _ in })
        -> State
    {
        var configuration = State.Configuration()
        configuration.targets = [.bare: bare, .full: full]
        change(&configuration)
        return State(configuration: configuration)
    }

    @Test("it fills up to the target, two at a time while nobody waits")
    func fillsToTarget() {
        var state = Self.state(bare: 3)
        #expect(state.startMakes(at: Self.epoch) == [.bare, .bare])
        #expect(state.startMakes(at: Self.epoch) == [])
        #expect(state.made(1, kind: .bare) == .kept)
        #expect(state.startMakes(at: Self.epoch) == [.bare])
        #expect(state.made(2, kind: .bare) == .kept)
        #expect(state.made(3, kind: .bare) == .kept)
        #expect(state.startMakes(at: Self.epoch) == [])
        #expect(state.takeReady(.bare, at: Self.epoch) == 1)
        #expect(state.startMakes(at: Self.epoch + .seconds(1)) == [.bare])
    }

    @Test("what can wait leaves the processors to whoever took a sandbox, until it comes back or for ten milliseconds")
    func rest() {
        var state = Self.state(bare: 4) { $0.refills = 4 }
        for number in 1...4 {
            _ = state.startMakes(at: Self.epoch)
            _ = state.made(number, kind: .bare)
        }
        func time(_ milliseconds: Int) -> State.Instant { Self.epoch + .milliseconds(milliseconds) }
        #expect(state.takeReady(.bare, at: time(0)) == 1)
        #expect(state.startMakes(at: time(9)) == [])
        #expect(state.restsUntil == time(10))
        state.discard(1, at: time(3))
        #expect(state.startMakes(at: time(3)) == [] && state.startDestroys(at: time(3)) == [])
        #expect(state.startMakes(at: time(4)) == [.bare] && state.startDestroys(at: time(4)) == [1])
        #expect(state.takeReady(.bare, at: time(5)) == 2 && state.takeReady(.bare, at: time(5)) == 3)
        #expect(state.startMakes(at: time(6)) == [], "half of them are there or coming")
        #expect(state.takeReady(.bare, at: time(6)) == 4)
        #expect(state.startMakes(at: time(6)) == [.bare], "fewer than half are")
    }

    @Test("the emptier shelf is filled first")
    func emptierFirst() {
        var state = Self.state(bare: 2, full: 4) { $0.refills = 10 }
        let order = state.startMakes(at: Self.epoch)
        #expect(order.count == 6)
        #expect(order.prefix(3).count { $0 == .full } == 2)
        for (number, kind) in order.enumerated() { _ = state.made(number, kind: kind) }
        #expect(state.ready(.bare) == 2 && state.ready(.full) == 4)
    }

    @Test("who waits is served in order, four at a time, and before any shelf is refilled")
    func waitersFirst() throws {
        var state = Self.state(bare: 8, full: 8)
        for ticket in 1...6 {
            guard case .waits = state.take(UInt64(ticket), kind: .full, at: Self.epoch) else {
                Issue.record("given from an empty shelf")
                return
            }
        }
        // Two of the other kind are made beside them: a kind that is slow holds up no other.
        #expect(state.startMakes(at: Self.epoch) == [.full, .full, .full, .full, .bare, .bare])
        #expect(state.made(10, kind: .full) == .given(1))
        #expect(state.made(11, kind: .full) == .given(2))
        #expect(state.giveUp(.init(ticket: 3, kind: .full)) == true)
        #expect(state.made(12, kind: .full) == .given(4))
        #expect(state.taken == 3)
    }

    @Test("a sandbox made for somebody who left is kept")
    func madeForNobody() {
        var state = Self.state(bare: 0)
        _ = state.take(1, kind: .bare, at: Self.epoch)
        #expect(state.startMakes(at: Self.epoch) == [.bare])
        #expect(state.giveUp(.init(ticket: 1, kind: .bare)) == true)
        #expect(state.made(7, kind: .bare) == .kept)
        #expect(state.startMakes(at: Self.epoch) == [])
        #expect(state.takeReady(.bare, at: Self.epoch) == 7)
    }

    @Test("failures pause a kind, longer each time up to a bound, then one attempt at a time; a success ends that")
    func backOff() {
        var state = Self.state(bare: 4) { $0.longestPause = .milliseconds(400) }
        var now = Self.epoch
        var pauses: [Duration] = []
        #expect(state.startMakes(at: now).count == 2)
        // Two that ran side by side fail once.
        for _ in 0..<2 { pauses.append(state.makeFailed(.bare, isSetup: false, refusal: Self.lost, at: now).pause) }
        for _ in 0..<5 {
            #expect(state.startMakes(at: now) == [])
            now += pauses.last ?? .zero
            #expect(state.startMakes(at: now) == [.bare])
            pauses.append(state.makeFailed(.bare, isSetup: false, refusal: Self.lost, at: now).pause)
        }
        #expect(pauses == [50, 50, 100, 200, 400, 400, 400].map { Duration.milliseconds($0) })
        now += .milliseconds(400)
        #expect(state.startMakes(at: now) == [.bare])
        _ = state.made(1, kind: .bare)
        #expect(state.startMakes(at: now) == [.bare, .bare])
    }

    @Test("who waits is refused when the backend has failed for longer than the patience; who comes then, at once")
    func downAfterPatience() {
        var state = Self.state(bare: 0)
        _ = state.take(1, kind: .bare, at: Self.epoch)
        #expect(state.startMakes(at: Self.epoch) == [.bare])
        #expect(state.makeFailed(.bare, isSetup: false, refusal: Self.lost, at: Self.epoch).refused == [])
        let later = Self.epoch + .seconds(10)
        #expect(state.startMakes(at: later) == [.bare])
        #expect(state.makeFailed(.bare, isSetup: false, refusal: Self.lost, at: later).refused == [1])
        guard case .refused(Self.lost) = state.take(2, kind: .bare, at: later) else {
            Issue.record("waits for a backend that is down")
            return
        }
        // When the pause is over somebody may wait for the next attempt, which may be the one that works.
        guard case .waits = state.take(3, kind: .bare, at: later + .seconds(5)) else {
            Issue.record("refused although an attempt is due")
            return
        }
        #expect(state.startMakes(at: later + .seconds(5)) == [.bare])
        #expect(state.made(9, kind: .bare) == .given(3))
    }

    @Test("a wall that cannot be built twice in a row is reported at once")
    func setupFailures() {
        var state = Self.state(bare: 0)
        _ = state.take(1, kind: .bare, at: Self.epoch)
        #expect(state.startMakes(at: Self.epoch) == [.bare])
        let first = state.makeFailed(.bare, isSetup: true, refusal: Self.lost, at: Self.epoch)
        #expect(first.refused == [])
        let later = Self.epoch + first.pause
        #expect(state.startMakes(at: later) == [.bare])
        #expect(state.makeFailed(.bare, isSetup: true, refusal: Self.lost, at: later).refused == [1])
    }

    @Test("nothing new is made while too much waits to be destroyed")
    func backlog() {
        var state = Self.state(bare: 4) {
            $0.backlog = 2
            $0.destroys = 1
        }
        for number in 1...2 {
            _ = state.startMakes(at: Self.epoch)
            _ = state.made(number, kind: .bare)
        }
        for _ in 1...2 {
            if let sandbox = state.takeReady(.bare, at: Self.epoch) { state.discard(sandbox, at: Self.epoch) }
        }
        while state.making > 0 { state.makeCancelled(.bare) }
        #expect(state.startMakes(at: Self.epoch) == [])
        #expect(state.startDestroys(at: Self.epoch) == [1])
        #expect(state.startDestroys(at: Self.epoch) == [])
        #expect(state.startMakes(at: Self.epoch) == [])
        state.destroyed()
        #expect(state.startMakes(at: Self.epoch + .seconds(1)) != [])
    }
}
