import Glibc
import GuestProtocol
import LauncherProtocol
import TestSupport
import Testing

@testable import NativeSandbox

@Suite("What the server knows about its launcher")
struct LauncherStateTests {
    private let start = ContinuousClock.now
    private var deadline: ContinuousClock.Instant { start + .seconds(30) }

    private func serving() -> LauncherState {
        var state = LauncherState(zygotes: ["bare", "full"])
        #expect(state.received(.launcherReady(version: CI_PROTOCOL_VERSION)) == [])
        #expect(state.received(.zygoteReady(0)) == [])
        #expect(state.received(.zygoteReady(1)) == [.announceReady])
        return state
    }

    /// A state in which sandbox 1 was delivered.
    private func standing() -> LauncherState {
        var state = serving()
        #expect(state.createRequested(1, zygote: 0, deadline: deadline) == [.sendCreate(1, zygote: 0)])
        #expect(state.received(.created(1)) == [.awaitGuest(1)])
        #expect(state.guestSpoke(1, .ready) == [.deliver(1)])
        return state
    }

    @Test("a sandbox is delivered when its guest is ready, and gone when the launcher says so")
    func wholeLife() {
        var state = standing()
        #expect(state.received(.exited(1, status: 9)) == [.exited(1, status: 9)])
        #expect(state.destroyRequested(1) == [.sendDestroy(1)])
        #expect(state.destroyRequested(1) == [])
        #expect(state.received(.destroyed(1)) == [.gone(1)])
        #expect(state.destroyRequested(1) == [.gone(1)])
    }

    @Test("a request waits for its zygote, and only for that one")
    func waitsForZygote() {
        var state = LauncherState(zygotes: ["bare", "full"])
        #expect(state.createRequested(1, zygote: 0, deadline: deadline) == [])
        #expect(state.createRequested(2, zygote: 1, deadline: deadline) == [])
        #expect(state.received(.launcherReady(version: CI_PROTOCOL_VERSION)) == [])
        #expect(state.received(.zygoteReady(1)) == [.sendCreate(2, zygote: 1)])
        #expect(state.received(.zygoteReady(0)) == [.sendCreate(1, zygote: 0), .announceReady])
        #expect(state.received(.zygoteLost(0, status: 9)) == [])
        #expect(state.createRequested(3, zygote: 0, deadline: deadline) == [])
        #expect(state.received(.zygoteReady(0)) == [.sendCreate(3, zygote: 0)])
    }

    @Test("a step that fails in the launcher, or in the guest, is the maker's error")
    func failures() {
        var state = serving()
        let failure = StepFailure(section: 5, step: 1, code: 1)
        _ = state.createRequested(1, zygote: 0, deadline: deadline)
        #expect(state.received(.failed(1, failure)) == [.refuse(1, .step(failure)), .gone(1)])
        _ = state.createRequested(2, zygote: 0, deadline: deadline)
        _ = state.received(.created(2))
        let entry = StepFailure(section: CI_SECTION_ENTRY.rawValue, step: 4, code: 13)
        #expect(state.guestSpoke(2, .failed(step: 4, code: 13)) == [.refuse(2, .step(entry)), .sendDestroy(2)])
        #expect(state.received(.destroyed(2)) == [.gone(2)])
    }

    @Test("a zygote that dies on the way, or want of a place, means later, not never")
    func passingFailures() {
        var state = serving()
        for (id, code) in [(UInt32(1), ESRCH), (2, EAGAIN)] {
            _ = state.createRequested(id, zygote: 0, deadline: deadline)
            let actions = state.received(.failed(id, StepFailure(section: 0, step: -1, code: code)))
            guard case .refuse(id, .unavailable) = actions.first else { return #expect(Bool(false), "\(actions)") }
        }
    }

    @Test("a maker that gives up leaves nothing, whatever was reached")
    func cancellation() {
        var state = LauncherState(zygotes: ["bare"])
        _ = state.createRequested(1, zygote: 0, deadline: deadline)
        #expect(state.creationCancelled(1) == [.refuse(1, .cancelled), .gone(1)])
        _ = state.received(.launcherReady(version: CI_PROTOCOL_VERSION))
        _ = state.received(.zygoteReady(0))
        _ = state.createRequested(2, zygote: 0, deadline: deadline)
        #expect(state.creationCancelled(2) == [.refuse(2, .cancelled), .sendDestroy(2)])
        #expect(state.received(.created(2)) == [])
        #expect(state.received(.destroyed(2)) == [.gone(2)])
        #expect(state.creationCancelled(2) == [])
    }

    @Test("what does not become ready in time is given up")
    func deadlines() {
        var state = serving()
        _ = state.createRequested(1, zygote: 0, deadline: deadline)
        #expect(state.nextDeadline == deadline)
        #expect(state.timePassed(to: start) == [])
        #expect(
            state.timePassed(to: deadline) == [.refuse(1, .text("it did not become ready in time")), .sendDestroy(1)]
        )
        #expect(state.nextDeadline == nil)
    }

