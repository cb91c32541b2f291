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

    /// An integer and nothing that could become one. `Int.max` stands for what is greater.
    mutating func strictInteger(_ name: String, atLeast minimum: Int, default: Int) -> Int {
        switch object[name] {
        case nil: return `default`
        case .integer(let number) where number >= minimum: return number
        case .bigInteger(let digits) where !digits.hasPrefix("-"): return .max
        case .integer?, .bigInteger?:
            add("greater_than_equal", "Input should be greater than or equal to \(minimum)", name, .atLeast(minimum))
        default: add("int_type", "Input should be a valid integer", name)
        }
        return `default`
    }

    /// As ``strictInteger(_:atLeast:default:)``, or null.
    mutating func optionalInteger(_ name: String, atLeast minimum: Int) -> Int? {
        guard let value = object[name], value != .null else { return nil }
        return strictInteger(name, atLeast: minimum, default: minimum)
    }

    /// An object of strings, in its order, or null; empty when absent.
    mutating func strings(_ name: String) -> [(name: String, value: String)] {
        switch object[name] {
        case nil, .null: return []
        case .object(let members):
            var nested = FieldReader(members, location: location + [.name(name)])
            let strings = members.names.map { ($0, nested.requiredString($0) ?? "") }
            issues += nested.issues
            return strings
        default:
            add("dict_type", "Input should be a valid dictionary", name)
            return []
        }
    }

    /// A Boolean or one of the numbers and words that mean one.
    mutating func boolean(_ name: String, default: Bool) -> Bool {
        switch object[name] {
        case nil: return `default`
        case .bool(let value): return value
        case .integer(let number):
            if number == 0 || number == 1 { return number == 1 }
            addUnreadableBoolean(name)
        case .number(let number) where number == number.rounded(.towardZero) && abs(number) < 0x1p63:
            if number == 0 || number == 1 { return number == 1 }
            addUnreadableBoolean(name)
        case .string(let word):
            if let value = Self.booleanWords[word.lowercased()] { return value }
            addUnreadableBoolean(name)
        case .brokenString: addBrokenString(name)
        default: add("bool_type", "Input should be a valid boolean", name)
        }
        return `default`
    }

    /// A list; empty when absent.
    mutating func list(_ name: String) -> [JSONValue] {
        switch object[name] {
        case nil: return []
        case .array(let elements): return elements
        default:
            add("list_type", "Input should be a valid list", name)
            return []
        }
    }

    /// Takes over what was found in a nested object.
    mutating func add(_ nested: [ValidationIssue]) { issues += nested }

    private static let booleanWords: [String: Bool] = [
        "1": true, "on": true, "t": true, "true": true, "y": true, "yes": true,
        "0": false, "off": false, "f": false, "false": false, "n": false, "no": false,
    ]

    private mutating func string(_ value: JSONValue, _ name: String) -> String? {
        switch value {
        case .string(let text): return text
        case .brokenString: addBrokenString(name)
        default: add("string_type", "Input should be a valid string", name)
        }
        return nil
    }

    private mutating func addUnreadableBoolean(_ name: String) {
        add("bool_parsing", "Input should be a valid boolean, unable to interpret input", name)
    }

    private mutating func addBrokenString(_ name: String) {
        add("string_unicode", "Input should be a valid string, unable to parse raw data as a unicode string", name)
    }

    private mutating func add(
        _ type: String,
        _ message: String,
        _ name: String,
        _ context: ValidationIssue.Context? = nil
    ) {
        issues.append(
            ValidationIssue(
                type: type,
                location: location + [.name(name)],
                message: message,
                input: object[name] ?? .null,
                context: context
            )
        )
    }
}
