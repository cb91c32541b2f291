/// Asks `condition` again and again until it holds.
///
/// - Returns: whether it held before the deadline.
package func eventually(
    within deadline: Duration = .seconds(60),
    every interval: Duration = .milliseconds(20),
    _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let end = ContinuousClock.now + deadline
    while true {
        if try await condition() { return true }
        if ContinuousClock.now >= end { return false }
        // A cancelled sleep returns at once; the loop still ends at its deadline.
        try? await Task.sleep(for: interval)
    }
}

/// Runs `body` and cancels it at the deadline.
///
/// - Throws: ``DeadlineExceeded``, or what `body` throws.
package func withDeadline<Value: Sendable>(
    _ deadline: Duration,
    _ what: String,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: deadline)
            return nil
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() ?? nil else { throw DeadlineExceeded(what: what, deadline: deadline) }
        return value
    }
}

/// Something did not happen in time.
package struct DeadlineExceeded: Error, CustomStringConvertible {
    var what: String
    var deadline: Duration

    package var description: String { "\(what): not within \(deadline)" }
}

/// Lets a bounded number of tasks pass at a time, in the order in which they came.
package actor Turnstile {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    package init(places: Int) { free = places }

    /// Runs `body` as soon as there is a place.
    package func pass<Value: Sendable>(_ body: @Sendable () async throws -> Value) async rethrows -> Value {
        await enter()
        defer { leave() }
        return try await body()
    }

    private func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func leave() {
        if waiting.isEmpty {
            free += 1
        } else {
            waiting.removeFirst().resume()
        }
    }
}
