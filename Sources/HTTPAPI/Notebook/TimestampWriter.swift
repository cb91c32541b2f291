import FoundationEssentials

/// Writes moments as clients of the notebook family expect them: ISO 8601 in UTC, with microseconds.
struct TimestampWriter {
    /// The last whole second that was written, and its text.
    private var second = Int.min
    private var text = ""

    /// The present moment, such as `2026-11-21T00:25:54.698425+00:00`.
    mutating func now() -> String { write(Date().timeIntervalSince1970) }

    /// A moment in seconds since 1970, not before.
    mutating func write(_ time: Double) -> String {
        let microseconds = Int((time * 1_000_000).rounded(.down))
        let second = microseconds / 1_000_000
        if second != self.second {
            self.second = second
            text = Self.text(second)
        }
        return text + "." + Self.padded(microseconds % 1_000_000, 6) + "+00:00"
    }

    private static func text(_ second: Int) -> String {
        let (year, month, day) = date(second / 86_400)
        let time = second % 86_400
        let parts = [time / 3600, time / 60 % 60, time % 60].map { padded($0, 2) }
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T" + parts.joined(separator: ":")
    }

    /// Day `day` after 1 January 1970, in the Gregorian calendar.
    private static func date(_ day: Int) -> (year: Int, month: Int, day: Int) {
        // Counted from 1 March of year 0, so that the leap day is the last of its year.
        let days = day + 719_468
        let era = days / 146_097
        let dayOfEra = days % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
