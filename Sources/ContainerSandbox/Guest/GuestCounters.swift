import GuestDriving
import JSON
import Synchronization

/// What the guest of a container counted last.
///
/// It is the guest that says so, and in no other way does anything depend on it: time, output and the container's own limits are kept by others.
final class GuestCounters: ResourceCounters {
    private struct Values {
        var processorTime: Duration?
        var memoryPeak: Int?
        var kills: Int?
        var processes: Int?
    }

    private let values: Mutex<Values>

    init(countsProcessorTime: Bool) {
        values = Mutex(Values(processorTime: countsProcessorTime ? .zero : nil))
    }

    /// Takes a `usage`; false for what is not understood.
    func update(_ usage: JSONValue?) -> Bool {
        guard case .object(let fields)? = usage else { return false }
        var read: [String: Int] = [:]
        for (name, value) in zip(fields.names, fields.values) {
            guard let number = value.integer, 0...Self.largest ~= number else { return false }
            read[name] = number
        }
        values.withLock { values in
            if let time = read["cpu_us"] {
                values.processorTime = max(values.processorTime ?? .zero, .microseconds(time))
            }
            values.memoryPeak = read["memory_peak"] ?? values.memoryPeak
            values.kills = read["oom_kills"] ?? values.kills
            values.processes = read["processes"] ?? values.processes
        }
        return true
    }

    /// The kernel killed the whole container.
    func countKill() { values.withLock { $0.kills = ($0.kills ?? 0) + 1 } }

    /// So that no sum of such numbers overflows.
    private static let largest = 1 << 53

    var outOfMemoryKills: Int? { values.withLock { $0.kills } }
    var memoryPeak: Int? { values.withLock { $0.memoryPeak } }
    var processorTime: Duration? { values.withLock { $0.processorTime } }
    var hasSurvivors: Bool? { values.withLock { $0.processes.map { $0 > 0 } } }
}
