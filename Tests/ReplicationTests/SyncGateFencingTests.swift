import Testing

@testable import Replication

@Suite("SyncGate: fencing")
struct SyncGateFencingTests {
    @Test("the fence holds: its reading is the target, and the replica is read at once")
    func fenced() {
        var gate = Gate.fencing()
        #expect(gate.deadline == at(5003))
        let actions = gate.handle(.fenced(Gate.target, .clientPause, until: at(6000)), now: at(5))
        #expect(actions == [.sample(.replica, after: .zero)])
        guard case .waiting(let attempt, let target, let deadline) = gate.state else {
            return #expect(Bool(false), "\(gate.state)")
        }
        #expect(target == Gate.Target(observation: Gate.target, fence: .clientPause, fencedUntil: at(6000)))
        #expect(attempt.master == Gate.target)
        #expect(deadline == at(5003))
        #expect(gate.deadline == at(5003))
    }

    @Test(
        "what was not asked for means nothing",
        arguments: [AnyEvent.requested, AnyEvent.master, AnyEvent.replica, .deadlineReached])
    func ignored(event: Gate.Event) {
        var gate = Gate.fencing()
        let before = gate
        #expect(gate.handle(event, now: at(20)) == [])
        #expect(gate == before)
    }

    private static let restarted = Refusal.fenceFailed(reason: "the master was restarted meanwhile")

    @Test("behind the fence stands another server")
    func restarted() {
        for policy in [policy(), policy(onTimeout: .promote), policy(force: true)] {
            var gate = Gate.fencing(policy)
            let other = seen(masterInfo(runID: "cccc"), at: 4)
            let actions = gate.handle(.fenced(other, .password, until: at(6000)), now: at(5))
            #expect(actions == [.releaseFence, .refuse(Self.restarted)])
        }
    }

    @Test("behind the fence stands a replica: another run was quicker, and there is something new to see")
    func demotedMeanwhile() {
        for policy in [policy(), policy(onTimeout: .promote), policy(force: true)] {
            var gate = Gate.fencing(policy)
            let demoted = seen(replicaInfo(runID: masterRunID), at: 4)
            let actions = gate.handle(.fenced(demoted, .password, until: at(6000)), now: at(5))
            #expect(actions == [.releaseFence, .sample(.both, after: .milliseconds(10))])
            #expect(gate.stateName == "approaching")
        }
    }

    @Test("it cannot be raised")
    func failed() {
        var gate = Gate.fencing()
        #expect(gate.handle(.fenceFailed("NOPERM"), now: at(10)) == [.refuse(.fenceFailed(reason: "NOPERM"))])
        var patient = Gate.fencing(policy(onTimeout: .promote))
        #expect(patient.handle(.fenceFailed("NOPERM"), now: at(10)) == [.refuse(.fenceFailed(reason: "NOPERM"))])
    }

    @Test("it cannot be raised, and force accepts what may be lost")
    func failedForced() {
        var gate = Gate.fencing(policy(maxLossBytes: 0, force: true))
        let opening = Gate.Opening(
            evidence: evidence(applied: 900, fence: nil, waited: 1),
            loss: .atMost(bytes: 100, sampleAge: .milliseconds(9)), master: .answering,
            overridden: .fenceFailed(reason: "NOPERM"))
        #expect(gate.handle(.fenceFailed("NOPERM"), now: at(10)) == [.open(opening)])
    }

    @Test("the master dies: its end is drained, nothing is left to release")
    func dead() {
        var gate = Gate.fencing()
        #expect(gate.handle(.masterUnreachable(.dead), now: at(10)) == [.sample(.replica, after: .zero)])
        #expect(gate.stateName == "draining")
        #expect(gate.deadline == at(1010))
    }

    @Test("the master falls silent: the command may still arrive, so the fence is undone")
    func silent() {
        var gate = Gate.fencing()
        #expect(gate.handle(.masterUnreachable(.silent), now: at(10)) == [.releaseFence, .refuse(.contactLost)])
    }

    @Test("the master falls silent, which the policy accepts; a refusal later still undoes the fence")
    func silentAccepted() {
        for policy in [policy(onTimeout: .promote), policy(force: true)] {
            var gate = Gate.fencing(policy)
            #expect(gate.handle(.masterUnreachable(.silent), now: at(10)) == [.sample(.replica, after: .zero)])
            #expect(gate.stateName == "draining")
            #expect(gate.handle(.aborted, now: at(11)) == [.releaseFence, .refuse(.aborted)])
        }
        var limited = Gate.fencing(policy(onTimeout: .promote, maxLossBytes: 99))
        _ = limited.handle(.masterUnreachable(.silent), now: at(10))
        let end = Gate.Event.replica(seen(replicaInfo(applied: 900, isUp: false), at: 11))
        let refusal = Refusal.lossAboveLimit(bytes: 100, limit: 99)
        #expect(limited.handle(end, now: at(12)) == [.releaseFence, .refuse(refusal)])
    }

