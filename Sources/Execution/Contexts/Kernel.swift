/// The live interpreter of one context, inside a sandbox.
package protocol Kernel: AnyObject, Sendable {
    /// Why it is gone; nil while it lives.
    var death: KernelDeath? { get }

    /// Runs one cell to its end. One at a time.
    ///
    /// `events` is called in order, from one thread at a time, may block it (that is the backpressure) and is never called after the return.
    /// Where the interpreter died before the cell began there is no event at all. Cancelling the task stops the cell as ``interrupt(_:)`` does, and throws nothing.
    func run(_ cell: Cell, events: @escaping @Sendable (CellEvent) -> Void) async -> CellEnding

    /// Interrupts the cell that runs, if any: SIGINT first; what does not heed it in a grace is killed.
    func interrupt(_ stop: CellEnding.Stop)

    /// Ends it, with every process that stayed in its group, and whatever cell it runs. Does not wait.
    func kill()
}

/// Why a context cannot be had.
package enum KernelRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    /// The directory is none.
    case directory(String)
    /// Nothing here speaks that language.
    case language(String)
    /// Its interpreter does not start.
    case start(String)

    /// How many Unicode scalars of a message are kept: its author is a guest.
    package static let maximumMessage = 1000

    package var description: String {
        switch self {
        case .directory(let message), .language(let message), .start(let message): message
        }
    }
}
