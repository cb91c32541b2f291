import Glibc
import GuestDriving

/// What the kernel counts for one sandbox. Every answer is nil where the host cannot tell, or the sandbox is gone.
struct SandboxStatistics: ResourceCounters {
    private let files: [SandboxPlan.Statistic: Descriptor]

    init(_ kinds: [SandboxPlan.Statistic], _ descriptors: [Descriptor]) {
        files = Dictionary(uniqueKeysWithValues: zip(kinds, descriptors))
    }

    /// How many processes the kernel killed for want of memory.
    var outOfMemoryKills: Int? { value(.outOfMemoryEvents, named: "oom_kill") }
    /// In bytes.
    var memoryPeak: Int? { value(.memoryPeak, named: nil) }
    /// Init is always there. A second one may be the main process on its way out, or somebody who stays.
    var hasSurvivors: Bool? { value(.processes, named: nil).map { $0 > 1 } }
    /// Of all processes that ever were in it.
    var processorTime: Duration? {
        // Version 1 has one number, in nanoseconds; version 2 a table with microseconds.
        value(.processorUsage, named: nil).map { .nanoseconds($0) }
            ?? value(.processorUsage, named: "usage_usec").map { .microseconds($0) }
    }

    /// The only number of a file, or the one behind a name at the start of a line.
    private func value(_ kind: SandboxPlan.Statistic, named name: String?) -> Int? {
        guard let file = files[kind] else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 1) { buffer in
            let size = pread(file.raw, buffer.baseAddress, buffer.count, 0)
            guard size > 0 else { return nil }
            return Self.number(in: buffer[..<size], named: name)
        }
    }

    static func number(in text: some Collection<UInt8>, named name: String?) -> Int? {
        for line in text.split(separator: 10) {
            let words = line.split(separator: 32)
            if let name {
                guard words.count == 2, words[0].elementsEqual(name.utf8) else { continue }
                return Int(String(decoding: words[1], as: UTF8.self))
            }
            return words.count == 1 ? Int(String(decoding: words[0], as: UTF8.self)) : nil
        }
        return nil
    }
}
