/// Finds the modules a Python program names in its imports, by looking at its text.
///
/// It is tolerant: it knows no syntax beyond words, and an import inside a comment or a string counts too. A wrong answer only costs time.
struct ImportScanner {
    /// First components of the module names found; relative imports are left out.
    private(set) var modules: Set<String> = []
    /// Whether a module is imported whose name is only known when the program runs.
    private(set) var hasComputedImport = false

    /// Imports stand at the beginning; what comes after this much text is not looked at.
    private static let mostBytes = 1 << 20

    private let text: [UInt8]
    private var position = 0
    /// Whether a statement may begin here.
    private var isAtStart = true

    /// Looks through `code`, in time linear in its length.
    init(_ code: String) {
        self.text = Array(code.utf8.prefix(Self.mostBytes))
        scan()
    }

    private mutating func scan() {
        while position < text.count {
            let byte = text[position]
            if byte.beginsWord {
                read(word: takeWord())
            } else {
                position += 1
                isAtStart = byte.beginsStatement || (isAtStart && byte.isBlank)
            }
        }
    }

    private mutating func read(word: ArraySlice<UInt8>) {
        let couldBeStatement = isAtStart
        isAtStart = false
        switch true {
        case couldBeStatement && word.elementsEqual("import".utf8): readModules()
        case couldBeStatement && word.elementsEqual("from".utf8): readOrigin()
        case word.elementsEqual("__import__".utf8), word.elementsEqual("import_module".utf8): readCall()
        default: break
        }
    }

    /// `a, b.c as d`
    private mutating func readModules() {
        repeat {
            skipBlanks()
            guard readModule() else { return }
            if peekWord().elementsEqual("as".utf8) {
                _ = takeWord()
                skipBlanks()
                _ = takeWord()
                skipBlanks()
            }
        } while take(.comma)
    }

    /// `a.b import c`
    private mutating func readOrigin() {
        skipBlanks()
        if position < text.count, text[position] == .dot { return }
        let name = takeDottedName()
        guard !name.isEmpty, peekWord().elementsEqual("import".utf8) else { return }
        _ = takeWord()
        insert(name)
    }

    /// `('a.b')`
    private mutating func readCall() {
        skipBlanks()
        guard take(.openingParenthesis) else { return }
        skipWhitespace()
        guard position < text.count else { return }
        let quote = text[position]
        guard quote == .singleQuote || quote == .doubleQuote else {
            hasComputedImport = true
            return
        }
        position += 1
        if !readModule() { hasComputedImport = true }
    }

    private mutating func readModule() -> Bool {
        let name = takeDottedName()
        if name.isEmpty { return false }
        insert(name)
        return true
    }

    /// Reads `a.b . c`, and the blanks behind it; returns `a`.
    private mutating func takeDottedName() -> ArraySlice<UInt8> {
        let name = takeWord()
        skipBlanks()
        while take(.dot) {
            skipBlanks()
            _ = takeWord()
            skipBlanks()
        }
        return name
    }

    private mutating func insert(_ name: ArraySlice<UInt8>) {
        modules.insert(String(decoding: name, as: UTF8.self))
    }
}

// MARK: - Words
extension ImportScanner {
    private func peekWord() -> ArraySlice<UInt8> {
        guard position < text.count, text[position].beginsWord else { return [] }
        let end = text[position...].firstIndex { !$0.continuesWord } ?? text.count
        return text[position..<end]
    }

    private mutating func takeWord() -> ArraySlice<UInt8> {
        let word = peekWord()
        position += word.count
        return word
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < text.count, text[position] == byte else { return false }
        position += 1
        return true
    }

    /// Skips blanks and joined lines.
    private mutating func skipBlanks() {
        while position < text.count {
            if text[position].isBlank {
                position += 1
            } else if text[position] == .backslash, position + 1 < text.count, text[position + 1].isNewline {
                position += 2
                if position < text.count, text[position] == .lineFeed { position += 1 }
            } else {
                return
            }
        }
    }

    private mutating func skipWhitespace() {
        while position < text.count, text[position].isBlank || text[position].isNewline { position += 1 }
    }
}

extension UInt8 {
    fileprivate static let comma = UInt8(ascii: ",")
    fileprivate static let dot = UInt8(ascii: ".")
    fileprivate static let openingParenthesis = UInt8(ascii: "(")
    fileprivate static let singleQuote = UInt8(ascii: "'")
    fileprivate static let doubleQuote = UInt8(ascii: "\"")
    fileprivate static let backslash = UInt8(ascii: "\\")
    fileprivate static let lineFeed = UInt8(ascii: "\n")

    /// Space, tab, form feed.
    fileprivate var isBlank: Bool { self == 0x20 || self == 0x09 || self == 0x0C }
    fileprivate var isNewline: Bool { self == 0x0A || self == 0x0D }

    /// After a new line, a semicolon, a colon, or the quote of a string that may be executed.
    fileprivate var beginsStatement: Bool {
        isNewline || self == UInt8(ascii: ";") || self == UInt8(ascii: ":") || self == .singleQuote
            || self == .doubleQuote
    }

    /// A letter, an underscore, or any part of a character beyond ASCII.
    fileprivate var beginsWord: Bool {
        self == UInt8(ascii: "_") || (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self) || self >= 0x80
    }

    fileprivate var continuesWord: Bool { beginsWord || (0x30...0x39).contains(self) }
}