    @Test("the master does not let us in any more: another run's fence was quicker")
    func unusable() {
        var gate = Gate.fencing()
        let actions = gate.handle(.masterUnusable("NOAUTH"), now: at(10))
        #expect(actions == [.releaseFence, .sample(.both, after: .milliseconds(10))])
        #expect(gate.stateName == "approaching")
        #expect(gate.handle(.deadlineReached, now: at(10_000)) == [.refuse(.masterUnusable(reason: "NOAUTH"))])
    }

    @Test("a signal")
    func aborted() {
        var gate = Gate.fencing()
        #expect(gate.handle(.aborted, now: at(10)) == [.releaseFence, .refuse(.aborted)])
    }

    // At the deadline, with --on-timeout promote.

    private func lastMoment(_ policy: Gate.Policy = policy(onTimeout: .promote)) -> SyncGate {
        var gate = Gate.approaching(policy)
        _ = gate.handle(.deadlineReached, now: at(10_000))
        return gate
    }

    private static let farTarget = seen(masterInfo(offset: 200_001_014), at: 10_001)

    @Test("overriding lag: one more look behind the fence; the loss is what is missing then")
    func overriding() {
        var gate = lastMoment()
        let actions = gate.handle(.fenced(Self.farTarget, .password, until: at(11_000)), now: at(10_002))
        #expect(actions == [.sample(.replica, after: .zero)])
        #expect(gate.deadline == at(10_102))
        let again = Gate.Action.sample(.replica, after: .milliseconds(1))
        #expect(gate.handle(.replica(seen(replicaInfo(applied: 1500), at: 10_003)), now: at(10_004)) == [again])
        let opening = Gate.Opening(
            evidence: evidence(target: 200_001_014, applied: 1500, fence: .password, waited: 2),
            loss: .exact(bytes: 199_999_514), master: .answering, overridden: .lag(bytes: 199_999_514),
            fencedUntil: at(11_000))
        #expect(gate.handle(.deadlineReached, now: at(10_102)) == [.open(opening)])
    }

    @Test("overriding lag: nothing is missing behind the fence, so nothing is lost")
    func overridingCaughtUp() {
        var gate = lastMoment()
        _ = gate.handle(.fenced(Self.farTarget, .clientPause, until: at(11_000)), now: at(10_002))
        let opening = Gate.Opening(
            evidence: evidence(target: 200_001_014, applied: 200_001_014, fence: .clientPause, waited: 2),
            loss: .none, master: .answering, fencedUntil: at(11_000))
        let caughtUp = seen(replicaInfo(applied: 200_001_014), at: 10_003)
        #expect(gate.handle(.replica(caughtUp), now: at(10_004)) == [.open(opening)])
    }

    @Test("overriding: up to the limit and not a byte further", arguments: [200_000_013, 200_000_014] as [Int64])
    func overridingLimit(limit: Int64) {
        var gate = lastMoment(policy(onTimeout: .promote, maxLossBytes: limit))
        _ = gate.handle(.fenced(Self.farTarget, .clientPause, until: at(11_000)), now: at(10_002))
        _ = gate.handle(.replica(seen(replicaInfo(applied: 1000), at: 10_003)), now: at(10_004))
        let actions = gate.handle(.deadlineReached, now: at(10_102))
        guard limit == 200_000_013 else {
            return #expect(gate.stateName == "open", "\(actions)")
        }
        let refusal = Refusal.lossAboveLimit(bytes: 200_000_014, limit: 200_000_013)
        #expect(actions == [.releaseFence, .refuse(refusal)])
    }

    @Test("overriding: the fence cannot be raised: opened with what was missing at the last look")
    func overridingFailed() {
        var gate = lastMoment()
        let opening = Gate.Opening(
            evidence: evidence(target: 200_001_000, applied: 1000, fence: nil, waited: 1),
            loss: .atMost(bytes: 200_000_000, sampleAge: .milliseconds(10_009)), master: .answering,
            overridden: .lag(bytes: 200_000_000))
        #expect(gate.handle(.fenceFailed("NOPERM"), now: at(10_010)) == [.open(opening)])
    }

    @Test("overriding: the master dies")
    func overridingDead() {
        var gate = lastMoment()
        #expect(gate.handle(.masterUnreachable(.dead), now: at(10_010)) == [.sample(.replica, after: .zero)])
        let actions = gate.handle(.replica(seen(replicaInfo(isUp: false), at: 10_011)), now: at(10_012))
        let opening = Gate.Opening(
            evidence: evidence(target: 200_001_000, applied: 1000, fence: nil, waited: 10_010),
            loss: .atMost(bytes: 200_000_000, sampleAge: .milliseconds(10_011)), master: .dead,
            overridden: .lag(bytes: 200_000_000))
        #expect(actions == [.open(opening)])
    }
}
