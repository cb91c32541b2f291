/// A multipart/form-data body under construction.
package struct Multipart: Sendable {
    package var boundary: String
    private var bytes: [UInt8] = []

    package init(boundary: String = "7c5e0f2b9d1a4388") { self.boundary = boundary }

    /// The content of a form with one file.
    package static func file(_ name: String, _ content: [UInt8], type: String = "application/octet-stream") -> Multipart
    {
        var form = Multipart()
        form.add(#"form-data; name="file"; filename="\#(name)""#, type: type, content)
        return form
    }

    /// Adds a part with that Content-Disposition, written as it is.
    package mutating func add(_ disposition: String, type: String? = nil, _ content: [UInt8]) {
        bytes += "--\(boundary)\r\nContent-Disposition: \(disposition)\r\n".utf8
        if let type { bytes += "Content-Type: \(type)\r\n".utf8 }
        bytes += "\r\n".utf8
        bytes += content
        bytes += "\r\n".utf8
    }

    package var header: (String, String) { ("Content-Type", "multipart/form-data; boundary=\(boundary)") }

    package var body: [UInt8] { bytes + Array("--\(boundary)--\r\n".utf8) }
}
