import Synchronization

/// Looks once a beat for streams that are silent. One for all of them: a timer for each would cost every short cell
/// more than it needs itself.
final class StreamPulse: Sendable {
    /// How long a stream may be silent before its client hears that it lives.
    private let silence: Duration
    private let beat: Duration
    private let queues = Mutex<[ObjectIdentifier: CellQueue]>([:])

    init(silence: Duration = .seconds(5), beat: Duration = .seconds(1)) {
        (self.silence, self.beat) = (silence, beat)
    }

    func add(_ queue: CellQueue) { queues.withLock { $0[ObjectIdentifier(queue)] = queue } }

    func remove(_ queue: CellQueue) { _ = queues.withLock { $0.removeValue(forKey: ObjectIdentifier(queue)) } }

    /// Beats until the task is cancelled.
    func run() async {
        while (try? await Task.sleep(for: beat)) != nil {  // Fails only when it is cancelled.
            for queue in queues.withLock({ Array($0.values) }) { queue.tick(silence: silence) }
        }
    }
}
