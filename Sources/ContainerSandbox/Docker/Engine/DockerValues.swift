/// Values as Docker's command line has them.
enum DockerValues {
    /// "512m", "1.5g", "64kb", "1GiB": powers of 1024; without a unit bytes. Nil for what is none, or more than memory can be.
    static func size(_ text: String) -> Int? {
        let lowered = text.lowercased()
        let number = lowered.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        var unit = lowered[number.endIndex...].drop { $0 == " " }
        for ending in ["ib", "b"] where unit.count > 1 && unit.hasSuffix(ending) {
            unit = unit.dropLast(ending.count)
            break
        }
        guard let shift = ["": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50][String(unit)],
            let value = Double(number), value.isFinite
        else { return nil }
        let bytes = value * Double(1 << shift)
        return bytes <= 0x1p52 ? Int(bytes) : nil
    }

    /// "1.5" processors in billionths.
    static func nanoCPUs(_ text: String) -> Int? {
        guard text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let value = Double(text), value > 0,
            value <= 4096
        else { return nil }
        return Int((value * 1e9).rounded())
    }

    /// A name and what stands after the first `separator`; nil where either is missing.
    static func pair(_ text: String, _ separator: Character) -> (name: String, value: String)? {
        guard let place = text.firstIndex(of: separator), place > text.startIndex else { return nil }
        return (String(text[..<place]), String(text[text.index(after: place)...]))
    }

    /// Fields between commas; a field in double quotes may have commas in it.
    static func fields(_ text: String) -> [String] {
        var fields: [String] = [""]
        var isQuoted = false
        for character in text {
            switch character {
            case "\"": isQuoted.toggle()
            case "," where !isQuoted: fields.append("")
            default: fields[fields.count - 1].append(character)
            }
        }
        return fields
    }

    static func isTrue(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "1", "t", "true": true
        case "0", "f", "false": false
        default: nil
        }
    }
}
