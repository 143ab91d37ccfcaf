import LossOracle
import NetworkLab
import RedisLab
import Testing

/// Each promise can be seen to be broken. Two writers: keys 1 to 10, and a counter that was incremented ten times.
@Suite struct VerdictTests {
    /// Ten acknowledged writes of each, and an eleventh without an answer; the new master has the first seven of each.
    private static func sight() -> Sight {
        var keys = LabWriter.Notes(name: "w1:0", work: .init(.set))
        var counter = LabWriter.Notes(name: "w1:1", work: .init(.incr))
        (keys.acked, keys.unanswered) = (Array(1...10), [11])
        (counter.acked, counter.unanswered) = (Array(1...10), [11])
        var sight = Sight(writers: [keys, counter], master: held(1...7, 7))
        sight.files = [file(8...10, 3)]
        sight.promotions = [promotion("at_most", 6)]
        sight.replayed = held(1...10, 10)
        return sight
    }

    private static func held(_ numbers: ClosedRange<UInt32>?, _ count: Int) -> Held {
        var held = Held(writers: 2)
        held.numbers[0] = numbers.map { Set($0) } ?? []
        held.counts[1] = count
        return held
    }

    private static func file(_ numbers: ClosedRange<UInt32>?, _ count: Int) -> SavedWrites {
        var file = SavedWrites(name: "a.resp", writers: 2)
        file.held = held(numbers, count)
        file.writes = Int64((numbers?.count ?? 0) + count)
        file.announced = file.writes
        return file
    }

    private static func promotion(_ loss: String, _ commands: Int64?) -> PromotionRecord {
        PromotionRecord(
            node: 2, number: 4, cause: "redis_down", loss: loss, bytes: 500,
            amendment: commands.map { .init(bytes: 300, commands: $0) })
    }

    private static func double(_ count: Int, in sight: inout Sight) {
        var held = sight.replayed ?? sight.master
        held.repeated = count
        sight.replayed = held
    }

    private static var counted: Sight.Expectation {
        var expectation = Sight.Expectation()
        expectation.isCounted = true
        return expectation
    }

    private func broken(_ expectation: Sight.Expectation = counted, _ change: (inout Sight) -> Void) -> String {
        var sight = Self.sight()
        change(&sight)
        return Verdict(sight, expectation).broken.joined(separator: "\n")
    }

    @Test func `all is well, and everything is counted`() {
        let verdict = Verdict(Self.sight(), Self.counted)
        #expect(verdict.broken == [])
        #expect(verdict.acked == 20)
        #expect(verdict.unanswered == 2)
        #expect(verdict.lost == 6)
        #expect(verdict.inFiles == 6)
        #expect(verdict.saved == 6)
        #expect(verdict.reported == 6)
        #expect(verdict.restored == 6)
        #expect(verdict.gone == 0)
        #expect(verdict.losses == ["at_most"])
    }

    @Test func `a write without an answer may be in a file`() {
        let words = broken { sight in
            sight.files = [Self.file(8...11, 4)]
            sight.promotions = [Self.promotion("at_most", 8)]
            sight.replayed = Self.held(1...11, 11)
        }
        #expect(words == "")
    }

