import Testing

@testable import Replication

@Suite("LagHistory: bytes become seconds")
struct LagHistoryTests {
    private func history(_ samples: (offset: Int64, ms: Int)..., capacity: Int = 3600) -> LagHistory {
        var history = LagHistory(capacity: capacity)
        for sample in samples { history.record(offset: sample.offset, at: at(sample.ms)) }
        return history
    }

    @Test("nothing is known without a reading")
    func empty() {
        #expect(LagHistory().age(of: 0, now: at(0)) == nil)
        #expect(LagHistory().rate() == nil)
    }

    @Test("age: interpolated between two readings; nothing missing is no age")
    func interpolated() {
        let history = history((0, 0), (1000, 10_000), (5000, 20_000))
        #expect(history.age(of: 500, now: at(22_000)) == .known(.seconds(17)))
        #expect(history.age(of: 1000, now: at(22_000)) == .known(.seconds(12)))
        #expect(history.age(of: 3000, now: at(22_000)) == .known(.seconds(7)))
        #expect(history.age(of: 5000, now: at(22_000)) == .known(.zero))
        #expect(history.age(of: 6000, now: at(22_000)) == .known(.zero))
        #expect(history.age(of: 0, now: at(22_000)) == .known(.seconds(22)))
        #expect(history.age(of: 3000, now: at(1000)) == .known(.zero))
    }

    @Test("age: while the master rested, data did not grow old")
    func plateau() {
        let history = history((100, 0), (100, 10_000), (200, 11_000))
        #expect(history.age(of: 100, now: at(12_000)) == .known(.seconds(2)))
        #expect(history.age(of: 150, now: at(12_000)) == .known(.milliseconds(1500)))
    }

    @Test("age: older than the first reading: estimated by the present rate, or at least so old")
    func older() {
        let writing = history((1000, 0), (2000, 10_000))
        #expect(writing.age(of: 900, now: at(12_000)) == .estimated(.seconds(13)))
        let resting = history((1000, 0), (1000, 10_000))
        #expect(resting.age(of: 900, now: at(12_000)) == .atLeast(.seconds(12)))
        #expect(history((1000, 0)).age(of: 900, now: at(12_000)) == .atLeast(.seconds(12)))
        #expect(LagHistory.Age.estimated(.seconds(13)).duration == .seconds(13))
        #expect(LagHistory.Age.atLeast(.seconds(12)).duration == .seconds(12))
        #expect(LagHistory.Age.known(.seconds(2)).duration == .seconds(2))
    }

    @Test("rate: over the window, or the last two readings where they are further apart")
    func rate() {
        #expect(history((0, 0), (1000, 10_000)).rate() == 100)
        #expect(history((0, 0), (9000, 5000), (10_000, 15_000)).rate() == 100)
        #expect(history((0, 0), (9000, 5000), (10_000, 25_000)).rate() == 50)
        #expect(history((0, 0), (9000, 5000), (10_000, 15_000)).rate(over: .seconds(60)) == 10_000.0 / 15)
        #expect(history((0, 0)).rate() == nil)
        #expect(history((0, 0), (5, 0)).rate() == nil)
    }

    @Test("an offset or a time that goes back begins the history anew")
    func restart() {
        let restarted = history((1000, 0), (2000, 1000), (50, 2000))
        #expect(restarted == history((50, 2000)))
        #expect(history((1000, 5000), (2000, 1000)) == history((2000, 1000)))
    }

    @Test("the oldest readings are forgotten; two are always kept")
    func capacity() {
        #expect(history((1, 1), (2, 2), (3, 3), capacity: 2) == history((2, 2), (3, 3), capacity: 2))
        #expect(history((1, 1), (2, 2), capacity: 0).rate() == 1000)
    }
}
