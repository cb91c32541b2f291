/// A relative path inside a workspace that cannot leave it by its text.
///
/// At least one component; none empty, `.` or `..`; no component above 255 bytes, 4,096 in all; no NUL. What the path meets on the
/// way (links, devices) is checked when it is opened.
package struct WorkspacePath: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Where the program itself lies; nothing else may be staged there in a one-shot execution.
    package static let entrypoint = WorkspacePath(unchecked: "__main__.py")

    /// The components joined by `/`.
    package let string: String

    /// Takes a path as a client wrote it; `a//b` and `./a` are `a/b` and `a`.
    ///
    /// Looks at bytes, as the kernel will: to Swift a slash and a combining accent behind it are one character, and no slash.
    package init(_ text: String) throws(Invalid) {
        let bytes = text.utf8
        if bytes.first == UInt8(ascii: "/") { throw .absolute }
        if bytes.contains(0) { throw .containsNUL }
        let components = bytes.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual(".".utf8) }
        if components.contains(where: { $0.elementsEqual("..".utf8) }) { throw .leavesWorkspace }
        if components.isEmpty { throw .empty }
        if components.contains(where: { $0.count > 255 }) || bytes.count > 4096 { throw .tooLong }
        self.string = String(decoding: Array(components.joined(separator: [UInt8(ascii: "/")])), as: UTF8.self)
    }

    private init(unchecked string: String) { self.string = string }

    /// Why a text is no path.
    package enum Invalid: Error, Sendable, Equatable {
        case empty
        case absolute
        case leavesWorkspace
        case tooLong
        case containsNUL
    }

    package var description: String { string }

    /// By bytes, as the kernel does: two spellings of the same letter are two files.
    package static func == (left: WorkspacePath, right: WorkspacePath) -> Bool {
        left.string.utf8.elementsEqual(right.string.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for byte in string.utf8 { hasher.combine(byte) }
    }

    /// By bytes, so that the order does not depend on a locale.
    package static func < (left: WorkspacePath, right: WorkspacePath) -> Bool {
        left.string.utf8.lexicographicallyPrecedes(right.string.utf8)
    }
}
