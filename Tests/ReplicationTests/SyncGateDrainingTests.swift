import Testing

@testable import Replication

@Suite("SyncGate: draining a lost master's stream")
struct SyncGateDrainingTests {
    private func end(_ applied: Int64 = 1000, at milliseconds: Int = 12) -> Gate.Event {
        .replica(seen(replicaInfo(applied: applied, isUp: false), at: milliseconds))
    }
    private func streaming(_ applied: Int64 = 1000, at milliseconds: Int = 12) -> Gate.Event {
        .replica(seen(replicaInfo(applied: applied), at: milliseconds))
    }
    private let again: [Gate.Action] = [.sample(.replica, after: .milliseconds(5))]

    private func unsampled(_ contact: Gate.Contact, overridden: Refusal? = nil, loss: Loss = .unknown(.neverSampled))
        -> Gate.Action
    {
        .open(
            Gate.Opening(
                evidence: evidence(target: nil, applied: 1000, fence: nil, waited: 0), loss: loss, master: contact,
                overridden: overridden))
    }

    @Test("the replica's link is down: open, nothing bounds the loss")
    func linkDown() {
        for contact in [Gate.Contact.dead, .silent] {
            var gate = Gate.draining(contact)
            #expect(gate.deadline == at(1010))
            #expect(gate.handle(end(), now: at(13)) == [unsampled(contact)])
            #expect(gate.stateName == "open")
        }
    }

    @Test("a planned swap of roles, and the master cannot be asked: refused, it may be alive")
    func planned() {
        for contact in [Gate.Contact.dead, .silent, .restarted] {
            var (gate, planned) = (SyncGate(), policy(onTimeout: .promote))
            planned.needsMaster = true
            _ = gate.handle(.requested(planned), now: at(0))
            #expect(gate.handle(.masterUnreachable(contact), now: at(10)) == [.refuse(.masterAbsent)])
        }
    }

