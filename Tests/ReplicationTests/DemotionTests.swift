import Testing

@testable import Replication

@Suite("Demotion: whether a server may follow its peer")
struct DemotionTests {
    typealias Decision = Demotion.Decision

    private func decide(
        _ local: ReplicationInfo, _ peer: ReplicationInfo, peerFollows: Bool = false, localFollows: Bool = false
    ) -> Decision {
        Demotion.decide(local: local, peer: peer, peerFollowsLocal: peerFollows, localFollowsPeer: localFollows)
    }

    private func master(_ offset: Int64, id: String? = historyID, from previous: Int64? = nil, keys: Int64? = 100)
        -> ReplicationInfo
    {
        masterInfo(offset: offset, id: id, previous: previous.map { .init(id: historyID, end: $0) }, keys: keys)
    }

    @Test("the peer is our replica: the gate, and the roles are swapped")
    func swap() {
        #expect(decide(masterInfo(), replicaInfo(), peerFollows: true) == .swapRoles)
        #expect(decide(masterInfo(keys: 0), replicaInfo(keys: 0), peerFollows: true) == .swapRoles)
    }

    @Test("it follows already, whatever the peer says of itself")
    func alreadyFollows() {
        #expect(decide(replicaInfo(), masterInfo(), localFollows: true) == .alreadyFollows)
        #expect(decide(replicaInfo(keys: 5), masterInfo(keys: 0), localFollows: true) == .alreadyFollows)
    }

    @Test("both follow each other, or the peer follows somebody else")
    func peerIsReplica() {
        #expect(decide(replicaInfo(), replicaInfo(), peerFollows: true, localFollows: true) == .refuse(.mutualReplicas))
        let elsewhere = replicaInfo(host: "10.0.0.9", port: 7000)
        #expect(decide(masterInfo(), elsewhere) == .refuse(.peerIsReplica(host: "10.0.0.9", port: 7000)))
    }

    @Test("neither a loading server nor its peer is touched")
    func loading() {
        let loading = masterInfo(persistence: persistence(loading: true, eta: 4))
        #expect(decide(loading, masterInfo()) == .refuse(.localLoading(etaSeconds: 4)))
        #expect(decide(masterInfo(), loading) == .refuse(.peerLoading(etaSeconds: 4)))
        #expect(decide(masterInfo(keys: 0), loading) == .refuse(.peerLoading(etaSeconds: 4)))
        #expect(decide(loading, replicaInfo(), peerFollows: true) == .refuse(.localLoading(etaSeconds: 4)))
    }

    @Test("an empty server follows anybody; one with data never an empty one")
    func empty() {
        #expect(decide(master(0, id: otherID, keys: 0), masterInfo()) == .follow(discarding: .nothing))
        #expect(decide(master(0, id: otherID, keys: 0), master(0, keys: 0)) == .follow(discarding: .nothing))
        #expect(decide(masterInfo(), master(0, id: otherID, keys: 0)) == .refuse(.peerEmpty(localKeys: 100)))
        #expect(decide(masterInfo(), master(1000, keys: 0)) == .refuse(.peerEmpty(localKeys: 100)))
    }

    @Test("histories: only what the peer holds may be thrown away")
    func histories() {
        let peer = master(1500, id: otherID, from: 1000)
        #expect(decide(master(1000), peer) == .follow(discarding: .nothing))
        #expect(decide(master(900), peer) == .follow(discarding: .nothing))
        #expect(decide(master(1033), peer) == .refuse(.wouldDiscard(.bytes(33))))
        #expect(decide(master(1033), master(1000, id: otherID, from: 1000)) == .refuse(.peerOlder(bytes: 33)))
        #expect(decide(master(1033), master(1000)) == .refuse(.peerOlder(bytes: 33)))
        #expect(decide(master(1000), master(1000, id: otherID)) == .refuse(.wouldDiscard(.dataSet(keys: 100))))
        #expect(
            decide(master(1000, keys: nil), master(1000, id: otherID)) == .refuse(.wouldDiscard(.dataSet(keys: nil))))
    }

    @Test("before Redis 4 nothing can be compared")
    func withoutIDs() {
        #expect(decide(master(1000, id: nil), master(1000, id: nil)) == .refuse(.wouldDiscard(.dataSet(keys: 100))))
        #expect(decide(master(1000), master(1000, id: nil)) == .refuse(.wouldDiscard(.dataSet(keys: 100))))
        #expect(decide(master(0, id: nil, keys: 0), master(1000, id: nil)) == .follow(discarding: .nothing))
    }

    @Test("real servers: an old master that wrote on after the promotion", arguments: Capture.withIDs)
    func captures(version: String) throws {
        let old = try Capture.info(version, "diverged-old-master")
        let new = try Capture.info(version, "diverged-new-master")
        #expect(decide(old, new) == .refuse(.wouldDiscard(.bytes(33))))
        #expect(decide(new, old) == .refuse(.wouldDiscard(.bytes(57))))
    }

    static let reasons: [Demotion.Reason] = [
        .peerLoading(etaSeconds: 1), .peerEmpty(localKeys: 1), .peerOlder(bytes: 1), .wouldDiscard(.bytes(1)),
        .peerIsReplica(host: "h", port: 1), .localLoading(etaSeconds: nil), .mutualReplicas, .fenceFailed("x"),
    ]

    @Test("every reason has its own code, a description and a remedy; force is offered where it helps")
    func words() {
        #expect(Set(Self.reasons.map(\.code)).count == 8)
        #expect(Set(Self.reasons.map(\.description)).count == 8)
        for reason in Self.reasons {
            #expect(!reason.description.isEmpty && !reason.remedy.isEmpty)
            #expect(reason.remedy.contains("--force") == reason.isForceable, "\(reason.code)")
        }
    }

    @Test("what force discards")
    func discarded() {
        let local = masterInfo()
        #expect(Demotion.discarded(by: .peerOlder(bytes: 7), local: local) == .bytes(7))
        #expect(Demotion.discarded(by: .wouldDiscard(.bytes(8)), local: local) == .bytes(8))
        #expect(Demotion.discarded(by: .peerEmpty(localKeys: 100), local: local) == .dataSet(keys: 100))
        #expect(Demotion.Discarded.nothing.description == "nothing")
        #expect(Demotion.Discarded.bytes(8).description == "8 bytes of writes that the peer never got")
        #expect(Demotion.Discarded.dataSet(keys: 5).description.contains("5 keys"))
    }
}
