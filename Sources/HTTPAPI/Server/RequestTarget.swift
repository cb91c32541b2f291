import HTTPTypes

/// The target of a request, taken apart by bytes: to Swift a question mark and an accent behind it are one character,
/// and no question mark.
struct RequestTarget: Sendable {
    /// As the client wrote it.
    let path: Substring
    /// What stands behind the first question mark; nil where there is none.
    let query: Substring?

    init(_ head: HTTPRequest) {
        let target = head.path ?? ""
        guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else {
            path = target[...]
            query = nil
            return
        }
        path = target[..<mark]
        query = target[target.utf8.index(after: mark)...]
    }

    /// The last value of that name in the query, decoded: `+` is a space there. nil when there is none.
    func queryValue(_ name: String) -> [UInt8]? {
        let pairs = (query ?? "").utf8.split(separator: UInt8(ascii: "&")).map {
            $0.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
        }
        guard let pair = pairs.last(where: { Self.decoded($0[0]).elementsEqual(name.utf8) }) else { return nil }
        return pair.count == 2 ? Self.decoded(pair[1]) : []
    }

    private static func decoded(_ text: Substring.UTF8View) -> [UInt8] {
        PercentEncoding.decodedBytes(text.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: " ") : $0 })
    }
}
