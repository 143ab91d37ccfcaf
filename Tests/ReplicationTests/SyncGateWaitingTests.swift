import Testing

@testable import Replication

@Suite("SyncGate: waiting behind the fence")
struct SyncGateWaitingTests {
    private func wait(_ replica: ReplicationInfo, _ policy: Gate.Policy = policy()) -> (SyncGate, [Gate.Action]) {
        var gate = Gate.waiting(policy)
        let actions = gate.handle(.replica(seen(replica, at: 6)), now: at(7))
        return (gate, actions)
    }

    private func opening(applied: Int64) -> Gate.Opening {
        Gate.Opening(
            evidence: evidence(applied: applied, waited: 2), loss: .none, master: .answering, fencedUntil: at(6000))
    }

    @Test("the target is not applied yet: looked at again after 1 ms", arguments: [-1, 0, 999] as [Int64])
    func notYet(applied: Int64) {
        let (gate, actions) = wait(replicaInfo(applied: applied))
        #expect(actions == [.sample(.replica, after: .milliseconds(1))])
        #expect(gate.stateName == "waiting")
        #expect(gate.deadline == at(5003))
    }

    @Test(
        "the target is applied, or passed (the master's own PING): open without loss",
        arguments: [1000, 1014] as [Int64])
    func applied(offset: Int64) {
        let (gate, actions) = wait(replicaInfo(applied: offset))
        #expect(actions == [.open(opening(applied: offset))])
        #expect(gate.state == .open(opening(applied: offset)))
        #expect(gate.deadline == nil)
    }

    @Test("a link that went down matters only as long as something is missing")
    func linkDown() {
        #expect(wait(replicaInfo(applied: 999, isUp: false)).1 == [.sample(.replica, after: .milliseconds(1))])
        #expect(wait(replicaInfo(applied: 1000, isUp: false)).1 == [.open(opening(applied: 1000))])
    }

    @Test("before Redis 4: the run_id stands for the history")
    func withoutIDs() {
        var gate = Gate.requested()
        let master = masterInfo(id: nil, version: ServerVersion(2, 8, 17))
        _ = gate.handle(.master(seen(master, at: 1)), now: at(2))
        let replica = replicaInfo(applied: 1000, id: nil)
        #expect(gate.handle(.replica(seen(replica, at: 2)), now: at(3)) == [.fenceMaster(for: .seconds(6))])
        _ = gate.handle(.fenced(seen(master, at: 4), .password, until: at(6000)), now: at(5))
        let opening = Gate.Opening(
            evidence: evidence(applied: 1000, fence: .password, waited: 2, id: masterRunID), loss: .none,
            master: .answering, fencedUntil: at(6000))
        #expect(gate.handle(.replica(seen(replica, at: 6)), now: at(7)) == [.open(opening)])
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var refusal: Refusal
        var replica: ReplicationInfo
        var testDescription: String { refusal.code }
    }

    static let unsoundRows: [Row] = [
        Row(refusal: .loading(etaSeconds: 5), replica: replicaInfo(persistence: persistence(loading: true, eta: 5))),
        Row(refusal: .loading(etaSeconds: nil), replica: replicaInfo(persistence: persistence(async: true))),
        Row(refusal: .fullResync(leftBytes: nil), replica: replicaInfo(isUp: false, fullResync: .init())),
        Row(refusal: .writableReplica, replica: replicaInfo(isReadOnly: false)),
        Row(refusal: .otherHistory(masterKeys: 100), replica: replicaInfo(applied: 5000, id: otherID)),
    ]

    @Test(
        "a replica that becomes unsound is refused, however far it is, and the fence released", arguments: unsoundRows)
    func unsound(row: Row) {
        for policy in [policy(), policy(onTimeout: .promote)] {
            let (gate, actions) = wait(row.replica, policy)
            #expect(actions == [.releaseFence, .refuse(row.refusal)])
            #expect(gate.state == .refused(row.refusal))
        }
    }

    @Test("the time is up: refused with what is missing, and the fence released")
    func deadline() {
        var gate = Gate.waiting()
        _ = gate.handle(.replica(seen(replicaInfo(applied: 995), at: 6)), now: at(7))
        #expect(gate.handle(.deadlineReached, now: at(5003)) == [.releaseFence, .refuse(.lag(bytes: 5))])
        #expect(gate.state == .refused(.lag(bytes: 5)))
    }

    @Test("the time is up, and the policy promotes: the loss is exact; force knows no limit")
    func deadlinePromote() {
        let opening = Gate.Opening(
            evidence: evidence(applied: 900, waited: 0), loss: .exact(bytes: 100), master: .answering,
            overridden: .lag(bytes: 100), fencedUntil: at(6000))
        let policies = [
            policy(onTimeout: .promote), policy(onTimeout: .promote, maxLossBytes: 100),
            policy(maxLossBytes: 0, force: true),
        ]
        for policy in policies {
            var gate = Gate.waiting(policy)
            #expect(gate.handle(.deadlineReached, now: at(5003)) == [.open(opening)])
            #expect(gate.state == .open(opening))
        }
    }

    @Test("the time is up, and the loss is a byte above the limit")
    func deadlineLimit() {
        var gate = Gate.waiting(policy(onTimeout: .promote, maxLossBytes: 99))
        let refusal = Refusal.lossAboveLimit(bytes: 100, limit: 99)
        #expect(gate.handle(.deadlineReached, now: at(5003)) == [.releaseFence, .refuse(refusal)])
    }

    @Test("the master dies: its end is drained, within a second")
    func dead() {
        var gate = Gate.waiting()
        #expect(gate.handle(.masterUnreachable(.dead), now: at(10)) == [.sample(.replica, after: .zero)])
        #expect(gate.stateName == "draining")
        #expect(gate.deadline == at(1010))
    }

    @Test("the master is restarted and has forgotten the fence: opened with an unknown loss, to be parked")
    func restarted() {
        var gate = Gate.waiting()
        #expect(gate.handle(.masterUnreachable(.restarted), now: at(10)) == [.sample(.replica, after: .zero)])
        let actions = gate.handle(.replica(seen(replicaInfo(applied: 1000, isUp: false), at: 11)), now: at(12))
        guard case .open(let opening) = actions.first, actions.count == 1 else {
            Issue.record("\(actions)")
            return
        }
        #expect(opening.loss == .unknown(.masterRestarted))
        #expect(opening.master == .restarted)
    }

    @Test("a signal")
    func aborted() {
        var gate = Gate.waiting()
        #expect(gate.handle(.aborted, now: at(10)) == [.releaseFence, .refuse(.aborted)])
    }

    @Test(
        "the target is known: what else is said of the master means nothing",
        arguments: [
            AnyEvent.requested, AnyEvent.master, AnyEvent.silent, AnyEvent.unusable, AnyEvent.fenced,
            AnyEvent.fenceFailed,
        ])
    func ignored(event: Gate.Event) {
        var gate = Gate.waiting()
        let before = gate
        #expect(gate.handle(event, now: at(20)) == [])
        #expect(gate == before)
    }
}
