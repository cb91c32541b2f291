package import NIOCore

/// Code to run in a context, as a notebook runs a cell.
package struct Cell: Sendable, Equatable {
    /// A variable of the environment.
    package struct Variable: Sendable, Equatable {
        package var name: String
        package var value: String
        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package var code: String
    /// Set for this cell; afterwards what was there before is back.
    package var environment: [Variable]
    /// Most wall time from its start; nil is no limit.
    package var timeLimit: Duration?

    package init(code: String, environment: [Variable] = [], timeLimit: Duration? = nil) {
        self.code = code
        self.environment = environment
        self.timeLimit = timeLimit
    }
}

/// What happens while a cell runs, in the order in which it happened.
package enum CellEvent: Sendable, Equatable {
    /// It begins; always the first event, if there is one. `executionCount` is what stands in a notebook's brackets.
    case started(executionCount: Int)
    /// Bytes of a stream, cut anywhere, not necessarily UTF-8.
    case output(OutputStream, ByteBuffer)
    /// Something to show; `isMain` for the value of the last expression.
    case display(MIMEBundle, isMain: Bool)
    case error(CellError)
}

/// One thing to show, in several forms.
package struct MIMEBundle: Sendable, Equatable {
    package struct Item: Sendable, Equatable {
        /// Such as `image/png`.
        package var type: String
        /// The value as JSON: one line of ASCII that was checked. A string for all but JSON types.
        package var json: ByteBuffer
        package init(type: String, json: ByteBuffer) {
            self.type = type
            self.json = json
        }
    }

    package var items: [Item]

    package init(items: [Item]) { self.items = items }
}

/// An exception that ended a cell, as the interpreter words it.
package struct CellError: Sendable, Equatable {
    package var name: String
    package var value: String
    /// Lines joined by newlines, with the colours of a terminal.
    package var traceback: String
    package init(name: String, value: String, traceback: String) {
        self.name = name
        self.value = value
        self.traceback = traceback
    }
}

/// How a cell ended. A value, never an error: untrusted code cannot make us throw.
package struct CellEnding: Sendable, Equatable {
    /// Whether and why the context's interpreter is gone; nil where it lives on with its variables.
    package var death: KernelDeath?
    /// Who stopped the cell, if anybody did.
    package var stop: Stop?
    /// Highest memory use of the whole sandbox so far, in bytes; nil where the host cannot tell.
    package var peakMemoryBytes: Int?

    package init(death: KernelDeath? = nil, stop: Stop? = nil, peakMemoryBytes: Int? = nil) {
        self.death = death
        self.stop = stop
        self.peakMemoryBytes = peakMemoryBytes
    }

    /// The outcome of the cell in metrics.
    package var metricsLabel: String {
        switch (death, stop) {
        case (nil, nil): "ended"
        case (nil, .timeLimit): "timeout"
        case (nil, .interrupted): "interrupted"
        case (nil, .abandoned): "cancelled"
        case (.memoryLimit, _): "memory_limit"
        case (.signalled, _): "signal"
        case (.ended, _), (.exited, _): "exit"
        case (.unresponsive, _): "unresponsive"
        case (.garbled, _), (.lost, _): "failed"
        case (.replaced, _): "restarted"
        }
    }

    /// Who stopped a cell.
    package enum Stop: String, Sendable, Equatable {
        /// Its time was up.
        case timeLimit = "timeout"
        /// Somebody asked for it.
        case interrupted = "interrupt"
        /// Its client went away.
        case abandoned = "disconnect"
    }
}

/// Why the interpreter of a context is gone.
package enum KernelDeath: Sendable, Equatable {
    /// The cell asked for it in the way of its language, such as exit().
    case ended
    /// It ended by itself, with this exit code.
    case exited(Int)
    case signalled(Int)
    /// The kernel of the system killed it for the memory of its sandbox.
    case memoryLimit
    /// We killed it, because it did not heed an interrupt.
    case unresponsive
    /// It broke the rules of its channel, and was killed.
    case garbled
    /// Its context was restarted or deleted.
    case replaced
    /// Its sandbox was lost.
    case lost(String)
}
