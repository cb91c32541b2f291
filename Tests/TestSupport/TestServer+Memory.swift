extension TestServer {
    /// Memory of the server process that is in RAM, in bytes.
    package var residentBytes: Int {
        let line = (Host.text("/proc/\(process.pid)/status") ?? "").split(separator: "\n").first {
            $0.hasPrefix("VmRSS:")
        }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
    }
}