    @Test("with the launcher everything is lost but those who wait for it to come back")
    func launcherLost() {
        var state = standing()
        _ = state.createRequested(2, zygote: 1, deadline: deadline)
        _ = state.received(.zygoteLost(1, status: 0))
        _ = state.createRequested(3, zygote: 1, deadline: deadline)
        #expect(state.launcherLost("x") == [.lost(1, "x"), .gone(1), .refuse(2, .text("x")), .gone(2)])
        #expect(!state.isReady)
        _ = state.received(.launcherReady(version: CI_PROTOCOL_VERSION))
        #expect(state.received(.zygoteReady(1)) == [.sendCreate(3, zygote: 1)])
        #expect(state.received(.zygoteReady(0)) == [], "readiness is announced once")
    }

    @Test("a launcher that says it started again has lost everything of before")
    func launcherRestarted() {
        var state = standing()
        let actions = state.received(.launcherReady(version: CI_PROTOCOL_VERSION))
        #expect(actions == [.lost(1, "the launcher was started again"), .gone(1)])
        #expect(!state.isReady(zygote: 0))
    }

    @Test("what a launcher that started again makes for a request of before is destroyed")
    func orphans() {
        var state = serving()
        _ = state.createRequested(1, zygote: 0, deadline: deadline)
        let actions = state.received(.launcherReady(version: CI_PROTOCOL_VERSION))
        #expect(actions == [.refuse(1, .text("the launcher was started again")), .gone(1)])
        #expect(state.received(.created(1)) == [.sendDestroy(1)])
        #expect(state.received(.destroyed(1)) == [])
    }

    @Test("a launcher of another version is not used")
    func otherVersion() {
        var state = LauncherState(zygotes: ["bare"])
        let actions = state.received(.launcherReady(version: CI_PROTOCOL_VERSION + 1))
        guard case .giveUp = actions.first else { return #expect(Bool(false), "\(actions)") }
    }

    @Test("an interpreter that cannot start is given up with the reason, one that once served is waited for")
    func hopelessZygote() {
        var state = LauncherState(zygotes: ["bare"])
        _ = state.received(.launcherReady(version: CI_PROTOCOL_VERSION))
        for _ in 0..<3 { #expect(state.received(.zygoteLost(0, status: 256)) == []) }
        let reason = "the interpreter 'bare' cannot start: it ends with exit code 1"
        #expect(state.received(.zygoteLost(0, status: 256)) == [.giveUp(.text(reason))])
        var serving = serving()
        for _ in 0..<9 { #expect(serving.received(.zygoteLost(0, status: 256)) == []) }
    }

    @Test("whatever happens in whatever order, every maker and every sandbox has exactly one end")
    func randomOrders() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        var state = LauncherState(zygotes: ["bare", "full"])
        var answered: [UInt32: Int] = [:]
        var gone: [UInt32: Int] = [:]
        var known: [UInt32] = []
        var delivered: Set<UInt32> = []
        func note(_ actions: [LauncherState.Action]) {
            for action in actions {
                switch action {
                case .deliver(let id):
                    answered[id, default: 0] += 1
                    delivered.insert(id)
                case .refuse(let id, _): answered[id, default: 0] += 1
                case .gone(let id): gone[id, default: 0] += 1
                default: break
                }
            }
        }
        for _ in 0..<20_000 {
            let id = known.randomElement(using: &random) ?? 1
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1:
                known.append(UInt32(known.count + 1))
                note(
                    state.createRequested(
                        known[known.count - 1],
                        zygote: Int.random(in: 0..<2, using: &random),
                        deadline: deadline
                    )
                )
            case 2: note(state.received(.created(id)))
            case 3: note(state.guestSpoke(id, .ready))
            case 4: note(state.received(.failed(id, StepFailure(section: 5, step: 0, code: 1))))
            case 5: note(state.received(.exited(id, status: 0)))
            case 6: note(state.received(.destroyed(id)))
            case 7: note(state.creationCancelled(id))
            case 8 where delivered.contains(id) && gone[id] == nil: note(state.destroyRequested(id))
            case 9: note(state.received(.zygoteReady(Int.random(in: 0..<2, using: &random))))
            case 10: note(state.received(.zygoteLost(Int.random(in: 0..<2, using: &random), status: 9)))
            case 11 where Int.random(in: 0..<50, using: &random) == 0:
                note(state.received(.launcherReady(version: CI_PROTOCOL_VERSION)))
            default: break
            }
        }
        note(state.timePassed(to: deadline))
        note(state.launcherLost("end"))
        for id in known {
            #expect(answered[id] == 1, "sandbox \(id) of seed \(seed)")
            #expect(gone[id] == 1, "sandbox \(id) of seed \(seed)")
        }
    }
}
