/// What the headers of one part say.
struct MultipartPart: Equatable, Sendable {
    /// Of the form field.
    var name: String?
    /// As the client named the file; not a path to be trusted. nil for a field that is no file.
    var filename: String?

    /// Takes one header line without its end; false when it is none.
    mutating func takeHeader(_ line: ArraySlice<UInt8>) -> Bool {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            line[..<colon].allSatisfy(HeaderParameters.isTokenByte)
        else { return false }
        let header = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        guard header == "content-disposition" else { return true }
        guard let disposition = HeaderParameters(line[(colon + 1)...]) else { return false }
        name = disposition.text("name")
        filename = (disposition.extendedText("filename") ?? disposition.text("filename")).map(Self.withoutDirectory)
        return true
    }

    /// Old browsers send the whole path of the file on their machine.
    private static func withoutDirectory(_ filename: String) -> String {
        let backslash = UInt8(ascii: "\\")
        let bytes = Array(filename.utf8.prefix(3))
        let hasDrive = bytes.count == 3 && bytes[1] == UInt8(ascii: ":") && bytes[2] == backslash
        guard hasDrive || bytes.first == backslash, let last = filename.utf8.lastIndex(of: backslash) else {
            return filename
        }
        return String(filename[filename.utf8.index(after: last)...])
    }
}
