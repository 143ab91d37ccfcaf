import Testing

@testable import Replication

@Suite("Promotion: the old master is demoted")
struct PromotionDemotingTests {
    typealias Action = Promotion.Action

    @Test("then, and only then, the local server is promoted")
    func demoted() {
        var promotion = Promotion.demoting()
        #expect(promotion.handle(.masterDemoted(offset: 1000), now: at(8)) == [.promoteLocal])
        #expect(promotion.state == .promoting(cleanOpening(), .demoted(.follow)))
    }

    @Test(
        "what the master counted behind its fence",
        arguments: [
            // Its own PING is 14 bytes, and less than expected is what the replica was told meanwhile.
            (Fence.clientPause, 1014, 8, true), (.clientPause, 1028, 5999, true), (.clientPause, 986, 8, true),
            (.clientPause, 1001, 8, false), (.clientPause, 1015, 8, false), (.clientPause, 1037, 8, false),
            (.clientPause, 1014, 6000, false), (.clientPause, 1000, 9000, true), (.clientPause, 986, 9000, true),
            // Behind a password, expiry passes as well: any surplus, as long as the fence stands.
            (.password, 1014, 8, true), (.password, 1037, 5999, true), (.password, 1001, 6000, false),
            (.password, 1000, 9000, true),
        ] as [(Fence, Int64, Int, Bool)])
    func surplus(fence: Fence, offset: Int64, now: Int, holds: Bool) {
        var promotion = Promotion.demoting(fence: fence)
        let actions = promotion.handle(.masterDemoted(offset: offset), now: at(now))
        guard !holds else {
            #expect(actions == [.promoteLocal])
            return #expect(promotion.state == .promoting(cleanOpening(fence), .demoted(.follow)))
        }
        let outcome = Promotion.Outcome.refused(.fenceBroken(bytes: offset - 1000))
        #expect(actions == [.restoreMaster, .releaseFence, .finish(outcome)])
        #expect(promotion.state == .finished(outcome))
    }

    @Test("an accepted loss is not held to the fence")
    func acceptedLoss() {
        var promotion = Promotion.waiting(policy(onTimeout: .promote))
        _ = promotion.handle(.gate(.deadlineReached), now: at(5003))
        #expect(promotion.handle(.masterDemoted(offset: 1000), now: at(5004)) == [.promoteLocal])
        guard case .promoting(let opening, .demoted(.park)) = promotion.state else {
            return #expect(Bool(false), "\(promotion.state)")
        }
        #expect(opening.loss == .exact(bytes: 100))
    }

    @Test(
        "a bounded loss becomes exact when the demoted master has been read",
        arguments: [
            (1000, Loss.exact(bytes: 100)), (1500, .exact(bytes: 600)), (900, .none), (899, .none),
        ] as [(Int64, Loss)])
    func boundedLoss(offset: Int64, loss: Loss) {
        var promotion = Promotion.fencing(policy(force: true))
        #expect(promotion.handle(.gate(.fenceFailed("NOPERM")), now: at(10)) == [.demoteMaster(.park)])
        #expect(promotion.handle(.masterDemoted(offset: offset), now: at(11)) == [.promoteLocal])
        guard case .promoting(let opening, .demoted(.park)) = promotion.state else {
            return #expect(Bool(false), "\(promotion.state)")
        }
        #expect(opening.loss == loss)
    }

    @Test("it refuses: still a master, so nothing is promoted beside it")
    func refused() {
        var promotion = Promotion.demoting()
        let refusal = Refusal.masterUnusable(reason: "it refused SLAVEOF: NOPERM")
        #expect(promotion.handle(.masterRefused("NOPERM"), now: at(8)) == [.releaseFence, .finish(.refused(refusal))])
    }

    @Test("it dies: the local server has everything, and is promoted")
    func dead() {
        var promotion = Promotion.demoting()
        #expect(promotion.handle(.masterLost(.dead), now: at(8)) == [.promoteLocal])
        #expect(promotion.state == .promoting(cleanOpening(), .lost(.dead)))
    }

    @Test("it falls silent: whether it follows is not known, so nothing is promoted, unless the policy accepts that")
    func silent() {
        var promotion = Promotion.demoting()
        #expect(promotion.handle(.masterLost(.silent), now: at(8)) == [.finish(.failed(.masterSilent))])
        for policy in [policy(onTimeout: .promote), policy(force: true)] {
            var accepted = Promotion.demoting(policy)
            #expect(accepted.handle(.masterLost(.silent), now: at(8)) == [.promoteLocal])
            #expect(accepted.state == .promoting(cleanOpening(), .lost(.silent)))
        }
    }

