import Testing

@testable import Replication

@Suite("SyncGate: obstacles on the approach, force, and two servers that follow each other")
struct SyncGateObstacleTests {
    private func judge(_ policy: Gate.Policy, _ master: ReplicationInfo, _ replica: ReplicationInfo) -> (
        SyncGate, [Gate.Action]
    ) {
        var gate = Gate.requested(policy)
        _ = gate.handle(.master(seen(master, at: 1)), now: at(2))
        let actions = gate.handle(.replica(seen(replica, at: 2)), now: at(3))
        return (gate, actions)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var refusal: Refusal
        var master = masterInfo()
        var replica = replicaInfo()
        var testDescription: String { refusal.code }
    }

    static let hard: [Row] = [
        Row(refusal: .fullResync(leftBytes: 7), replica: replicaInfo(isUp: false, fullResync: .init(leftBytes: 7))),
        Row(refusal: .writableReplica, replica: replicaInfo(isReadOnly: false)),
        Row(refusal: .otherHistory(masterKeys: 100), replica: replicaInfo(id: otherID)),
        Row(refusal: .empty(masterKeys: 100), replica: replicaInfo(id: otherID, keys: 0)),
    ]
    static let passing: [Row] = [
        Row(refusal: .linkDown, replica: replicaInfo(isUp: false)),
        Row(refusal: .backlogInactive, master: masterInfo(isBacklogActive: false)),
        Row(refusal: .notListed, master: masterInfo(listed: [])),
        Row(
            refusal: .masterLoading(etaSeconds: 9), master: masterInfo(persistence: persistence(loading: true, eta: 9))),
    ]
    static let unfenceable: [Row] = [
        Row(refusal: .failoverInProgress(state: "waiting-for-sync"), master: masterInfo(failover: "waiting-for-sync")),
        Row(
            refusal: .replicaOfReplica(host: "10.0.0.9", port: 6379),
            master: replicaInfo(host: "10.0.0.9", runID: masterRunID)),
    ]

    @Test("what does not pass is refused at once", arguments: hard + unfenceable)
    func hardObstacle(row: Row) {
        for policy in [policy(), policy(onTimeout: .promote), policy(maxLossBytes: .max)] {
            let (gate, actions) = judge(policy, row.master, row.replica)
            #expect(actions == [.refuse(row.refusal)])
            #expect(gate.state == .refused(row.refusal))
        }
    }

    @Test("force fences first, and opens at once behind the fence, with the refusal written on it", arguments: hard)
    func forcedHard(row: Row) {
        var (gate, actions) = judge(policy(force: true), row.master, row.replica)
        #expect(actions == [.fenceMaster(for: .seconds(6))])
        actions = gate.handle(.fenced(Gate.target, .clientPause, until: at(6000)), now: at(5))
        let opening = Gate.Opening(
            evidence: evidence(applied: 1000, waited: 0), loss: .unknown(.notComparable), master: .answering,
            overridden: row.refusal, fencedUntil: at(6000))
        #expect(actions == [.open(opening)])
        #expect(gate.state == .open(opening))
    }

