import TestSupport
import Testing

/// A hostile program in `Attacks/` with what its header says about it.
struct Attack: Sendable, CustomTestStringConvertible {
    /// Name of the file without its extension.
    var name: String
    /// What the first line says after the number.
    var title: String
    var code: String
    /// Milliseconds.
    var timeout = 10_000
    /// Whether it reads facts about the host from its standard input.
    var readsFacts = false
    var needs: [Host.Facility] = []
    var expectation = Expectation()

    var testDescription: String { "\(name): \(title)" }

    /// The tokens of `# expect:`; what is nil or empty is not looked at.
    struct Expectation: Sendable {
        var reasons: Set<String> = []
        /// Exit codes and `null`.
        var exits: Set<String> = []
        /// The last line of standard output.
        var last: String?
        /// Most files it may give back, or exactly how many.
        var mostFiles: Int?
        var exactFiles: Int?
        var omitsFiles = false
        var memoryLimitHit: Bool?
        /// Whether a process with the marker in its command line must be gone.
        var marker = false
        /// Whether no produced file may hold the secret.
        var secret = false
        /// Run only together with another, by a test of its own.
        var isCompanion = false
        /// A cell for a context, not a program.
        var isCell = false
        /// Whether the state of its context is `kept` or `lost`.
        var context: String?
    }

    struct BadHeader: Error, CustomStringConvertible {
        var description: String
    }

    /// Every program of the folder that a plain run can judge, by name.
    static let all: [Attack] = named.values.filter { !$0.expectation.isCompanion && !$0.expectation.isCell }
        .sorted { $0.name < $1.name }

    /// Every cell of the folder that a run in a context can judge, by name.
    static let cells: [Attack] = named.values.filter { !$0.expectation.isCompanion && $0.expectation.isCell }
        .sorted { $0.name < $1.name }

    /// The program of that name.
    static func named(_ name: String) throws -> Attack {
        guard let attack = named[name] else { throw BadHeader(description: "there is no attack \(name)") }
        return attack
    }

    private static let folder = Installation.parent(of: #filePath) + "/Attacks"

    private static let named: [String: Attack] = {
        var attacks: [String: Attack] = [:]
        for file in Host.directory(folder) where file.hasSuffix(".py") && file.first?.isNumber == true {
            let name = String(file.dropLast(3))
            do {
                attacks[name] = try Attack(name: name, text: source(name))
            } catch {
                Issue.record("Attacks/\(file): \(error)")
            }
        }
        return attacks
    }()

    init(name: String, text: String) throws {
        self.name = name
        title = ""
        code = text
        var isFirst = true
        var hasExpectation = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            guard line.hasPrefix("#") else { break }
            let words = line.dropFirst().split(separator: " ").map(String.init)
            if isFirst { title = words.dropFirst().joined(separator: " ") }
            isFirst = false
            switch words.first {
            case "timeout:": timeout = Int(words.last ?? "") ?? timeout
            case "stdin:": readsFacts = true
            case "needs:": needs = words.dropFirst().compactMap(Host.Facility.init(rawValue:))
            case "include:": code = try Attack.source(words[1]) + "\n" + text
            case "expect:":
                hasExpectation = true
                try words.dropFirst().forEach { try expectation.read($0) }
            default: break
            }
        }
        guard hasExpectation else { throw BadHeader(description: "no `# expect:`") }
    }

    private static func source(_ name: String) throws -> String {
        guard let text = Host.text("\(folder)/\(name).py") else {
            throw BadHeader(description: "cannot read \(name).py")
        }
        return text
    }
}

extension Attack.Expectation {
    /// Reads one token, `key=value|value` or a word.
    mutating func read(_ token: String) throws {
        let parts = token.split(separator: "=", maxSplits: 1).map(String.init)
        let values = parts.count == 2 ? parts[1].split(separator: "|").map(String.init) : []
        switch (parts[0], parts.count) {
        case ("reason", 2): reasons = Set(values)
        case ("exit", 2): exits = Set(values)
        case ("last", 2): last = parts[1]
        case ("files", 2): exactFiles = parts[1] == "none" ? 0 : Int(parts[1])
        case ("files<", 2): mostFiles = Int(parts[1])
        case ("memory", 2): memoryLimitHit = parts[1] == "true"
        case ("gone", 2): marker = true
        case ("omitted", 1): omitsFiles = true
        case ("secret", 1): secret = true
        case ("companion", 1): isCompanion = true
        case ("cell", 1): isCell = true
        case ("context", 2): context = parts[1]
        case ("any", 1): break
        default: throw Attack.BadHeader(description: "cannot read `\(token)`")
        }
    }
}
