import Testing

@testable import Replication

@Suite("SyncGate: closed, approaching, and the final states")
struct SyncGateApproachingTests {
    @Test("closed: a request is answered by a look at both servers")
    func request() {
        var gate = SyncGate()
        #expect(gate.state == .closed)
        #expect(gate.deadline == nil)
        #expect(gate.handle(.requested(policy()), now: at(0)) == [.sample(.both, after: .zero)])
        #expect(gate.state == .approaching(.init(policy: policy(), startedAt: at(0))))
        #expect(gate.deadline == at(10_000))
    }

    @Test("closed: everything else means nothing", arguments: AnyEvent.all.dropFirst())
    func closed(event: Gate.Event) {
        var gate = SyncGate()
        #expect(gate.handle(event, now: at(1)) == [])
        #expect(gate.state == .closed)
    }

    @Test("open and refused are final", arguments: AnyEvent.all)
    func final(event: Gate.Event) {
        for var gate in [Gate.opened(), Gate.refused()] {
            let before = gate
            #expect(gate.handle(event, now: at(20_000)) == [])
            #expect(gate == before)
            #expect(gate.deadline == nil)
        }
        #expect(Gate.opened().stateName == "open")
        #expect(Gate.refused().state == .refused(.aborted))
    }

    @Test(
        "approaching: what was not asked for means nothing",
        arguments: [AnyEvent.requested, AnyEvent.fenced, AnyEvent.fenceFailed])
    func ignored(event: Gate.Event) {
        var gate = Gate.approaching()
        let before = gate
        #expect(gate.handle(event, now: at(20)) == [])
        #expect(gate == before)
        #expect(gate.deadline == at(10_000))
    }

    @Test("approaching: a reading of the master is kept, and nothing is done before the replica's")
    func master() {
        var gate = Gate.requested()
        let observation = seen(masterInfo(), at: 1)
        #expect(gate.handle(.master(observation), now: at(2)) == [])
        #expect(gate.state == .approaching(.init(policy: policy(), startedAt: at(0), master: observation)))
    }

    @Test("approaching: a replica far behind is looked at again after 10 ms, unfenced")
    func far() {
        var gate = Gate.requested()
        let replica = seen(replicaInfo(), at: 2)
        #expect(gate.handle(.master(Gate.farMaster), now: at(2)) == [])
        #expect(gate.handle(.replica(replica), now: at(3)) == [.sample(.both, after: .milliseconds(10))])
        var attempt = Gate.Attempt(policy: policy(), startedAt: at(0), master: Gate.farMaster)
        attempt.firstReplica = replica
        attempt.replica = replica
        #expect(gate.state == .approaching(attempt))
    }

    @Test("approaching: a replica without a reading of the master is only looked at again")
    func replicaAlone() {
        var gate = Gate.requested()
        #expect(gate.handle(AnyEvent.replica, now: at(3)) == [.sample(.both, after: .milliseconds(10))])
        #expect(gate.stateName == "approaching")
    }

    @Test(
        "approaching: within 64 KiB the master is fenced for 5 s and a margin",
        arguments: [(1000, true), (66_536, true), (66_537, false)])
    func reachBytes(offset: Int64, isFenced: Bool) {
        var gate = Gate.requested()
        _ = gate.handle(.master(seen(masterInfo(offset: offset), at: 1)), now: at(2))
        let expected: Gate.Action = isFenced ? .fenceMaster(for: .seconds(6)) : .sample(.both, after: .milliseconds(10))
        #expect(gate.handle(.replica(seen(replicaInfo(), at: 2)), now: at(3)) == [expected])
        #expect(gate.stateName == (isFenced ? "fencing" : "approaching"))
        #expect(gate.deadline == (isFenced ? at(5003) : at(10_000)))
    }

    /// A replica that applied 10,000,000 bytes in one second and lacks `behind` more.
    private func rated(behind: Int64, now: Int, timeout: Duration = .seconds(10)) -> [Gate.Action] {
        var gate = Gate.requested(policy(timeout: timeout))
        _ = gate.handle(.master(seen(masterInfo(offset: 500_000_000), at: 1)), now: at(2))
        _ = gate.handle(.replica(seen(replicaInfo(applied: 0), at: now - 1001)), now: at(now - 1000))
        _ = gate.handle(.master(seen(masterInfo(offset: 10_000_000 + behind), at: now - 2)), now: at(now - 2))
        return gate.handle(.replica(seen(replicaInfo(applied: 10_000_000), at: now - 1)), now: at(now))
    }

    @Test("approaching: what will be applied within 200 ms is near enough")
    func reachTime() {
        #expect(rated(behind: 1_990_000, now: 2000) == [.fenceMaster(for: .seconds(6))])
        #expect(rated(behind: 2_010_000, now: 2000) == [.sample(.both, after: .milliseconds(10))])
    }