    @Test("a dead process's link goes down by itself: waited for, even when nothing arrives")
    func deadStreaming() {
        var gate = Gate.draining(.dead)
        for now in [13, 113, 500, 1009] { #expect(gate.handle(streaming(), now: at(now)) == again) }
        #expect(gate.handle(end(), now: at(1010)) == [unsampled(.dead)])
    }

    @Test("a silent master's stream has ended when nothing arrived for 100 ms")
    func silentStill() {
        var gate = Gate.draining(.silent)
        #expect(gate.handle(streaming(500), now: at(13)) == again)
        #expect(gate.handle(streaming(1000), now: at(60)) == again)
        #expect(gate.handle(streaming(1000), now: at(113)) == again)
        #expect(gate.handle(streaming(1000), now: at(159)) == again)
        #expect(gate.handle(streaming(1000), now: at(160)) == [unsampled(.silent)])
    }

    @Test("the replica still hears from its master at the deadline: it lives")
    func heard() {
        for contact in [Gate.Contact.dead, .silent] {
            for policy in [policy(), policy(onTimeout: .promote)] {
                var gate = Gate.draining(contact, policy)
                _ = gate.handle(streaming(), now: at(1009))
                #expect(gate.handle(.deadlineReached, now: at(1010)) == [.refuse(.masterHeard)])
            }
            var forced = Gate.draining(contact, policy(force: true))
            _ = forced.handle(streaming(), now: at(1009))
            #expect(forced.handle(.deadlineReached, now: at(1010)) == [unsampled(contact, overridden: .masterHeard)])
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var refusal: Refusal
        var replica: ReplicationInfo
        var testDescription: String { refusal.code }
    }

    static let unsoundRows: [Row] = [
        Row(refusal: .fullResync(leftBytes: 8), replica: replicaInfo(isUp: false, fullResync: .init(leftBytes: 8))),
        Row(refusal: .writableReplica, replica: replicaInfo(isUp: false, isReadOnly: false)),
        Row(refusal: .neverSynchronised, replica: replicaInfo(isUp: false, downtime: .neverConnected)),
    ]

    @Test("an unsound replica is refused at once; force overrides", arguments: unsoundRows)
    func unsound(row: Row) {
        for policy in [policy(), policy(onTimeout: .promote)] {
            var gate = Gate.draining(.dead, policy)
            #expect(gate.handle(.replica(seen(row.replica, at: 12)), now: at(13)) == [.refuse(row.refusal)])
        }
        var forced = Gate.draining(.dead, policy(force: true))
        #expect(
            forced.handle(.replica(seen(row.replica, at: 12)), now: at(13)) == [
                unsampled(.dead, overridden: row.refusal)
            ])
    }

    @Test("nothing forces a loading replica")
    func loading() {
        for policy in [policy(), policy(force: true)] {
            var gate = Gate.draining(.dead, policy)
            let replica = replicaInfo(isUp: false, persistence: persistence(loading: true, eta: 1))
            #expect(gate.handle(.replica(seen(replica, at: 12)), now: at(13)) == [.refuse(.loading(etaSeconds: 1))])
        }
    }

    @Test("a limit is never kept by an unknown loss, unless forced")
    func limit() {
        var gate = Gate.draining(.dead, policy(maxLossBytes: .max))
        #expect(gate.handle(end(), now: at(13)) == [.refuse(.lossAboveLimit(bytes: nil, limit: .max))])
        var forced = Gate.draining(.dead, policy(maxLossBytes: 0, force: true))
        #expect(forced.handle(end(), now: at(13)) == [unsampled(.dead)])
    }

    @Test("a signal; nothing was fenced")
    func aborted() {
        var gate = Gate.draining()
        #expect(gate.handle(.aborted, now: at(13)) == [.refuse(.aborted)])
    }

    @Test(
        "the master is lost: what else is said of it means nothing",
        arguments: [
            AnyEvent.requested, AnyEvent.master, AnyEvent.dead, AnyEvent.silent, AnyEvent.unusable, AnyEvent.fenced,
            AnyEvent.fenceFailed,
        ])
    func ignored(event: Gate.Event) {
        for var gate in [Gate.draining(), Gate.drainingFenced()] {
            let before = gate
            #expect(gate.handle(event, now: at(20)) == [])
            #expect(gate == before)
        }
    }

    // A master that was read before it died.

    private func sampled(_ policy: Gate.Policy = policy()) -> SyncGate {
        var gate = Gate.approaching(policy)
        _ = gate.handle(.masterUnreachable(.dead), now: at(20))
        return gate
    }

    @Test("the loss is what was missing at the last look, and the look's age is said")
    func atMost() {
        let opening = Gate.Opening(
            evidence: evidence(target: 200_001_000, applied: 1500, fence: nil, waited: 29),
            loss: .atMost(bytes: 199_999_500, sampleAge: .milliseconds(30)), master: .dead)
        var gate = sampled()
        #expect(gate.handle(end(1500, at: 30), now: at(31)) == [.open(opening)])
        var within = sampled(policy(maxLossBytes: 199_999_500))
        #expect(within.handle(end(1500, at: 30), now: at(31)) == [.open(opening)])
        var above = sampled(policy(maxLossBytes: 199_999_499))
        let refusal = Refusal.lossAboveLimit(bytes: 199_999_500, limit: 199_999_499)
        #expect(above.handle(end(1500, at: 30), now: at(31)) == [.refuse(refusal)])
    }

    @Test("even a replica that had everything may have lost what came after the look")
    func atMostZero() {
        var gate = sampled()
        _ = gate.handle(end(200_001_000, at: 30), now: at(31))
        guard case .open(let opening) = gate.state else { return #expect(Bool(false), "\(gate.state)") }
        #expect(opening.loss == .atMost(bytes: 0, sampleAge: .milliseconds(30)))
        #expect(opening.loss.isPossible)
    }

    @Test("another history than that of the dead master")
    func otherHistory() {
        var gate = sampled()
        let replica = seen(replicaInfo(isUp: false, id: otherID), at: 30)
        #expect(gate.handle(.replica(replica), now: at(31)) == [.refuse(.otherHistory(masterKeys: 100))])
    }

    // A master that died behind its fence.

    private func opened(applied: Int64, loss: Loss) -> [Gate.Action] {
        [
            .open(
                Gate.Opening(
                    evidence: evidence(applied: applied, waited: 8), loss: loss, master: .dead, fencedUntil: at(6000)))
        ]
    }

    @Test("fenced: the target tells exactly what is lost")
    func fencedExact() {
        var all = Gate.drainingFenced()
        #expect(all.handle(end(1000), now: at(13)) == opened(applied: 1000, loss: .none))
        var some = Gate.drainingFenced()
        #expect(some.handle(streaming(940), now: at(13)) == again)
        #expect(some.handle(end(950), now: at(20)) == opened(applied: 950, loss: .exact(bytes: 50)))
        var within = Gate.drainingFenced(policy(maxLossBytes: 50))
        #expect(within.handle(end(950), now: at(13)) == opened(applied: 950, loss: .exact(bytes: 50)))
    }

    @Test("fenced: every refusal releases the fence first")
    func fencedRefusals() {
        var above = Gate.drainingFenced(policy(maxLossBytes: 49))
        let refusal = Refusal.lossAboveLimit(bytes: 50, limit: 49)
        #expect(above.handle(end(950), now: at(13)) == [.releaseFence, .refuse(refusal)])
        var heard = Gate.drainingFenced()
        #expect(heard.handle(.deadlineReached, now: at(1010)) == [.releaseFence, .refuse(.masterHeard)])
        var aborted = Gate.drainingFenced()
        #expect(aborted.handle(.aborted, now: at(13)) == [.releaseFence, .refuse(.aborted)])
        var other = Gate.drainingFenced()
        let replica = seen(replicaInfo(isUp: false, id: otherID), at: 12)
        let stranger = Refusal.otherHistory(masterKeys: 100)
        #expect(other.handle(.replica(replica), now: at(13)) == [.releaseFence, .refuse(stranger)])
        for policy in [policy(), policy(force: true)] {
            var loading = Gate.drainingFenced(policy)
            let replica = seen(replicaInfo(persistence: persistence(loading: true)), at: 12)
            let actions: [Gate.Action] = [.releaseFence, .refuse(.loading(etaSeconds: nil))]
            #expect(loading.handle(.replica(replica), now: at(13)) == actions)
        }
    }

    // A master that lives and cannot be used, forced; or that fell silent, which the policy accepts.

    @Test("forced past an unusable master: it is heard, which is no news")
    func unusable() {
        var gate = Gate.requested(policy(force: true))
        _ = gate.handle(.masterUnusable("NOAUTH"), now: at(10))
        #expect(gate.handle(streaming(), now: at(13)) == again)
        let overridden = Refusal.masterUnusable(reason: "NOAUTH")
        #expect(gate.handle(.deadlineReached, now: at(1010)) == [unsampled(.answering, overridden: overridden)])
    }

    @Test("a master that fell silent, accepted by the policy: opened with what was missing")
    func silentAccepted() {
        var gate = Gate.fencing(policy(onTimeout: .promote))
        _ = gate.handle(.masterUnreachable(.silent), now: at(10))
        let opening = Gate.Opening(
            evidence: evidence(applied: 950, fence: nil, waited: 11),
            loss: .atMost(bytes: 50, sampleAge: .milliseconds(12)),
            master: .silent, overridden: .contactLost)
        #expect(gate.handle(end(950), now: at(13)) == [.open(opening)])
    }
}
