import Testing

@testable import Replication
@testable import Salvage

/// Before Redis 4 a process has one id for all that it ever writes, and its offsets may come again.
@Suite("Rejoin before Redis 4: the same id, and the same offsets once more")
struct RejoinAncientTests {
    /// From where on the backlog is read, beside this file of the same process; nil where nothing is read.
    private func readFrom(_ saved: StreamSpan) -> Int64? {
        var rejoin = Rejoin()
        let request = Rejoin.Request(
            policy: .salvage, promotion: remembered100ByProcess,
            saved: [Rejoin.SavedFile(name: "f.resp", span: saved, writes: 4)], allowsDetaching: true)
        _ = rejoin.handle(.requested(request), now: start)
        _ = rejoin.handle(.fenced(.password, until: at(5000), runID: oldRunID), now: start)
        let reading = Rejoin.Reading(
            old: master(nil, at: 410), new: master(nil, at: 5000, runID: newRunID), snapshotBytes: 1000, freeBytes: nil)
        for case .readBacklog(let span, _) in rejoin.handle(.examined(reading), now: start) { return span.from }
        return nil
    }

    @Test("what an interrupted run saved of this time is adopted")
    func ofThisTime() {
        #expect(readFrom(span(101, 411, oldRunID)) == nil)
        // The command in which the promotion lies is saved whole.
        #expect(readFrom(span(90, 411, oldRunID)) == nil)
        #expect(readFrom(span(101, 300, oldRunID)) == 300)
    }

    @Test("what was saved of an earlier time, before it followed and was promoted again, is not")
    func ofAnEarlierTime() {
        #expect(readFrom(span(50, 300, oldRunID)) == 101)
        #expect(readFrom(span(1, 409, oldRunID)) == 101)
    }
}