    @Test("anything else means nothing: what was begun is not broken off", arguments: promotionEvents.dropFirst(4))
    func ignored(event: Promotion.Event) {
        for event in [event] + AnyEvent.all.map(Promotion.Event.gate) {
            var promotion = Promotion.demoting()
            let before = promotion
            #expect(promotion.handle(event, now: at(8)) == [])
            #expect(promotion == before)
        }
    }
}

@Suite("Promotion: the local server is promoted")
struct PromotionPromotingTests {
    @Test("the old master follows: its clients are sent away, then the fence goes")
    func promoted() {
        var promotion = Promotion.promoting()
        let outcome = Promotion.Outcome.promoted(cleanOpening(), oldMaster: .demoted(.follow))
        #expect(promotion.handle(.localPromoted, now: at(9)) == [.disconnectClients, .releaseFence, .finish(outcome)])
        #expect(promotion.state == .finished(outcome))
    }

    @Test("the old master was kept: its clients stay")
    func promotedBesideKept() {
        var promotion = Promotion.promotingBesideKept()
        let outcome = Promotion.Outcome.promoted(cleanOpening(), oldMaster: .kept)
        #expect(promotion.handle(.localPromoted, now: at(9)) == [.releaseFence, .finish(outcome)])
    }

    @Test("the old master is lost: nobody helps it to take writes again", arguments: [SyncGate.Contact.dead, .silent])
    func promotedAlone(contact: SyncGate.Contact) {
        var promotion = Promotion.promotingAlone(contact)
        let outcome = Promotion.Outcome.promoted(aloneOpening(contact), oldMaster: .lost(contact))
        #expect(promotion.handle(.localPromoted, now: at(13)) == [.finish(outcome)])
    }

    @Test("the local server refuses, or dies: a demoted master is needed again")
    func restored() {
        let ends: [(Promotion.Event, Promotion.Failure)] = [
            (.localRefused("LOADING"), .localRefused("LOADING")), (.localLost(.dead), .localDied),
        ]
        for (event, failure) in ends {
            var promotion = Promotion.promoting()
            let actions: [Promotion.Action] = [.restoreMaster, .releaseFence, .finish(.failed(failure))]
            #expect(promotion.handle(event, now: at(9)) == actions)
            for var other in [Promotion.promotingBesideKept(), .promotingAlone()] {
                #expect(other.handle(event, now: at(9)) == [.releaseFence, .finish(.failed(failure))])
            }
        }
    }

    @Test("the local server falls silent: it may still become master, so the old one is never made master again")
    func silent() {
        var demoted = Promotion.promoting()
        let withDemoted = Promotion.Outcome.failed(.localSilent(masterDemoted: true))
        #expect(demoted.handle(.localLost(.silent), now: at(9)) == [.releaseFence, .finish(withDemoted)])
        for var other in [Promotion.promotingBesideKept(), .promotingAlone()] {
            let outcome = Promotion.Outcome.failed(.localSilent(masterDemoted: false))
            #expect(other.handle(.localLost(.silent), now: at(9)) == [.finish(outcome)])
        }
    }

    @Test("anything else means nothing", arguments: promotionEvents.prefix(4))
    func ignored(event: Promotion.Event) {
        for event in [event] + AnyEvent.all.map(Promotion.Event.gate) {
            var promotion = Promotion.promoting()
            let before = promotion
            #expect(promotion.handle(event, now: at(9)) == [])
            #expect(promotion == before)
        }
    }

    @Test("finished is final", arguments: promotionEvents)
    func final(event: Promotion.Event) {
        var promotion = Promotion.promoting()
        _ = promotion.handle(.localPromoted, now: at(9))
        let before = promotion
        for event in [event] + AnyEvent.all.map(Promotion.Event.gate) {
            #expect(promotion.handle(event, now: at(10)) == [])
        }
        #expect(promotion == before)
        #expect(promotion.deadline == nil)
    }

    @Test(
        "resumed: both followed each other; the master is told once more, and its old offset proves nothing against it")
    func resumed() {
        var promotion = Promotion.started(policy(resumed: masterRunID))
        let master = replicaInfo(applied: 1, isUp: false, id: nil, host: "10.0.0.2", runID: masterRunID)
        _ = promotion.handle(.gate(.master(seen(master, at: 1))), now: at(2))
        let replica = Promotion.Event.gate(.replica(seen(replicaInfo(id: nil), at: 2)))
        #expect(promotion.handle(replica, now: at(3)) == [.demoteMaster(.follow)])
        #expect(promotion.handle(.masterDemoted(offset: 1), now: at(4)) == [.promoteLocal])
    }
}
