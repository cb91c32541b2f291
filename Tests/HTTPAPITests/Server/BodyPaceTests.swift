import NIOCore
import Testing

@testable import HTTPAPI

@Suite("The pace of a body")
struct BodyPaceTests {
    private static func moment(_ second: UInt64) -> NIODeadline { .uptimeNanoseconds(second * 1_000_000_000) }

    private static func newPace() -> BodyPace { BodyPace(stretch: .seconds(30), minimumBytesPerSecond: 1000) }

    /// So many bytes at each of these seconds.
    private static func pieces(_ seconds: some Sequence<UInt64>, _ bytes: Int) -> [(UInt64, Int)] {
        seconds.map { ($0, bytes) }
    }

    /// When a body of these pieces, each of them waited for, is found too slow; nil when it never is.
    private static func end(_ pieces: [(UInt64, Int)]) -> UInt64? {
        var pace = newPace()
        var last: UInt64 = 0
        for (second, bytes) in pieces {
            pace.beginWaiting(at: moment(last))
            if !pace.receive(bytes, at: moment(second)) { return second }
            last = second
        }
        return nil
    }

    @Test("is right as long as every stretch has its bytes, however they are spread")
    func fast() {
        #expect(Self.end(Self.pieces(1...3600, 1000)) == nil)
        #expect(Self.end(Self.pieces(stride(from: 31, through: 3100, by: 31), 31_000)) == nil)
    }

    @Test("may be too slow for a stretch, not for longer")
    func slow() {
        #expect(Self.end(Self.pieces(1...30, 1)) == nil)
        #expect(Self.end(Self.pieces(1...40, 1)) == 31)
        #expect(Self.end(Self.pieces(1...3600, 999)) == 31)
    }

    @Test("is not made up for by what came fast before")
    func fastThenSlow() {
        let fast: [(UInt64, Int)] = [(1, 20_000_000)]
        #expect(Self.end(fast + Self.pieces(stride(from: 51, through: 4001, by: 50), 1)) == 101)
        #expect(Self.end(fast + Self.pieces(2...3600, 1)) == 62)
    }

    @Test("is the client's: the time in which nobody waits for it does not count")
    func ownSlowness() {
        var pace = Self.newPace()
        pace.beginWaiting(at: Self.moment(0))
        var isFast = pace.receive(1, at: Self.moment(1))
        #expect(isFast)
        isFast = pace.receive(1, at: Self.moment(1000))
        #expect(isFast)
        pace.beginWaiting(at: Self.moment(2000))
        pace.beginWaiting(at: Self.moment(2020))
        isFast = pace.receive(1, at: Self.moment(2028))
        #expect(isFast)
        pace.beginWaiting(at: Self.moment(3000))
        isFast = pace.receive(1, at: Self.moment(3002))
        #expect(!isFast)
    }
}
