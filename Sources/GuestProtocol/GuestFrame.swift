package import Execution
import JSON
package import NIOCore

/// What a guest may say over its channel. Everything it says is as trustworthy as user code. docs/PROTOCOL.md names the frames.
package enum GuestFrame: Sendable, Equatable {
    /// Step `step` of `[entry]` failed; -1: the runtime itself.
    case failed(step: Int, code: Int32)
    /// Confined, warm, waiting.
    case ready
    /// The program of an execution ended.
    case done(exitCode: Int)
    /// The interpreter of a context waits for cells.
    case opened
    /// The interpreter of a context cannot be had.
    case refused(KernelRefusal)
    /// What happens in a cell; `id` is the server's own number of it.
    case cell(id: Int, CellFrame)
}

/// A frame that belongs to one cell.
package enum CellFrame: Sendable, Equatable {
    case event(CellEvent)
    /// It ended; `ends` says that its interpreter ends with it.
    case done(ends: Bool)
}

extension GuestFrame {
    /// Takes the JSON of one frame; nil for what is not understood.
    package init?(_ json: ByteBuffer) {
        guard let members = JSONScanner.members(of: json, limit: 16) else { return nil }
        // Of a name that occurs twice the last counts.
        let fields = Fields(values: Dictionary(members, uniquingKeysWith: { $1 }))
        guard let type = fields.text("type") else { return nil }
        switch type {
        case "ready": self = .ready
        case "opened": self = .opened
        case "failed":
            guard let step = fields.integer("step"), let code = fields.integer("errno").flatMap(Int32.init(exactly:))
            else { return nil }
            self = .failed(step: step, code: code)
        case "refused":
            guard let refusal = fields.refusal else { return nil }
            self = .refused(refusal)
        case "done":
            if let code = fields.integer("exit_code"), 0...255 ~= code {
                self = .done(exitCode: code)
            } else {
                guard let id = fields.integer("id") else { return nil }
                self = .cell(id: id, .done(ends: fields.bool("ends") ?? false))
            }
        default:
            guard let id = fields.integer("id"), let event = fields.event(type) else { return nil }
            self = .cell(id: id, .event(event))
        }
    }
}

/// The members of a frame by name.
private struct Fields {
    let values: [String: ByteBuffer]

    func text(_ name: String) -> String? { values[name].flatMap(JSONScanner.string) }
    func integer(_ name: String) -> Int? { values[name].flatMap(JSONScanner.integer) }
    func bool(_ name: String) -> Bool? { values[name].flatMap(JSONScanner.bool) }

    var refusal: KernelRefusal? {
        guard let whole = text("message") else { return nil }
        let message = String(String.UnicodeScalarView(whole.unicodeScalars.prefix(KernelRefusal.maximumMessage)))
        switch text("reason") {
        case "directory": return .directory(message)
        case "language": return .language(message)
        case "start": return .start(message)
        default: return nil
        }
    }

    func event(_ type: String) -> CellEvent? {
        switch type {
        case "started": integer("execution_count").map { .started(executionCount: $0) }
        case "output": output
        case "display": display
        case "error": error
        default: nil
        }
    }

    private var output: CellEvent? {
        guard let stream = text("stream").flatMap(OutputStream.init(rawValue:)), let text = text("text") else {
            return nil
        }
        return .output(stream, ByteBuffer(string: text))
    }

    private var display: CellEvent? {
        guard let isMain = bool("main"), let data = values["data"], let items = JSONScanner.members(of: data)
        else { return nil }
        return .display(MIMEBundle(items: items.map { MIMEBundle.Item(type: $0.name, json: $0.value) }), isMain: isMain)
    }

    private var error: CellEvent? {
        guard let name = text("name"), let value = text("value"), let traceback = text("traceback") else { return nil }
        return .error(CellError(name: name, value: value, traceback: traceback))
    }
}