    @Test func `what is nowhere is a broken promise, unless the process died`() {
        let change = { (sight: inout Sight) in
            sight.files = [Self.file(8...9, 3)]
            sight.promotions = [Self.promotion("at_most", 5)]
            sight.replayed = Self.held(1...9, 10)
        }
        #expect(
            broken(Self.counted, change).contains(
                "1 acknowledged writes are neither on the new master nor saved, such as w1:0:10"))
        var dead = Sight.Expectation()
        dead.mayDieWithProcess = true
        let words = broken(dead, change)
        #expect(!words.contains("neither"))
        // The history must not say less than what is missing all the same.
        #expect(words.contains("the history says that 5 writes were lost, and 6 are missing"))
    }

    @Test func `an increment that is nowhere is missed`() {
        let words = broken { sight in
            sight.files = [Self.file(8...10, 2)]
            sight.replayed = Self.held(1...10, 9)
        }
        #expect(words.contains("such as an increment of w1:1"))
    }

    @Test func `a snapshot holds what no file does`() {
        var sight = Self.sight()
        sight.files = []
        sight.snapshots = ["a.rdb": Self.held(1...10, 10)]
        sight.promotions = [Self.promotion("at_most", nil)]
        sight.replayed = sight.master
        let verdict = Verdict(sight, Sight.Expectation())
        #expect(verdict.broken == [])
        #expect(verdict.inSnapshots == 6)
        #expect(verdict.reported == nil)
        sight.snapshots = ["a.rdb": Self.held(1...9, 10)]
        #expect(Verdict(sight, Sight.Expectation()).gone == 1)
    }

    @Test func `a file holds what was sent and lost, and nothing else`() {
        #expect(broken { $0.files[0].foreign = ["DEL x in database 0"] }.contains("that nobody sent, such as DEL x"))
        #expect(broken { $0.files[0].announced = 5 }.contains("holds 6 writes, and its header says 5"))
        #expect(broken { $0.files = [Self.file(7...10, 3)] }.contains("1 writes that are not lost, such as w1:0:7"))
        #expect(broken { $0.files = [Self.file(8...12, 3)] }.contains("1 writes that were refused, such as w1:0:12"))
        #expect(broken { $0.files.append(Self.file(10...10, 0)) }.contains("1 writes stand twice"))
        #expect(broken { $0.files = [Self.file(8...10, 5)] }.contains("the new master has 7 and the files 5"))
    }

    @Test func `the history says how much it was`() {
        #expect(broken { $0.promotions = [] }.contains("the history says no promotion at all"))
        #expect(broken { $0.promotions = [Self.promotion("none", nil)] }.contains("the history says no loss"))
        #expect(broken { $0.promotions = [Self.promotion("none", 6)] }.contains("said that nothing was lost"))
        #expect(broken { $0.promotions = [Self.promotion("at_most", 7)] }.contains("the salvage files hold 6"))
        #expect(broken { $0.promotions = [Self.promotion("at_most", nil)] }.contains("does not say how many"))
    }

    @Test func `where no promotion was amended, the demotion says how many bytes it was`() {
        let change = { (bytes: Int64, sight: inout Sight) in
            sight.promotions = [Self.promotion("at_most", nil), Self.promotion("exact", nil)]
            sight.files[0].bytes = bytes
        }
        #expect(broken { change(500, &$0) } == "")
        #expect(
            broken { change(499, &$0) } == "the history says that 500 bytes were lost, and the salvage files hold 499")
    }

    @Test func `the replay restores everything, once`() {
        #expect(
            broken { $0.replayed = Self.held(1...9, 10) }.contains("1 writes of the salvage files are still missing"))
        #expect(broken { $0.replayed = Self.held(2...10, 10) }.contains("took away 1 writes, such as w1:0:1"))
        #expect(broken { $0.replayed = Self.held(1...10, 13) }.contains("w1:1 is 13 instead of 10"))
        #expect(broken { Self.double(2, in: &$0) }.contains("2 writes are there twice"))
        var unasked = Self.sight()
        unasked.replayed = nil
        #expect(Verdict(unasked, Self.counted).restored == nil)
    }

    @Test func `a clean switchover copies nothing`() {
        var expectation = Self.counted
        expectation.isPartial = true
        #expect(broken(expectation) { $0.fullSyncs = (2, 3) }.contains("gave 1 full copies"))
        #expect(broken(expectation) { $0.fullSyncs = (2, 2) } == "")
        #expect(broken { $0.fullSyncs = (2, 3) } == "")
    }

    @Test func `a plan is the same for the same seed`() {
        let plan = { (seed: UInt64) in
            TrialPlan.all(60, seed: seed, versions: [.v2_8, .v7_0], events: []).flatMap { $0 }
        }
        #expect(plan(3) == plan(3))
        #expect(plan(3) != plan(4))
        #expect(plan(3).map(\.number) == Array(1...60))
        #expect(Set(plan(3).map(\.event)) == Set(TrialEvent.allCases))
        #expect(Set(plan(3).map(\.persistence)) == Set(Persistence.allCases))
        #expect(plan(3).allSatisfy { $0.back <= .seconds(10) })
        #expect(
            TrialPlan.all(60, seed: 3, versions: [.v7_0], events: [.cutOff]).flatMap { $0 }.allSatisfy {
                $0.event == .cutOff
            })
    }
}
