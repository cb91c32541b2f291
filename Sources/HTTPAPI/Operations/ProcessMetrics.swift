import FoundationEssentials

/// What the system says about this process. nil where it does not say.
struct ProcessMetrics: Sendable, Equatable {
    var residentBytes: Int?
    var openFileDescriptors: Int?
    var threads: Int?

    /// Reads /proc/self, proc(5): memory of the kernel, no disk.
    static func read() -> ProcessMetrics {
        // Without /proc there is nothing to tell; that is no reason to fail.
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let descriptors = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        return ProcessMetrics(
            residentBytes: value("VmRSS", in: status).map { $0 * 1024 },
            openFileDescriptors: descriptors?.count,
            threads: value("Threads", in: status)
        )
    }

    /// The number of a line such as `VmRSS:     21340 kB`.
    static func value(_ name: String, in status: String) -> Int? {
        for line in status.split(separator: "\n") where line.hasPrefix(name + ":") {
            return line.split(whereSeparator: { " \t:".contains($0) }).dropFirst().first.flatMap { Int($0) }
        }
        return nil
    }
}
