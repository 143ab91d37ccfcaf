import Testing

@testable import Replication

@Suite("Leading: master without a gate")
struct LeadingTests {
    /// Parked in this history.
    private func parked(_ applied: Int64, id: String? = historyID, keys: Int64? = 100) -> ReplicationInfo {
        replicaInfo(applied: applied, isUp: false, id: id, host: "127.0.0.1", port: 1, keys: keys)
    }

    private func master(_ offset: Int64, id: String = historyID, keys: Int64? = 100) -> ReplicationInfo {
        masterInfo(offset: offset, id: id, keys: keys, listed: [])
    }

    @Test("what is lost is what the other one holds beyond; what cannot be compared is not known")
    func loss() {
        let own = parked(1000)
        #expect(Leading.loss(local: own, peer: nil) == .unknown(.neverSampled))
        #expect(Leading.loss(local: own, peer: parked(1000)) == .none)
        #expect(Leading.loss(local: own, peer: parked(990)) == .none)
        #expect(Leading.loss(local: own, peer: parked(1010)) == .exact(bytes: 10))
        // Both lost power, and have drawn new ids since; the other one's append-only file may hold more.
        #expect(Leading.loss(local: own, peer: parked(1000, id: otherID)) == .unknown(.notComparable))
        #expect(Leading.loss(local: own, peer: parked(0, id: otherID, keys: 0)) == .unknown(.notComparable))
        #expect(Leading.loss(local: parked(1000, id: nil), peer: parked(1000, id: nil)) == .unknown(.notComparable))
        // A pair that begins.
        #expect(Leading.loss(local: parked(0, keys: 0), peer: parked(0, id: otherID, keys: 0)) == .none)
    }

    @Test("where each has writes of its own, the other one's are lost")
    func diverged() {
        var own = parked(1100)
        own.identity = .init(id: otherID, previous: .init(id: historyID, end: 1000))
        #expect(Leading.loss(local: own, peer: parked(1030)) == .exact(bytes: 30))
    }

    @Test("beside a master: only where that one is empty, and has gone no further")
    func besideMaster() {
        #expect(Leading.obstacle(local: parked(1000), peer: master(1000)) == .peerIsMaster(keys: 100))
        #expect(Leading.obstacle(local: parked(1000), peer: master(1000, keys: 0)) == nil)
        #expect(Leading.obstacle(local: parked(1000), peer: master(0, id: otherID, keys: 0)) == nil)
        // A queue that its clients have emptied: the local data set is the older one.
        #expect(Leading.obstacle(local: parked(1000), peer: master(1200, keys: 0)) == .peerNewer(bytes: 200))
        // The same, parked since: a server without a key leads nobody who has some.
        #expect(Leading.obstacle(local: parked(1000), peer: parked(1200, keys: 0)) == nil)
        #expect(Leading.loss(local: parked(1000), peer: parked(1200, keys: 0)) == .exact(bytes: 200))
    }

    @Test("who serves and was emptied by its clients is followed, and nobody else without a key")
    func emptied() {
        func decision(_ local: ReplicationInfo, _ peer: ReplicationInfo, force: Bool? = nil) -> Demotion.Decision {
            let decision = Demotion.decide(
                local: local, peer: peer, peerFollowsLocal: false, localFollowsPeer: false)
            let purpose: Demotion.Purpose = force.map { .demote(force: $0) } ?? .follow(accepting: .nothing)
            return Demotion.settle(decision, for: purpose, local: local, peer: peer)
        }
        let refused = Demotion.Decision.refuse(.peerEmpty(localKeys: 100))
        #expect(decision(parked(1000), master(1200, keys: 0)) == .follow(discarding: .nothing))
        #expect(decision(parked(1000), master(1000, keys: 0)) == refused)
        #expect(decision(parked(1000), master(990, keys: 0)) == refused)
        #expect(decision(parked(1000), master(1200, id: otherID, keys: 0)) == refused)
        #expect(decision(parked(1000), master(1200, keys: 0), force: false) == refused)
        var loading = master(1200, keys: 0)
        loading.persistence = persistence(loading: true)
        #expect(!loading.wasEmptied(after: parked(1000)))
        #expect(!parked(1200, keys: 0).wasEmptied(after: parked(1000)))
    }
}
