/// A JSON value, with the distinctions Python's json module makes: integers are exact, `NaN` and infinities are numbers.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int)
    /// An integer beyond `Int`: an optional minus sign and decimal digits.
    case bigInteger(String)
    case number(Double)
    case string(String)
    /// A string that had an unpaired surrogate escape; U+FFFD stands in its place.
    case brokenString(String)
    case array([JSONValue])
    case object(JSONObject)
}

/// The members of a JSON object: each name once, in the order of its first appearance, with its last value.
package struct JSONObject: Sendable, Equatable {
    package private(set) var names: [String] = []
    package private(set) var values: [JSONValue] = []

    /// Joins names and values of equal count as they were written.
    package init(names: [String], values: [JSONValue]) {
        precondition(names.count == values.count, "every member has a name and a value")
        if Set(names).count == names.count {
            (self.names, self.values) = (names, values)
            return
        }
        var places: [NameBytes: Int] = [:]
        for (name, value) in zip(names, values) {
            let key = NameBytes(bytes: Array(name.utf8))
            if let place = places[key] {
                self.values[place] = value
            } else {
                places[key] = self.names.count
                self.names.append(name)
                self.values.append(value)
            }
        }
    }

    /// The value of a member. Names are compared by their bytes, not by Unicode's canonical equivalence.
    package subscript(name: String) -> JSONValue? {
        names.firstIndex { $0.utf8.elementsEqual(name.utf8) }.map { values[$0] }
    }

    private struct NameBytes: Hashable {
        var bytes: [UInt8]
    }
}
