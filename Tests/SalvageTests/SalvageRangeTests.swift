import Testing

@testable import Replication
@testable import Salvage

@Suite("SalvageRange: what the old master holds beyond the new one")
struct SalvageRangeTests {
    @Test(
        "F below, at and beyond P: the first missing byte is P + 1",
        arguments: [
            (99, SalvageRange.none),
            (100, .none),
            (101, .backlog(span(101, 102), .direct)),
            (410, .backlog(span(101, 411), .direct)),
        ] as [(Int64, SalvageRange)])
    func surplus(offset: Int64, expected: SalvageRange) {
        #expect(SalvageRange(old: master(oldID, at: offset), new: promoted(at: 100)) == expected)
        // A replica that is about to be promoted has the same history, as far as 100.
        #expect(
            SalvageRange(old: master(oldID, at: offset), new: master(oldID, at: 100, runID: newRunID)) == expected)
        // And by what is remembered, where the new master has been promoted again since.
        let again = master(otherID, at: 9000, previous: newID, secondOffset: 8001, runID: newRunID)
        #expect(SalvageRange(old: master(oldID, at: offset), new: again, promotion: remembered100) == expected)
    }

    @Test("310 bytes are missing: from what the new master applied to the old one's last offset")
    func count() {
        #expect(SalvageRange(old: master(oldID, at: 410), new: promoted(at: 100)).missingBytes == 310)
    }

    @Test(
        "the backlog must begin at P + 1 or before, and hold all up to F",
        arguments: [
            // first_byte, histlen of a backlog of an old master at 410; 101 to 410 are missing
            (100, 311, .backlog(span(101, 411), .direct)),
            (101, 310, .backlog(span(101, 411), .direct)),
            (102, 309, .notCovered(span(101, 411), .beginsAt(102))),
            (411, 0, .notCovered(span(101, 411), .beginsAt(411))),
            (101, 309, .notCovered(span(101, 411), .endsBefore(410))),
            (100, 312, .backlog(span(101, 411), .direct)),
            (100, 310, .notCovered(span(101, 411), .endsBefore(410))),
            (101, -1, .notCovered(span(101, 411), .endsBefore(101))),
            (1 << 62, 1 << 62, .notCovered(span(101, 411), .beginsAt(1 << 62))),
            (1, .max, .backlog(span(101, 411), .direct)),
        ] as [(Int64, Int64, SalvageRange)])
    func backlog(first: Int64, length: Int64, expected: SalvageRange) {
        let old = master(oldID, at: 410, first: first, length: length)
        #expect(SalvageRange(old: old, new: promoted(at: 100)) == expected)
    }

    @Test("without a backlog a master does not count; a replica does not write")
    func noBacklog() {
        let old = master(oldID, at: 410, first: nil)
        #expect(SalvageRange(old: old, new: promoted(at: 100)) == .unknown(.notCounting))
        #expect(SalvageRange(old: master(oldID, at: 50, first: nil), new: promoted(at: 100)) == .unknown(.notCounting))
        #expect(SalvageRange(old: parked(old), new: promoted(at: 100)) == .notCovered(span(101, 411), .noBacklog))
        let behind = parked(master(oldID, at: 100, first: nil))
        #expect(SalvageRange(old: behind, new: promoted(at: 100)) == .none)
        let empty = master(otherID, at: 0, first: nil, keys: 0)
        #expect(SalvageRange(old: empty, new: promoted(at: 100)) == .none)
        let uncountedKeys = master(otherID, at: 0, first: nil, keys: nil)
        #expect(SalvageRange(old: uncountedKeys, new: promoted(at: 100)) == .unknown(.notCounting))
    }

    @Test("a parked old master gives its backlog after SLAVEOF NO ONE, under its new id")
    func parkedMaster() {
        let old = parked(master(oldID, at: 410))
        #expect(SalvageRange(old: old, new: promoted(at: 100)) == .backlog(span(101, 411), .afterDetaching))
        let detached = master(otherID, at: 424, previous: oldID, secondOffset: 411)
        #expect(SalvageRange(old: detached, new: promoted(at: 100)) == .backlog(span(101, 425, otherID), .direct))
    }

    @Test("an old master that was itself promoted from the common history")
    func bothPromoted() {
        // Both came from cccc: the old one at 80, the new one at 100.
        let old = master(oldID, at: 120, previous: otherID, secondOffset: 81)
        let new = master(newID, at: 300, previous: otherID, secondOffset: 101, runID: newRunID)
        #expect(SalvageRange(old: old, new: new) == .backlog(span(81, 121), .direct))
        // The new one is still in the history that the old one left.
        let still = master(otherID, at: 500, runID: newRunID)
        #expect(SalvageRange(old: old, new: still) == .backlog(span(81, 121), .direct))
        // What was saved of it is safe.
        let safe = ReplicationPosition(replicationID: oldID, offset: 120)
        #expect(SalvageRange(old: old, new: still, saved: safe) == .none)
    }

    @Test("unrelated histories, and an old master without a key")
    func unrelated() {
        #expect(SalvageRange(old: master(otherID, at: 410), new: promoted(at: 100)) == .unrelated)
        #expect(SalvageRange(old: master(otherID, at: 410, keys: 0), new: promoted(at: 100)) == .none)
        #expect(SalvageRange(old: master(otherID, at: 410, keys: nil), new: promoted(at: 100)) == .unrelated)
        // Of another old master.
        let other = RememberedPromotion(masterRunID: oldRunID, replicationID: newID, offset: 1)
        #expect(SalvageRange(old: master(otherID, at: 410), new: promoted(at: 100), promotion: other) == .unrelated)
    }

    @Test(
        "what the servers say is exact, and what was applied just before the promotion is not",
        arguments: [99, 100, 101] as [Int64])
    func bothTell(offset: Int64) {
        let promotion = RememberedPromotion(masterRunID: oldRunID, replicationID: oldID, offset: offset)
        #expect(
            SalvageRange(old: master(oldID, at: 410), new: promoted(at: 100), promotion: promotion)
                == .backlog(span(101, 411), .direct))
    }

    @Test(
        "before Redis 4 the remembered run_id tells, and nothing else",
        arguments: [
            (master(nil, at: 100), remembered100ByProcess, SalvageRange.none),
            (master(nil, at: 101), remembered100ByProcess, .backlog(span(101, 102, oldRunID), .direct)),
            (master(nil, at: 410), nil, .unknown(.noPromotionKnown)),
            (master(nil, at: 410, runID: otherID), remembered100ByProcess, .unknown(.restarted)),
            (master(nil, at: 410, runID: otherID, keys: 0), remembered100ByProcess, .none),
            (master(nil, at: 410, first: nil), remembered100ByProcess, .unknown(.notCounting)),
            (
                master(nil, at: 410, first: 102), remembered100ByProcess,
                .notCovered(span(101, 411, oldRunID), .beginsAt(102))
            ),
            (parked(master(nil, at: 410)), remembered100ByProcess, .unknown(.demoted)),
        ] as [(ReplicationInfo, RememberedPromotion?, SalvageRange)])
    func byProcess(old: ReplicationInfo, promotion: RememberedPromotion?, expected: SalvageRange) {
        let new = master(nil, at: 5000, runID: newRunID)
        #expect(SalvageRange(old: old, new: new, promotion: promotion) == expected)
    }

    @Test(
        "what is safe already is not asked for again",
        arguments: [
            (100, .backlog(span(101, 411), .direct)),
            (99, .backlog(span(101, 411), .direct)),
            (409, .backlog(span(410, 411), .direct)),
            (410, .none),
            (411, .none),
        ] as [(Int64, SalvageRange)])
    func saved(offset: Int64, expected: SalvageRange) {
        let safe = ReplicationPosition(replicationID: oldID, offset: offset)
        #expect(SalvageRange(old: master(oldID, at: 410), new: promoted(at: 100), saved: safe) == expected)
        let strange = ReplicationPosition(replicationID: otherID, offset: offset)
        #expect(
            SalvageRange(old: master(oldID, at: 410), new: promoted(at: 100), saved: strange)
                == .backlog(span(101, 411), .direct))
        // Of an unrelated one whose snapshot was kept.
        let alone = master(oldID, at: 410)
        let stranger = master(newID, at: 9, runID: newRunID)
        let afterSnapshot = SalvageRange(old: alone, new: stranger, saved: safe)
        #expect(
            afterSnapshot
                == (offset >= 410 ? .none : .backlog(StreamSpan(psyncID: oldID, from: offset + 1, to: 411), .direct)))
    }

    @Test("what was saved of a history counts only as far as the server still goes in it")
    func restoredFromOlder() {
        // 101 to 150 were saved; it came back from an RDB of 120, and wrote 121 to 160 anew.
        let old = master(otherID, at: 160, previous: oldID, secondOffset: 121)
        let safe = ReplicationPosition(replicationID: oldID, offset: 150)
        #expect(
            SalvageRange(old: old, new: promoted(at: 100), saved: safe) == .backlog(span(121, 161, otherID), .direct))
        let promotion = RememberedPromotion(masterRunID: oldRunID, replicationID: oldID, offset: 150)
        let again = master(newID, at: 9000, runID: newRunID)
        #expect(SalvageRange(old: old, new: again, promotion: promotion) == .backlog(span(121, 161, otherID), .direct))
    }

    @Test("a full resync, and offsets that cannot be")
    func odd() {
        var copying = parked(master(oldID, at: 410))
        if case .replica(var link) = copying.role {
            link.fullResync = .init()
            copying.role = .replica(link)
        }
        #expect(SalvageRange(old: copying, new: promoted(at: 100)) == .unknown(.fullResync))
        #expect(SalvageRange(old: master(oldID, at: -1), new: promoted(at: 100)) == .none)
        #expect(
            SalvageRange(old: master(oldID, at: 5), new: master(oldID, at: -1, runID: newRunID))
                == .backlog(span(1, 6), .direct))
        let far: Int64 = 1 << 62
        #expect(
            SalvageRange(old: master(oldID, at: far, first: 1, length: far), new: promoted(at: 0, offset: 0))
                == .backlog(span(1, far + 1), .direct))
    }
}
