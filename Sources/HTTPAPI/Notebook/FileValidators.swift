import Execution
import HTTPTypes

/// What a client says about the file it has or expects (RFC 9110, 13 and 14).
struct FileValidators: Sendable {
    let headers: HTTPFields

    /// The condition of a request that changes the file.
    var writeCondition: TreeCondition {
        if let tags = Self.tags(headers[values: .ifMatch]) {
            return tags == ["*"] ? .exists : .hasTag(tags.filter { !$0.hasPrefix("W/") })
        }
        if Self.tags(headers[values: .ifNoneMatch]) == ["*"] { return .isMissing }
        return .none
    }

    /// Whether the client has this very file.
    func isCurrent(tag: String, lastModified: String) -> Bool {
        if let tags = Self.tags(headers[values: .ifNoneMatch]) {
            return tags == ["*"] || tags.contains { $0 == tag || $0 == "W/" + tag }
        }
        // Clients send the date they were given.
        return headers[.ifModifiedSince] == lastModified
    }

    /// Whether the client wants another file than this one or none.
    func isUnexpected(tag: String) -> Bool {
        guard let tags = Self.tags(headers[values: .ifMatch]) else { return false }
        return tags != ["*"] && !tags.contains(tag)
    }

    /// What to send of a file.
    enum Part: Equatable {
        case whole
        case range(offset: Int, length: Int)
        /// Nothing of what was asked for is there.
        case unsatisfiable
    }

    /// Several ranges at once, and what is no range, are answered with the whole file, as HTTP allows.
    func part(of size: Int, tag: String, lastModified: String) -> Part {
        if let condition = headers[.ifRange], condition != tag, condition != lastModified { return .whole }
        let values = headers[values: .range]
        guard values.count == 1, let value = values.first?.lowercased(), value.hasPrefix("bytes=") else {
            return .whole
        }
        let bounds = value.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
            .map { $0.drop { $0 == " " } }
        guard bounds.count == 2, bounds.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
            return .whole
        }
        // What is too large for a number is beyond every file.
        let numbers = bounds.map { $0.isEmpty ? nil : Int($0) ?? .max }
        switch (numbers[0], numbers[1]) {
        case (nil, nil): return .whole
        case (nil, let last?):
            let length = min(last, size)
            return length > 0 ? .range(offset: size - length, length: length) : .unsatisfiable
        case (let first?, let last):
            if let last, last < first { return .whole }
            guard first < size else { return .unsatisfiable }
            return .range(offset: first, length: min(last ?? .max, size - 1) - first + 1)
        }
    }

    /// The entity tags of a header; nil where it is missing.
    private static func tags(_ values: [String]) -> [String]? {
        if values.isEmpty { return nil }
        return values.flatMap { $0.split(separator: ",") }.map { $0.drop { $0 == " " || $0 == "\t" } }
            .map { tag in String(tag.reversed().drop { $0 == " " || $0 == "\t" }.reversed()) }
    }
}

/// Dates of HTTP headers.
enum HTTPDate {
    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func text(secondsSince1970 seconds: Int) -> String {
        // The format has four digits for the year.
        let seconds = min(max(seconds, 0), 253_402_300_799)
        let (day, second) = (seconds / 86_400, seconds % 86_400)
        // Years begin in March here, so that a leap day is the last of its year.
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 2 : monthFromMarch - 10
        let year = yearOfEra + era * 400 + (month < 2 ? 1 : 0)
        let clock = [second / 3600, second / 60 % 60, second % 60].map(twoDigits).joined(separator: ":")
        let yearText = String(repeating: "0", count: max(0, 4 - String(year).count)) + String(year)
        return "\(weekdays[day % 7]), \(twoDigits(dayOfMonth)) \(months[month]) \(yearText) \(clock) GMT"
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// 1970 began on a Thursday.
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}
