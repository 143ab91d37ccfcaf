import Testing

@testable import Replication

@Suite("SyncGate: a master that is known to be gone")
struct SyncGateKnownTests {
    private let again: [Gate.Action] = [.sample(.replica, after: .milliseconds(5))]
    /// The master at offset 1000, read at -40 ms.
    private static let sample = seen(masterInfo(), at: -40)
    private static let old = ServerVersion(3, 2, 6)
    /// The same before Redis 4: the replica had acknowledged 990.
    private static let oldSample = seen(
        masterInfo(id: nil, version: old, listed: [listedReplica(offset: 990)]), at: -40)

    private func gate(
        _ contact: Gate.Contact, sample: Observation? = sample, stillSince: Int? = nil, stillAt: Int64 = 1000,
        maxLossBytes: Int64? = nil
    ) -> SyncGate {
        var gate = SyncGate()
        var policy = policy(maxLossBytes: maxLossBytes)
        policy.knownMaster = .init(
            contact: contact, lastSample: sample,
            still: stillSince.map { Gate.Still(at: stillAt, since: at($0)) })
        #expect(gate.handle(.requested(policy), now: at(0)) == [.sample(.replica, after: .zero)])
        return gate
    }

    private func opened(
        _ contact: Gate.Contact, applied: Int64 = 1000, lost: Int64 = 0, age: Int = 42, id: String = historyID
    ) -> [Gate.Action] {
        [
            .open(
                Gate.Opening(
                    evidence: evidence(applied: applied, fence: nil, waited: 41, id: id),
                    loss: .atMost(bytes: lost, sampleAge: .milliseconds(age)), master: contact))
        ]
    }

    private func read(_ gate: inout SyncGate, _ info: ReplicationInfo, at milliseconds: Int = 1) -> [Gate.Action] {
        gate.handle(.replica(seen(info, at: milliseconds)), now: at(milliseconds + 1))
    }

    @Test("it is never asked, and the last reading bounds the loss")
    func linkDown() {
        for contact in [Gate.Contact.dead, .silent, .restarted] {
            var gate = gate(contact)
            #expect(gate.deadline == at(1000))
            #expect(read(&gate, replicaInfo(applied: 990, isUp: false)) == opened(contact, applied: 990, lost: 10))
        }
    }

    @Test("one that answers after all is asked as usual")
    func answering() {
        var gate = SyncGate()
        var policy = policy()
        policy.knownMaster = .init(contact: .answering, lastSample: Self.sample, still: nil)
        #expect(gate.handle(.requested(policy), now: at(0)) == [.sample(.both, after: .zero)])
    }

    @Test("one that was thought to answer, and does not: what was read last bounds the loss")
    func answeringNoMore() {
        for contact in [Gate.Contact.dead, .silent] {
            var gate = SyncGate()
            var policy = policy()
            policy.knownMaster = .init(contact: .answering, lastSample: Self.sample, still: nil)
            _ = gate.handle(.requested(policy), now: at(0))
            _ = gate.handle(.masterUnreachable(contact), now: at(1))
            let opening = Gate.Opening(
                evidence: evidence(target: nil, applied: 990, fence: nil, waited: 0),
                loss: .atMost(bytes: 10, sampleAge: .milliseconds(42)), master: contact)
            #expect(read(&gate, replicaInfo(applied: 990, isUp: false)) == [.open(opening)])
        }
    }

