import Testing

@testable import Replication
@testable import Salvage

@Suite("DivergencePolicy: what to do about a range")
struct DivergencePolicyTests {
    static let plenty = SalvageCircumstances(
        isLoading: false, snapshotBytes: 5_000_000, freeBytes: 1 << 30, allowsDetaching: true)
    static let missing = SalvageRange.backlog(span(101, 411), .direct)
    static let much = SalvageRange.backlog(span(101, 6101), .direct)
    static let gone = SalvageRange.notCovered(span(101, 411), .beginsAt(300))

    @Test(
        "each policy, each range",
        arguments: [
            (.salvage, .none, .follow),
            (.snapshot, .none, .follow),
            (.refuse, .none, .follow),
            (.discard, .none, .follow),
            (.salvage, missing, .readBacklog(span(101, 411), .direct)),
            (.snapshot, missing, .readBacklog(span(101, 411), .direct)),
            (.refuse, missing, .readBacklog(span(101, 411), .direct)),
            (.snapshot, much, .snapshot(.byPolicy(bytes: 6000))),
            (.refuse, much, .refuse(.byPolicy(bytes: 6000))),
            (.discard, missing, .discard(bytes: 310)),
            (.salvage, gone, .snapshot(.notCovered(span(101, 411), .beginsAt(300)))),
            (.refuse, gone, .refuse(.byPolicy(bytes: 310))),
            (.discard, gone, .discard(bytes: 310)),
            (.salvage, .unrelated, .snapshot(.unrelated)),
            (.snapshot, .unrelated, .snapshot(.byPolicy(bytes: nil))),
            (.refuse, .unrelated, .refuse(.byPolicy(bytes: nil))),
            (.discard, .unrelated, .discard(bytes: nil)),
            (.salvage, .unknown(.restarted), .snapshot(.unknown(.restarted))),
            (.discard, .unknown(.restarted), .discard(bytes: nil)),
            (.refuse, .unknown(.notCounting), .refuse(.byPolicy(bytes: nil))),
        ] as [(DivergencePolicy, SalvageRange, SalvageDecision)])
    func table(policy: DivergencePolicy, range: SalvageRange, expected: SalvageDecision) {
        #expect(policy.decision(for: range, Self.plenty) == expected)
    }

    @Test("a server that loads is asked for nothing", arguments: DivergencePolicy.allCases)
    func loading(policy: DivergencePolicy) {
        var circumstances = Self.plenty
        circumstances.isLoading = true
        #expect(policy.decision(for: Self.missing, circumstances) == .refuse(.loading))
        #expect(policy.decision(for: .none, circumstances) == .refuse(.loading))
    }

    @Test("a parked one is detached only where that is allowed", arguments: [true, false])
    func detaching(isAllowed: Bool) {
        var circumstances = Self.plenty
        circumstances.allowsDetaching = isAllowed
        let parked = SalvageRange.backlog(span(101, 411), .afterDetaching)
        #expect(
            DivergencePolicy.salvage.decision(for: parked, circumstances)
                == (isAllowed ? .readBacklog(span(101, 411), .afterDetaching) : .snapshot(.attached(span(101, 411)))))
    }

    @Test(
        "the disk: 310 bytes need 4096 for the header and 1 MiB of reserve beside them",
        arguments: [
            (1_052_982, 5_000_000, .readBacklog(span(101, 411), .direct)),
            (1_052_981, 5_000_000, .refuse(.diskFull(needed: 6_048_576, free: 1_052_981))),
            (1_052_981, 1000, .snapshot(.noRoom(needed: 1_052_982, free: 1_052_981))),
            (1_052_981, nil, .refuse(.diskFull(needed: 1_052_982, free: 1_052_981))),
            (nil, nil, .readBacklog(span(101, 411), .direct)),
            (0, 0, .refuse(.diskFull(needed: 1_048_576, free: 0))),
            (0, .max, .refuse(.diskFull(needed: .max, free: 0))),
        ] as [(Int64?, Int64?, SalvageDecision)])
    func disk(free: Int64?, snapshot: Int64?, expected: SalvageDecision) {
        let circumstances = SalvageCircumstances(
            isLoading: false, snapshotBytes: snapshot, freeBytes: free, allowsDetaching: true)
        #expect(DivergencePolicy.salvage.decision(for: Self.missing, circumstances) == expected)
    }

    @Test(
        "a snapshot needs its size and the reserve",
        arguments: [
            (6_048_576, .snapshot(.unrelated)), (6_048_575, .refuse(.diskFull(needed: 6_048_576, free: 6_048_575))),
            (nil, .snapshot(.unrelated)),
        ] as [(Int64?, SalvageDecision)])
    func snapshotDisk(free: Int64?, expected: SalvageDecision) {
        var circumstances = Self.plenty
        circumstances.freeBytes = free
        #expect(DivergencePolicy.salvage.decision(for: .unrelated, circumstances) == expected)
    }

    @Test("after a failure: salvage, snapshot, refuse, and never discard")
    func fallingBack() {
        let read = SalvageFailure.read("it was closed")
        let snapshot = SalvageFailure.snapshot("no space")
        for policy in [DivergencePolicy.snapshot, .refuse, .discard] {
            #expect(policy.decision(after: read, Self.plenty) == .refuse(.failed(read)))
        }
        #expect(DivergencePolicy.salvage.decision(after: read, Self.plenty) == .snapshot(.salvageFailed(read)))
        for policy in DivergencePolicy.allCases {
            #expect(policy.decision(after: snapshot, Self.plenty) == .refuse(.failed(snapshot)))
        }
    }

    @Test("what the operator reads has the numbers")
    func texts() {
        #expect(
            "\(SalvageRefusal.diskFull(needed: 6_048_576, free: 12))"
                == "saving what it holds beyond the new master needs 6048576 bytes on the disk, and 12 are free")
        #expect(
            "\(SalvageRefusal.byPolicy(bytes: 310))"
                == "it holds 310 bytes beyond the new master, and on_divergence is \"refuse\"")
        #expect(
            "\(SnapshotReason.notCovered(span(101, 411), .beginsAt(300)))"
                == "310 bytes beyond the new master, from offset 101: its backlog begins at offset 300 only")
        let got = StreamTally(from: 101, to: 200, writes: 2, ending: .midCommand(at: 180, bytes: 20))
        #expect(
            "\(SalvageFailure.notWhole(asked: span(101, 411), got: got))"
                == "the offsets 101 to 199 were read, of 101 to 410; they end with 20 bytes of the command at offset 180"
        )
    }
}
