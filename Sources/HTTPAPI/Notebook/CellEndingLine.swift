import Execution
import JSON
import NIOCore

/// The line that tells how a cell ended, where that is more than that it did. Ours; clients that do not know it pass over it.
enum CellEndingLine {
    /// `{"type":"ending","reason":…,"context":"kept"|"lost",…}`; nothing for a cell that just ended.
    static func write(_ ending: CellEnding, to buffer: inout ByteBuffer) {
        guard ending.death != nil || ending.stop != nil else { return }
        var writer = JSONWriter()
        writer.raw("{\"type\":\"ending\",\"reason\":")
        writer.string(ending.death.map(reason) ?? ending.stop?.rawValue ?? "")
        if let stop = ending.stop {
            writer.raw(",\"stopped_by\":")
            writer.string(stop.rawValue)
        }
        writer.raw(",\"context\":")
        writer.string(ending.death == nil ? "kept" : "lost")
        switch ending.death {
        case .ended: writer.raw(",\"exit_code\":0")
        case .exited(let code):
            writer.raw(",\"exit_code\":")
            writer.integer(code)
        case .signalled(let signal):
            writer.raw(",\"signal\":")
            writer.integer(signal)
        default: break
        }
        if let bytes = ending.peakMemoryBytes {
            writer.raw(",\"peak_memory_bytes\":")
            writer.integer(bytes)
        }
        writer.raw("}\n")
        buffer.writeImmutableBuffer(writer.buffer)
    }

    /// What a client that does not know our line should see when the interpreter is gone.
    static func error(of ending: CellEnding) -> CellError? {
        // What the cell asked for needs no explanation.
        guard let death = ending.death, death != .ended else { return nil }
        let text = explanation(death) + " Its variables are lost; the next execution gets a fresh interpreter."
        return CellError(name: "ContextLost", value: text, traceback: text)
    }

    private static func reason(_ death: KernelDeath) -> String {
        switch death {
        case .ended, .exited: "exit"
        case .signalled: "signal"
        case .memoryLimit: "memory"
        case .unresponsive: "unresponsive"
        case .garbled: "protocol"
        case .replaced: "restart"
        case .lost: "sandbox_lost"
        }
    }

    private static func explanation(_ death: KernelDeath) -> String {
        switch death {
        case .ended: "The interpreter ended as it was asked to."
        case .exited(let code): "The interpreter ended with exit code \(code)."
        case .signalled(let signal): "The interpreter was killed by signal \(signal)."
        case .memoryLimit: "The interpreter was killed because the sandbox ran out of memory."
        case .unresponsive: "The interpreter was killed because it did not heed an interrupt."
        case .garbled: "The interpreter was killed because it broke the rules of its channel."
        case .replaced: "The context was restarted or deleted."
        case .lost: "The sandbox was lost."
        }
    }
}
