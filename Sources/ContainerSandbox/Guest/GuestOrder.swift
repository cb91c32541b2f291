import Execution
import JSON
import NIOCore

/// What streams are opened with; docs/PROTOCOL.md lists it.
enum GuestOrder {
    static func process(cpuTime: Duration?) -> ByteBuffer {
        object("process") { json in
            guard let cpuTime else { return }
            json.raw(",\"cpu_ms\":")
            json.integer(max(1, Int(cpuTime / .milliseconds(1))))
        }
    }

    static func killAll() -> ByteBuffer { object("kill") }

    static func list(_ path: TreePath, limit: Int) -> ByteBuffer {
        object("list") { json in
            write(path.components, to: &json)
            json.raw(",\"limit\":")
            json.integer(limit)
        }
    }

    static func open(_ path: TreePath) -> ByteBuffer {
        object("open") { json in
            write(path, to: &json)
            json.raw(",\"follow\":true")
        }
    }

    /// Of a file that no link leads to.
    static func open(_ path: WorkspacePath) -> ByteBuffer {
        object("open") { json in
            write([Array(path.string.utf8)], to: &json)
            json.raw(",\"follow\":false")
        }
    }

    static func read(_ handle: Int, offset: Int, length: Int) -> ByteBuffer {
        object("read") { json in
            json.raw(",\"handle\":")
            json.integer(handle)
            json.raw(",\"offset\":")
            json.integer(offset)
            json.raw(",\"length\":")
            json.integer(length)
        }
    }

    static func close(_ handle: Int) -> ByteBuffer {
        object("close") { json in
            json.raw(",\"handle\":")
            json.integer(handle)
        }
    }

    static func write(_ path: TreePath, limit: Int, condition: TreeCondition) -> ByteBuffer {
        object("write") { json in
            write(path, to: &json)
            json.raw(",\"limit\":")
            json.integer(limit)
            json.raw(",\"condition\":{\"if\":")
            json.string(condition.word)
            json.raw(",\"tags\":")
            json.list(condition.tags) { $0.string($1) }
            json.raw("}")
        }
    }

    static func stage(_ path: WorkspacePath, sha256: String) -> ByteBuffer {
        object("stage") { json in
            write([Array(path.string.utf8)], to: &json)
            json.raw(",\"sha256\":")
            json.string(sha256)
        }
    }

    static func remove(_ path: TreePath) -> ByteBuffer {
        object("remove") { json in write(path, to: &json) }
    }

    static func produced(_ limits: ProducedFileLimits) -> ByteBuffer {
        object("produced") { json in
            json.raw(",\"count\":")
            json.integer(limits.count)
            json.raw(",\"file_bytes\":")
            json.integer(limits.bytesPerFile)
            json.raw(",\"total_bytes\":")
            json.integer(limits.totalBytes)
            json.raw(",\"depth\":")
            json.integer(limits.depth)
            json.raw(",\"entries\":")
            json.integer(limits.entries)
        }
    }

    private static func object(_ type: StaticString, _ members: (inout JSONWriter) -> Void = { _ in }) -> ByteBuffer {
        var json = JSONWriter()
        json.raw("{\"type\":\"")
        json.raw(type)
        json.raw("\"")
        members(&json)
        json.raw("}")
        return json.buffer
    }

    private static func write(_ path: TreePath, to json: inout JSONWriter) {
        write(path.components, to: &json)
        json.raw(",\"directory\":")
        json.bool(path.mustBeDirectory)
    }

    private static func write(_ components: [[UInt8]], to json: inout JSONWriter) {
        json.raw(",\"path\":")
        json.string(HexadecimalName.encode(components.joined(separator: [UInt8(ascii: "/")])))
    }
}

extension TreeCondition {
    /// The protocol's word for it.
    fileprivate var word: String {
        switch self {
        case .none: "none"
        case .isMissing: "missing"
        case .exists: "exists"
        case .hasTag: "tags"
        }
    }

    fileprivate var tags: [String] {
        if case .hasTag(let tags) = self { tags } else { [] }
    }
}
