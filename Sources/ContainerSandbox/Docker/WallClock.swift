import Glibc

/// The time of day, which labels carry.
enum WallClock {
    /// Since 1970.
    static var seconds: Int { time(nil) }
}
