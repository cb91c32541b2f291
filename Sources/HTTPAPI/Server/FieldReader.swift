import JSON

/// Reads the fields of one JSON object and collects what is wrong with them, by the rules and in the words of pydantic.
///
/// A field that cannot be read gives its default, or nil where it has none; ``issues`` then is not empty.
struct FieldReader {
    let object: JSONObject
    let location: [ValidationIssue.Place]
    private(set) var issues: [ValidationIssue] = []

    init(_ object: JSONObject, location: [ValidationIssue.Place]) {
        self.object = object
        self.location = location
    }

    mutating func requiredString(_ name: String) -> String? {
        guard let value = object[name] else {
            issues.append(.missing(location + [.name(name)], input: .object(object)))
            return nil
        }
        return string(value, name)
    }

    /// A string or null.
    mutating func optionalString(_ name: String) -> String? {
        guard let value = object[name], value != .null else { return nil }
        return string(value, name)
    }

    /// As ``optionalString(_:)``; an empty one is none.
    mutating func optionalName(_ name: String) -> String? {
        optionalString(name).flatMap { $0.isEmpty ? nil : $0 }
    }

    /// An integer and nothing that could become one. `Int.max` stands for what is greater.
    mutating func strictInteger(_ name: String, atLeast minimum: Int, default: Int) -> Int {
        guard let value = object[name] else { return `default` }
        switch value {
        case .integer(let number) where number >= minimum: return number
        case .bigInteger(let digits) where !digits.hasPrefix("-"): return .max
        case .integer, .bigInteger:
            let message = "Input should be greater than or equal to \(minimum)"
            add("greater_than_equal", message, name, value, .atLeast(minimum))
        default: add("int_type", "Input should be a valid integer", name, value)
        }
        return `default`
    }

    /// As ``strictInteger(_:atLeast:default:)``, or null.
    mutating func optionalInteger(_ name: String, atLeast minimum: Int) -> Int? {
        guard let value = object[name], value != .null else { return nil }
        return strictInteger(name, atLeast: minimum, default: minimum)
    }

    /// An object of strings, in its order, or null; empty when absent. nil when it has more than `limit` members: then
    /// none was looked at.
    mutating func strings(_ name: String, atMost limit: Int) -> [(name: String, value: String)]? {
        switch object[name] {
        case nil, .null: return []
        case .object(let members):
            guard members.names.count <= limit else { return nil }
            var nested = FieldReader(members, location: location + [.name(name)])
            let strings = zip(members.names, members.values).map { (name: $0, value: nested.string($1, $0) ?? "") }
            issues += nested.issues
            return strings
        case let value?:
            add("dict_type", "Input should be a valid dictionary", name, value)
            return []
        }
    }

    /// A Boolean or one of the numbers and words that mean one.
    mutating func boolean(_ name: String, default: Bool) -> Bool {
        guard let value = object[name] else { return `default` }
        switch value {
        case .bool(let value): return value
        case .integer(let number):
            if number == 0 || number == 1 { return number == 1 }
            addUnreadableBoolean(name, value)
        case .number(let number) where number == number.rounded(.towardZero) && abs(number) < 0x1p63:
            if number == 0 || number == 1 { return number == 1 }
            addUnreadableBoolean(name, value)
        case .string(let word):
            if let value = Self.boolean(word) { return value }
            addUnreadableBoolean(name, value)
        case .brokenString: addBrokenString(name, value)
        default: add("bool_type", "Input should be a valid boolean", name, value)
        }
        return `default`
    }

    /// A list; empty when absent.
    mutating func list(_ name: String) -> [JSONValue] {
        switch object[name] {
        case nil: return []
        case .array(let elements): return elements
        case let value?:
            add("list_type", "Input should be a valid list", name, value)
            return []
        }
    }

    /// Takes over what was found in a nested object.
    mutating func add(_ nested: [ValidationIssue]) { issues += nested }

    /// What a word means; nil when it means neither.
    private static func boolean(_ word: String) -> Bool? {
        // Looking up a text takes the square of its length where it is a run of accents.
        word.utf8.count <= longestWord ? booleanWords[word.lowercased()] : nil
    }

    private static let longestWord = 5
    private static let booleanWords: [String: Bool] = [
        "1": true, "on": true, "t": true, "true": true, "y": true, "yes": true,
        "0": false, "off": false, "f": false, "false": false, "n": false, "no": false,
    ]

    private mutating func string(_ value: JSONValue, _ name: String) -> String? {
        switch value {
        case .string(let text): return text
        case .brokenString: addBrokenString(name, value)
        default: add("string_type", "Input should be a valid string", name, value)
        }
        return nil
    }

    private mutating func addUnreadableBoolean(_ name: String, _ value: JSONValue) {
        add("bool_parsing", "Input should be a valid boolean, unable to interpret input", name, value)
    }

    private mutating func addBrokenString(_ name: String, _ value: JSONValue) {
        let message = "Input should be a valid string, unable to parse raw data as a unicode string"
        add("string_unicode", message, name, value)
    }

    /// `value` comes from the caller: looking it up again for each of many members would take the square of their
    /// number.
    private mutating func add(
        _ type: String,
        _ message: String,
        _ name: String,
        _ value: JSONValue,
        _ context: ValidationIssue.Context? = nil
    ) {
        issues.append(
            ValidationIssue(
                type: type,
                location: location + [.name(name)],
                message: message,
                input: value,
                context: context
            )
        )
    }
}
