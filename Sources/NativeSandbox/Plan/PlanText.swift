/// Writes a plan line by line, and remembers each line so that a failing step can be named.
struct PlanText: Sendable, Equatable {
    /// In the order in which they must stand; the raw value is the name in the plan.
    enum Section: String, Sendable, CaseIterable {
        case launcher, root, limits, workspace, statistics, `init`, entry
    }

    private var steps: [Section: [String]] = [:]

    /// Adds one step: a verb and its arguments.
    mutating func add(_ verb: String, _ arguments: [String], to section: Section) {
        steps[section, default: []].append(([verb] + arguments.map(Self.escaped)).joined(separator: "\t"))
    }

    /// The lines of a section.
    func lines(of section: Section) -> [String] { steps[section] ?? [] }

    /// The step of that index, for people: at most 200 characters, tabs as spaces. Nil where there is none.
    func describe(_ section: Section, step: Int) -> String? {
        let lines = lines(of: section)
        guard lines.indices.contains(step) else { return nil }
        return String(lines[step].prefix(200).map { $0 == "\t" ? " " : $0 })
    }

    /// The whole plan.
    var text: String {
        Section.allCases.map { section in
            (["[\(section.rawValue)]"] + lines(of: section)).joined(separator: "\n") + "\n"
        }.joined()
    }

    private static func escaped(_ argument: String) -> String {
        guard argument.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == 9 || $0 == 10 }) else {
            return argument
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(argument.utf8.count + 64)
        for byte in argument.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): bytes += [byte, byte]
            case 9: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
            case 10: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
