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
        let keys = names.map { Name(text: $0) }
        if Set(keys).count == keys.count {
            (self.names, self.values) = (names, values)
            return
        }
        var places: [Name: Int] = [:]
        for (name, value) in zip(names, values) {
            let key = Name(text: name)
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
    ///
    /// It looks through all names: for a few members, not for each of many.
    package subscript(name: String) -> JSONValue? {
        let wanted = Name(text: name)
        return names.firstIndex { Name(text: $0) == wanted }.map { values[$0] }
    }

    /// A name as its bytes. Swift would normalize texts to compare or hash them, which costs the square of the length
    /// of a run of accents.
    private struct Name: Hashable {
        var text: String

        static func == (left: Name, right: Name) -> Bool {
            left.text.utf8.count == right.text.utf8.count && left.text.utf8.elementsEqual(right.text.utf8)
        }

        func hash(into hasher: inout Hasher) {
            var text = text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }
}
