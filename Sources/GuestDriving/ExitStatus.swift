/// A wait status as of waitpid(2).
package struct ExitStatus: Sendable, Equatable, CustomStringConvertible {
    private let raw: Int32

    package init(_ raw: Int32) { self.raw = raw }

    /// Nil when a signal ended it.
    package var code: Int? { raw & 0x7f == 0 ? Int(raw >> 8 & 0xff) : nil }
    /// Nil when it ended by itself.
    package var signal: Int? { raw & 0x7f == 0 ? nil : Int(raw & 0x7f) }

    package var description: String {
        if let signal { return "signal \(signal)" }
        return "exit code \(code ?? 0)"
    }
}
