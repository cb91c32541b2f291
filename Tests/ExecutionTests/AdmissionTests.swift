import TestSupport
import Testing

@testable import Execution

@Suite("Admission decides who may run")
struct AdmissionTests {
    @Test("as many run at once as there are places, the rest queue in order, and places pass on in that order")
    func placesPassOnInOrder() {
        var admission = Admission<Int>(limit: 2, queueLimit: 3)
        #expect(
            (1...6).map { admission.arrive($0) } == [
                .admitted, .admitted, .queued, .queued, .queued, .refused(.queueFull),
            ]
        )
        #expect(admission.leave() == 3)
        #expect(admission.leave() == 4)
        #expect(admission.leave() == 5)
        #expect(admission.leave() == nil)
        #expect(admission.running == 1)
        #expect(admission.arrive(7) == .admitted)
    }

    @Test("who gave up is passed over")
    func whoGaveUpIsPassedOver() {
        var admission = Admission<Int>(limit: 1, queueLimit: 3)
        _ = (1...3).map { admission.arrive($0) }
        #expect(admission.giveUp(2) == true)
        #expect(admission.giveUp(2) == false)
        #expect(admission.giveUp(1) == false)
        #expect(admission.leave() == 3)
    }

    @Test("stopping refuses who waits and who comes, and leaves those who run alone")
    func stopping() {
        var admission = Admission<Int>(limit: 1, queueLimit: 3)
        _ = (1...3).map { admission.arrive($0) }
        #expect(admission.stop() == [2, 3])
        #expect(admission.arrive(4) == .refused(.stopping))
        #expect(admission.running == 1)
        #expect(admission.leave() == nil)
        #expect(admission.arrive(5) == .refused(.stopping))
    }

    @Test("it behaves as a naive list does, over 20,000 random steps")
    func randomSteps() async {
        await withRandomSeed { random in
            for _ in 0..<20 { Self.compareWithList(&random) }
        }
    }

    private static func compareWithList(_ random: inout SeededGenerator) {
        let limit = Int.random(in: 1...5, using: &random)
        let queueLimit = Int.random(in: 0...8, using: &random)
        var admission = Admission<Int>(limit: limit, queueLimit: queueLimit)
        var running = 0
        var queue: [Int] = []
        var isStopped = false
        for step in 0..<1_000 {
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<45:
                let answer = admission.arrive(step)
                if isStopped {
                    #expect(answer == .refused(.stopping))
                } else if running < limit {
                    #expect(answer == .admitted)
                    running += 1
                } else if queue.count < queueLimit {
                    #expect(answer == .queued)
                    queue.append(step)
                } else {
                    #expect(answer == .refused(.queueFull))
                }
            case 45..<85 where running > 0:
                let next = admission.leave()
                #expect(next == queue.first)
                if queue.isEmpty { running -= 1 } else { queue.removeFirst() }
            case 85..<99:
                let waiter = queue.randomElement(using: &random) ?? step
                #expect(admission.giveUp(waiter) == queue.contains(waiter))
                queue.removeAll { $0 == waiter }
            case 99 where step > 800:
                #expect(admission.stop() == queue)
                queue = []
                isStopped = true
            default: break
            }
            #expect(admission.running == running && admission.queued == queue.count)
            #expect(running <= limit && queue.count <= queueLimit)
            #expect(queue.isEmpty || running == limit, "a place is free while somebody waits")
        }
    }
}