    @Test("force does not fence a server that is not ours to fence", arguments: unfenceable)
    func forcedUnfenceable(row: Row) {
        let (_, actions) = judge(policy(force: true), row.master, row.replica)
        #expect(actions.count == 1)
        guard case .open(let opening)? = actions.first else { return #expect(Bool(false), "\(actions)") }
        #expect(opening.overridden == row.refusal)
        #expect(opening.fencedUntil == nil)
        #expect(opening.evidence.fence == nil)
        #expect(opening.loss.isPossible)
    }

    @Test("nothing forces a loading replica: Redis itself refuses")
    func loading() {
        let replica = replicaInfo(persistence: persistence(loading: true, eta: 3))
        for policy in [policy(), policy(force: true), policy(onTimeout: .promote)] {
            #expect(judge(policy, masterInfo(), replica).1 == [.refuse(.loading(etaSeconds: 3))])
        }
        let async = replicaInfo(persistence: persistence(async: true))
        #expect(judge(policy(force: true), masterInfo(), async).1 == [.refuse(.loading(etaSeconds: nil))])
    }

    @Test("what may pass is waited for, and is the reason when the time is up", arguments: passing)
    func passingObstacle(row: Row) {
        var (gate, actions) = judge(policy(), row.master, row.replica)
        #expect(actions == [.sample(.both, after: .milliseconds(10))])
        #expect(gate.handle(.deadlineReached, now: at(10_000)) == [.refuse(row.refusal)])
    }

    @Test("what has passed is forgotten")
    func passed() {
        var (gate, _) = judge(policy(), masterInfo(offset: 200_001_000), replicaInfo(isUp: false))
        _ = gate.handle(.replica(seen(replicaInfo(), at: 20)), now: at(21))
        #expect(gate.handle(.deadlineReached, now: at(10_000)) == [.refuse(.lag(bytes: 200_000_000))])
    }

    @Test(
        "the policy promotes when the time is up: a loading master has nothing to fence, the others are fenced",
        arguments: passing)
    func passingPromote(row: Row) {
        var (gate, _) = judge(policy(onTimeout: .promote), row.master, row.replica)
        let actions = gate.handle(.deadlineReached, now: at(10_000))
        guard case .masterLoading = row.refusal else { return #expect(actions == [.fenceMaster(for: .seconds(1))]) }
        let opening = Gate.Opening(
            evidence: evidence(applied: 1000, fence: nil, waited: 1), loss: .unknown(.notComparable),
            master: .answering,
            overridden: row.refusal)
        #expect(actions == [.open(opening)])
    }

    // Two servers that follow each other: an interrupted run had demoted the master already.

    private func following(_ applied: Int64, id: String? = historyID, host: String = "10.0.0.2", port: Int = 6379)
        -> ReplicationInfo
    {
        replicaInfo(applied: applied, isUp: false, id: id, host: host, port: port, runID: masterRunID)
    }

    private func resumed(target: ReplicationPosition?, applied: Int64) -> Gate.Action {
        let evidence = Evidence(
            target: target, appliedOffset: applied, fence: .readOnlyReplica, waited: .milliseconds(1))
        return .open(Gate.Opening(evidence: evidence, loss: .none, master: .answering))
    }

    @Test("mutual: the local one holds all: open, no fence is needed")
    func mutual() {
        let position = ReplicationPosition(replicationID: historyID, offset: 1000)
        #expect(judge(policy(), following(1000), replicaInfo()).1 == [resumed(target: position, applied: 1000)])
        #expect(
            judge(policy(), following(1000), replicaInfo(applied: 1014)).1 == [resumed(target: position, applied: 1014)]
        )
    }

    @Test("mutual: the local one lacks something, or nothing is known")
    func mutualUnproven() {
        #expect(judge(policy(), following(1001), replicaInfo()).1 == [.refuse(.mutualReplicas)])
        #expect(judge(policy(), following(1000, id: otherID), replicaInfo()).1 == [.refuse(.mutualReplicas)])
        #expect(judge(policy(), following(1, id: nil), replicaInfo(id: nil)).1 == [.refuse(.mutualReplicas)])
        #expect(
            judge(policy(resumed: "cccc"), following(1, id: nil), replicaInfo(id: nil)).1 == [.refuse(.mutualReplicas)])
    }

    @Test("mutual before Redis 4: only our own journal proves it")
    func mutualResumed() {
        let position = ReplicationPosition(replicationID: masterRunID, offset: 1)
        let resumed = policy(resumed: masterRunID)
        #expect(
            judge(resumed, following(1, id: nil), replicaInfo(id: nil)).1 == [
                self.resumed(target: position, applied: 1000)
            ])
    }

    @Test("a parked master may hold more than the local server: its journal proves nothing, the loss is said")
    func parked() {
        let resumed = policy(resumed: masterRunID)
        let pairs = [
            (following(1, id: nil, host: "127.0.0.1", port: 1), replicaInfo(id: nil), Loss.unknown(.masterRestarted)),
            (following(1001, host: "127.0.0.1", port: 1), replicaInfo(), Loss.exact(bytes: 1)),
        ]
        for (parked, replica, loss) in pairs {
            guard case .open(let opening)? = judge(resumed, parked, replica).1.first else {
                Issue.record("not opened")
                return
            }
            #expect(opening.loss == loss)
        }
    }

    @Test("mutual: forced where it is not proven")
    func mutualForced() {
        let actions = judge(policy(force: true), following(1001), replicaInfo()).1
        guard case .open(let opening)? = actions.first else { return #expect(Bool(false), "\(actions)") }
        #expect(opening.overridden == .replicaOfReplica(host: "10.0.0.2", port: 6379))
        #expect(opening.loss == .unknown(.notComparable))
    }

    @Test("mutual: a loading, resyncing or writable local server is no proof")
    func mutualUnsound() {
        let loading = replicaInfo(persistence: persistence(loading: true))
        #expect(judge(policy(), following(1000), loading).1 == [.refuse(.loading(etaSeconds: nil))])
        let resync = replicaInfo(isUp: false, fullResync: .init(leftBytes: 7))
        #expect(judge(policy(), following(1000), resync).1 == [.refuse(.fullResync(leftBytes: 7))])
        #expect(judge(policy(), following(1000), replicaInfo(isReadOnly: false)).1 == [.refuse(.writableReplica)])
    }

    @Test("a master that takes writes as a replica is not fenced by being one")
    func writableMaster() {
        var master = following(1000)
        master.role = .replica(link(applied: 1000, isReadOnly: false, host: "10.0.0.2"))
        #expect(judge(policy(), master, replicaInfo()).1 == [.refuse(.replicaOfReplica(host: "10.0.0.2", port: 6379))])
    }
}
