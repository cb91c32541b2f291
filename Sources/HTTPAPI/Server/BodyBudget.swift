import Synchronization

/// Bounds the memory that bodies being read or worked on take together, however many connections send them.
final class BodyBudget: Sendable {
    private let free: Mutex<Int>

    init(bytes: Int) { free = Mutex(bytes) }

    /// One request's share, empty at first.
    func lease() -> Lease { Lease(budget: self) }

    /// What one request holds. Given back by ``end()``, at the latest when nobody refers to it any more.
    final class Lease: Sendable {
        private let budget: BodyBudget
        private let held = Mutex(0)

        fileprivate init(budget: BodyBudget) { self.budget = budget }

        deinit { end() }

        /// Takes `count` bytes more; false, and nothing is taken, when they are not there.
        func grow(by count: Int) -> Bool {
            let isThere = budget.free.withLock { free in
                guard free >= count else { return false }
                free -= count
                return true
            }
            if isThere { held.withLock { $0 += count } }
            return isThere
        }

        /// Gives back what is above `count`; nothing where less is held.
        func shrink(to count: Int) {
            let excess = held.withLock { held in
                let excess = max(0, held - count)
                held -= excess
                return excess
            }
            budget.free.withLock { $0 += excess }
        }

        /// Gives everything back.
        func end() { shrink(to: 0) }
    }
}
