import Testing

@testable import Replication

/// A master behind the boot fence, or parked by us: it follows 127.0.0.1:1, read-only, and nobody is master.
@Suite("SyncGate: beside a parked master")
struct SyncGateParkedTests {
    private func parked(applied: Int64, id: String? = historyID, keys: Int64? = 100) -> Observation {
        seen(
            replicaInfo(
                applied: applied, isUp: false, downtime: .neverConnected, id: id, host: "127.0.0.1", port: 1,
                runID: masterRunID, keys: keys), at: 1)
    }

    private func decide(
        _ master: Observation, _ replica: ReplicationInfo, _ policy: SyncGate.Policy = policy()
    ) -> SyncGate.Action? {
        var gate = SyncGate.requested(policy)
        _ = gate.handle(.master(master), now: at(2))
        return gate.handle(.replica(seen(replica, at: 2)), now: at(3)).first
    }

    @Test("the loss is what it holds more, along a common history", arguments: [(1000, 0), (900, 0), (1114, 114)])
    func loss(offset: Int64, missing: Int64) {
        guard case .open(let opening)? = decide(parked(applied: offset), replicaInfo(applied: 1000, isUp: false)) else {
            Issue.record("not opened")
            return
        }
        #expect(opening.loss == (missing == 0 ? .none : .exact(bytes: missing)))
        #expect(opening.evidence.fence == .readOnlyReplica)
        #expect(opening.master == .answering)
    }

    @Test("restarted without its history: opened, with an unknown loss")
    func unrelated() {
        for id in [otherID, nil] {
            let action = decide(parked(applied: 1000, id: id), replicaInfo(applied: 1000, isUp: false))
            guard case .open(let opening)? = action else {
                Issue.record("not opened")
                return
            }
            #expect(opening.loss == .unknown(.masterRestarted))
        }
    }

    @Test("an unsound replica is refused all the same")
    func refused() {
        let empty = replicaInfo(applied: 1000, isUp: false, keys: 0)
        #expect(decide(parked(applied: 1000), empty) == .refuse(.empty(masterKeys: 100)))
        let never = replicaInfo(applied: 0, isUp: false, downtime: .neverConnected)
        #expect(decide(parked(applied: 1000), never) == .refuse(.neverSynchronised))
        let limited = policy(maxLossBytes: 113)
        let lagging = replicaInfo(applied: 1000, isUp: false)
        #expect(decide(parked(applied: 1114), lagging, limited) == .refuse(.lossAboveLimit(bytes: 114, limit: 113)))
    }
}
