// Who may use the server.
extension Setting {
    static let access = [
        choice(
            "AUTH_MODE",
            \.authenticationMode,
            "Who may use the API: everybody who reaches it, whoever has a key, or the first who claims it."
        ),
        Setting(
            name: "API_KEYS",
            defaultText: "none",
            range: "name:key pairs separated by commas, or none",
            meaning:
                "Keys for `AUTH_MODE` token, each with files of its own. Only in the environment: flags are seen by all.",
            isSwitch: false,
            isSecret: true
        ) { text, settings in
            if text.lowercased() == "none" { return nil }
            let entries = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingSpaces() }
            let (keys, problems) = APIKey.read(entries)
            settings.apiKeys += keys
            return problems.isEmpty ? nil : problems.joined(separator: "; ")
        },
        text(
            "API_KEYS_FILE",
            \.apiKeysFile,
            default: "no file",
            range: "a file with one name:key a line",
            "More keys, read at the start, before root is given up. Lines beginning with # are comments."
        ) { !$0.isEmpty },
        list(
            "CORS_ORIGINS",
            \.crossOrigins,
            range: "origins such as https://app.example separated by commas, or none",
            "Web pages elsewhere that may use the API from a browser; `*` allows every page."
        ) { isOrigin($0) },
    ]

    /// `*`, or scheme, host and perhaps a port, and nothing behind them.
    private static func isOrigin(_ text: Substring) -> Bool {
        if text == "*" { return true }
        guard let separator = text.firstRange(of: "://") else { return false }
        let (scheme, host) = (text[..<separator.lowerBound], text[separator.upperBound...])
        return !scheme.isEmpty && scheme.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }
            && !host.isEmpty && host.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "/") }
    }
}