    @Test("without a reading nothing bounds the loss, and no limit holds")
    func unsampled() {
        var open = gate(.dead, sample: nil)
        let opening = Gate.Opening(
            evidence: evidence(target: nil, applied: 1000, fence: nil, waited: 0), loss: .unknown(.neverSampled),
            master: .dead)
        #expect(read(&open, replicaInfo(isUp: false)) == [.open(opening)])
        var limited = gate(.dead, sample: nil, maxLossBytes: 1)
        #expect(
            read(&limited, replicaInfo(isUp: false)) == [.refuse(.lossAboveLimit(bytes: nil, limit: 1))])
        var above = gate(.dead, maxLossBytes: 9)
        #expect(
            read(&above, replicaInfo(applied: 990, isUp: false)) == [.refuse(.lossAboveLimit(bytes: 10, limit: 9))])
    }

    @Test("a dead one's link goes down by itself; a restarted one's need not")
    func linkUp() {
        var dead = gate(.dead)
        #expect(read(&dead, replicaInfo()) == again)
        #expect(read(&dead, replicaInfo(), at: 500) == again)
        #expect(dead.handle(.deadlineReached, now: at(1000)) == [.refuse(.masterHeard)])
        var restarted = gate(.restarted)
        #expect(read(&restarted, replicaInfo()) == opened(.restarted))
    }

    @Test("its successor goes on with its history under a new id: promoted at once")
    func continued() {
        for contact in [Gate.Contact.dead, .restarted] {
            var replica = replicaInfo(applied: 1010, id: otherID)
            replica.identity?.previous = .init(id: historyID, end: 1000)
            var gate = gate(contact)
            #expect(read(&gate, replica) == opened(contact, applied: 1010))
        }
    }

    @Test("a silent one's stream that has stood still for 100 ms is not watched again")
    func still() {
        var long = gate(.silent, stillSince: -98)
        #expect(read(&long, replicaInfo()) == opened(.silent))
        var short = gate(.silent, stillSince: -90)
        #expect(read(&short, replicaInfo()) == again)
        #expect(read(&short, replicaInfo(), at: 9) == opened(.silent).map(aged(by: 8)))
        var moving = gate(.silent, stillSince: -90)
        #expect(read(&moving, replicaInfo()) == again)
        #expect(read(&moving, replicaInfo(applied: 1001), at: 9) == again)
        #expect(read(&moving, replicaInfo(applied: 1001), at: 100) == again)
        var unknown = gate(.silent)
        #expect(read(&unknown, replicaInfo()) == again)
    }

    @Test("one that was still when it was last looked at, and sends again, is heard")
    func streaming() {
        var gate = gate(.silent, stillSince: -300)
        #expect(read(&gate, replicaInfo(applied: 1014)) == again)
        for index in 1..<10 {
            #expect(read(&gate, replicaInfo(applied: 1014 + Int64(index) * 14), at: index * 99) == again)
        }
        #expect(gate.handle(.deadlineReached, now: at(1000)) == [.refuse(.masterHeard)])
        // It had sent something, and has ended since.
        var ended = self.gate(.silent, stillSince: -300, stillAt: 986)
        #expect(read(&ended, replicaInfo()) == again)
        #expect(read(&ended, replicaInfo(), at: 100) == again)
        #expect(read(&ended, replicaInfo(), at: 101) == opened(.silent).map(aged(by: 100)))
    }

    private func aged(by milliseconds: Int) -> (Gate.Action) -> Gate.Action {
        { action in
            guard case .open(var opening) = action else { return action }
            opening.evidence.waited += .milliseconds(milliseconds)
            opening.loss = .atMost(bytes: 0, sampleAge: .milliseconds(42 + milliseconds))
            return .open(opening)
        }
    }

    @Test("in a full resync that has replaced nothing yet: promoted at once")
    func fullResync() {
        // Redis 4 and newer say 1 as the applied offset then, and keep their own.
        var replica = replicaInfo(applied: 1, isUp: false, fullResync: .init(leftBytes: 8))
        replica.masterReplicationOffset = 995
        for contact in [Gate.Contact.dead, .restarted] {
            var gate = gate(contact)
            #expect(read(&gate, replica) == opened(contact, applied: 995, lost: 5))
        }
        var silent = gate(.silent)
        #expect(read(&silent, replica) == [.refuse(.fullResync(leftBytes: 8))])
        var unsampled = gate(.restarted, sample: nil)
        #expect(read(&unsampled, replica) == [.refuse(.fullResync(leftBytes: 8))])
        replica.identity = .init(id: otherID)
        var foreign = gate(.restarted)
        #expect(read(&foreign, replica) == [.refuse(.fullResync(leftBytes: 8))])
    }

    @Test("what has been replaced is refused", arguments: [Gate.Contact.dead, .restarted, .silent])
    func replaced(contact: Gate.Contact) {
        var wiped = gate(contact)
        #expect(read(&wiped, replicaInfo(id: otherID)) == [.refuse(.otherHistory(masterKeys: 100))])
        var emptied = gate(contact)
        #expect(read(&emptied, replicaInfo(isUp: false, keys: 0)) == [.refuse(.empty(masterKeys: 100))])
        var loading = gate(contact)
        #expect(
            read(&loading, replicaInfo(isUp: false, persistence: persistence(loading: true)))
                == [.refuse(.loading(etaSeconds: nil))])
        var never = gate(contact)
        #expect(read(&never, replicaInfo(isUp: false, downtime: .neverConnected)) == [.refuse(.neverSynchronised)])
        var writable = gate(contact)
        #expect(read(&writable, replicaInfo(isUp: false, isReadOnly: false)) == [.refuse(.writableReplica)])
    }

    // Before Redis 4 there are no ids.

    private func oldReplica(
        _ applied: Int64, isUp: Bool = false, fullResync: ReplicationInfo.FullResync? = nil, keys: Int64? = 100
    ) -> ReplicationInfo {
        replicaInfo(applied: applied, isUp: isUp, fullResync: fullResync, id: nil, version: Self.old, keys: keys)
    }

    @Test("before Redis 4: what was acknowledged stands for the applied offset in a resync")
    func oldResync() {
        for info in [oldReplica(1), oldReplica(1, fullResync: .init(leftBytes: nil))] {
            for contact in [Gate.Contact.dead, .restarted] {
                var gate = gate(contact, sample: Self.oldSample)
                #expect(read(&gate, info) == opened(contact, applied: 990, lost: 10, id: masterRunID))
            }
        }
        var gate = gate(.restarted, sample: Self.oldSample)
        #expect(read(&gate, oldReplica(996)) == opened(.restarted, applied: 996, lost: 4, id: masterRunID))
    }

    @Test("before Redis 4: an offset below what was acknowledged is another process's stream")
    func oldReplaced() {
        for info in [oldReplica(1, isUp: true), oldReplica(57, isUp: true), oldReplica(57)] {
            for contact in [Gate.Contact.dead, .restarted] {
                var gate = gate(contact, sample: Self.oldSample)
                #expect(read(&gate, info) == [.refuse(.otherHistory(masterKeys: 100))])
            }
        }
        var emptied = gate(.restarted, sample: Self.oldSample)
        #expect(read(&emptied, oldReplica(1, keys: 0)) == [.refuse(.empty(masterKeys: 100))])
    }

    @Test("a promotion with a known master tells that master nothing", arguments: [Gate.Contact.restarted, .dead])
    func promotion(contact: Gate.Contact) {
        var policy = policy()
        policy.knownMaster = .init(contact: contact, lastSample: Self.sample, still: nil)
        var promotion = Promotion(.init(policy: policy))
        #expect(promotion.start(now: at(0)) == [.gate(.sample(.replica, after: .zero))])
        let replica = Promotion.Event.gate(.replica(seen(replicaInfo(isUp: false), at: 1)))
        #expect(promotion.handle(replica, now: at(2)) == [.promoteLocal])
        guard case .promoting(let opening, .lost(contact)) = promotion.state else {
            return #expect(Bool(false), "\(promotion.state)")
        }
        #expect(
            promotion.handle(.localPromoted, now: at(3)) == [.finish(.promoted(opening, oldMaster: .lost(contact)))])
    }
}
