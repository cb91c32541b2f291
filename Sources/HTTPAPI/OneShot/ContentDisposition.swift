/// The Content-Disposition header of downloads (RFC 6266).
enum ContentDisposition {
    /// An attachment under the last component of `filename`.
    ///
    /// The plain form has only printable ASCII; where that is not the whole name, `filename*` follows with all of it, percent-encoded, so that no name can
    /// end the value or the header.
    static func attachment(named filename: String) -> String {
        // By bytes: to Swift a slash and an accent behind it are one character, and no slash.
        let name = filename.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) } ?? "file"
        let plain = String(name.unicodeScalars.map { isPlain($0) ? Character($0) : "_" })
        if plain == name { return "attachment; filename=\"\(plain)\"" }
        return "attachment; filename=\"\(plain)\"; filename*=UTF-8''\(PercentEncoding.encode(name))"
    }

    /// Percent signs are left out because some browsers decode them in the plain form.
    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        (0x20...0x7E).contains(scalar.value) && scalar != "\"" && scalar != "\\" && scalar != "%"
    }
}