    @Test("approaching: from half of the timeout on, a slow replica is fenced if it can still make it")
    func lastCall() {
        #expect(rated(behind: 40_000_000, now: 4999) == [.sample(.both, after: .milliseconds(10))])
        #expect(rated(behind: 40_000_000, now: 5000) == [.fenceMaster(for: .seconds(6))])
        #expect(rated(behind: 40_000_000, now: 6500) == [.sample(.both, after: .milliseconds(10))])
        #expect(rated(behind: 34_000_000, now: 6500) == [.fenceMaster(for: .milliseconds(4500))])
        // Never longer than 5 s behind one fence, however long the timeout.
        #expect(
            rated(behind: 51_000_000, now: 60_000, timeout: .seconds(100)) == [.sample(.both, after: .milliseconds(10))]
        )
        #expect(rated(behind: 49_000_000, now: 60_000, timeout: .seconds(100)) == [.fenceMaster(for: .seconds(6))])
    }

    @Test("approaching: a replica that falls behind or stands still is not fenced early")
    func noProgress() {
        var gate = Gate.approaching()
        _ = gate.handle(.master(seen(masterInfo(offset: 400_000_000), at: 9000)), now: at(9001))
        let actions = gate.handle(.replica(seen(replicaInfo(), at: 9002)), now: at(9003))
        #expect(actions == [.sample(.both, after: .milliseconds(10))])
    }

    @Test("approaching: a dead master is drained; the replica's reading that was asked for is on its way")
    func dead() {
        var gate = Gate.approaching()
        #expect(gate.handle(.masterUnreachable(.dead), now: at(20)) == [])
        #expect(gate.stateName == "draining")
        #expect(gate.deadline == at(1020))
    }

    @Test("approaching: a master that is silent from the start counts as dead")
    func silentAtOnce() {
        var gate = Gate.requested()
        #expect(gate.handle(.masterUnreachable(.silent), now: at(20)) == [])
        #expect(gate.stateName == "draining")
    }

    @Test("approaching: a master that answered before and falls silent has the rest of the time to come back")
    func silentLater() {
        var gate = Gate.approaching()
        #expect(gate.handle(.masterUnreachable(.silent), now: at(20)) == [])
        #expect(gate.stateName == "approaching")
        let near = Gate.Event.replica(seen(replicaInfo(applied: 200_001_000), at: 21))
        #expect(gate.handle(near, now: at(22)) == [.sample(.both, after: .milliseconds(10))])
        #expect(gate.handle(.master(Gate.farMaster), now: at(33)) == [])
        #expect(gate.handle(near, now: at(34)) == [.fenceMaster(for: .seconds(6))])
    }

    @Test("approaching: silent until the deadline")
    func silentUntilTheEnd() {
        var gate = Gate.approaching()
        _ = gate.handle(.masterUnreachable(.silent), now: at(20))
        #expect(gate.handle(.deadlineReached, now: at(10_000)) == [.refuse(.contactLost)])
        #expect(gate.state == .refused(.contactLost))
        for policy in [policy(onTimeout: .promote), policy(force: true)] {
            var gate = Gate.requested(policy)
            _ = gate.handle(.master(Gate.farMaster), now: at(2))
            _ = gate.handle(.masterUnreachable(.silent), now: at(20))
            #expect(gate.handle(.deadlineReached, now: at(10_000)) == [.sample(.replica, after: .zero)])
            #expect(gate.stateName == "draining")
            #expect(gate.deadline == at(11_000))
        }
    }

    @Test("approaching: a master that cannot be asked from the start is refused; force drains it as one that lives")
    func unusable() {
        for policy in [policy(), policy(onTimeout: .promote)] {
            var gate = Gate.requested(policy)
            #expect(gate.handle(.masterUnusable("NOAUTH"), now: at(2)) == [.refuse(.masterUnusable(reason: "NOAUTH"))])
        }
        var forced = Gate.approaching(policy(force: true))
        #expect(forced.handle(.masterUnusable("NOAUTH"), now: at(20)) == [])
        #expect(forced.stateName == "draining")
    }

    @Test("approaching: a master that let us in before may be behind another run's fence, for a while")
    func lockedOut() {
        var gate = Gate.approaching(policy(onTimeout: .promote))
        #expect(gate.handle(.masterUnusable("NOAUTH"), now: at(20)) == [])
        let again = Gate.Action.sample(.both, after: .milliseconds(10))
        #expect(gate.handle(.replica(seen(replicaInfo(applied: 900), at: 21)), now: at(22)) == [again])
        #expect(gate.stateName == "approaching")
        #expect(gate.handle(.deadlineReached, now: at(10_000)) == [.refuse(.masterUnusable(reason: "NOAUTH"))])
    }

    @Test("approaching: a signal ends it; nothing is fenced yet")
    func aborted() {
        var gate = Gate.approaching()
        #expect(gate.handle(.aborted, now: at(20)) == [.refuse(.aborted)])
        #expect(gate.state == .refused(.aborted))
    }

    @Test("approaching: the time is up for a replica that lags")
    func deadline() {
        var gate = Gate.approaching()
        #expect(gate.handle(.deadlineReached, now: at(10_000)) == [.refuse(.lag(bytes: 200_000_000))])
    }

    @Test("approaching: the time is up, and the policy promotes: fenced for the margin, so that the loss is exact")
    func deadlinePromote() {
        var gate = Gate.approaching(policy(onTimeout: .promote))
        #expect(gate.handle(.deadlineReached, now: at(10_000)) == [.fenceMaster(for: .seconds(1))])
        #expect(gate.stateName == "fencing")
    }

    @Test(
        "approaching: the time is up before anything was read: refused, whatever the policy; a living master is not drained"
    )
    func deadlineUnread() {
        for policy in [policy(), policy(onTimeout: .promote), policy(force: true)] {
            var gate = Gate.requested(policy)
            #expect(gate.handle(.deadlineReached, now: at(10_000)) == [.refuse(.lag(bytes: 0))])
        }
    }
}
