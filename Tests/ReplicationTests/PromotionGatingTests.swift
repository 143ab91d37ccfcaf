import Testing

@testable import Replication

@Suite("Promotion: while the gate is at work")
struct PromotionGatingTests {
    typealias Action = Promotion.Action

    @Test("it begins with a look at both servers, and has the gate's deadline")
    func begin() {
        var promotion = Promotion(.init(policy: policy()))
        #expect(promotion.deadline == nil)
        #expect(promotion.start(now: at(0)) == [.gate(.sample(.both, after: .zero))])
        #expect(promotion.deadline == at(10_000))
        #expect(Promotion.waiting().deadline == at(5003))
        #expect(Promotion.demoting().deadline == nil)
    }

    @Test("the gate's actions are passed on")
    func passedOn() {
        var promotion = Promotion.started()
        #expect(promotion.handle(.gate(.master(seen(masterInfo(), at: 1))), now: at(2)) == [])
        let replica = Promotion.Event.gate(.replica(seen(replicaInfo(applied: 900), at: 2)))
        #expect(promotion.handle(replica, now: at(3)) == [.gate(.fenceMaster(for: .seconds(6)))])
        let fenced = Promotion.Event.gate(.fenced(SyncGate.target, .clientPause, until: at(6000)))
        #expect(promotion.handle(fenced, now: at(5)) == [.gate(.sample(.replica, after: .zero))])
        #expect(promotion.state == Promotion.waiting().state)
    }

    @Test("a refusal is the end; a raised fence is released before it")
    func refused() {
        var early = Promotion.started()
        #expect(early.handle(.gate(.aborted), now: at(1)) == [.finish(.refused(.aborted))])
        var late = Promotion.waiting()
        let actions: [Action] = [.gate(.releaseFence), .finish(.refused(.lag(bytes: 100)))]
        #expect(late.handle(.gate(.deadlineReached), now: at(5003)) == actions)
        #expect(late.state == .finished(.refused(.lag(bytes: 100))))
    }

    @Test("the local server is master already, or becomes it meanwhile: success, and no fence is left behind")
    func alreadyMaster() {
        let master = Promotion.Event.gate(.replica(seen(masterInfo(runID: replicaRunID), at: 6)))
        for var promotion in [Promotion.started(), .fencing(), .waiting()] {
            #expect(promotion.handle(master, now: at(7)) == [.releaseFence, .finish(.alreadyMaster)])
            #expect(promotion.state == .finished(.alreadyMaster))
        }
    }

    @Test("the local server was restarted, as a master: it is another server, and has not been promoted")
    func localRestarted() {
        var promotion = Promotion.waiting()
        let restarted = seen(masterInfo(runID: "dddd"), at: 6)
        let failure = Promotion.Outcome.failed(.localDied)
        let actions = promotion.handle(.gate(.replica(restarted)), now: at(7))
        #expect(actions == [.releaseFence, .finish(failure)])
    }

    @Test("the master was restarted behind the fence: it is parked before the local server is promoted")
    func masterRestarted() {
        var promotion = Promotion.waiting()
        _ = promotion.handle(.gate(.masterUnreachable(.restarted)), now: at(10))
        let actions = promotion.handle(.gate(.replica(seen(replicaInfo(isUp: false), at: 11))), now: at(12))
        #expect(actions == [.demoteMaster(.park)])
        #expect(promotion.handle(.masterDemoted(offset: 0), now: at(13)) == [.promoteLocal])
    }

    @Test("the local server is lost: nothing was demoted yet, and no fence is left behind")
    func localLost() {
        for promotion in [Promotion(.init(policy: policy())), .started(), .fencing(), .waiting()] {
            var (dead, silent) = (promotion, promotion)
            #expect(dead.handle(.localLost(.dead), now: at(7)) == [.releaseFence, .finish(.failed(.localDied))])
            let failure = Promotion.Failure.localSilent(masterDemoted: false)
            #expect(silent.handle(.localLost(.silent), now: at(7)) == [.releaseFence, .finish(.failed(failure))])
        }
    }

    @Test("outcomes of steps that were not taken mean nothing", arguments: promotionEvents.dropLast(2))
    func ignored(event: Promotion.Event) {
        for var promotion in [Promotion.started(), .fencing(), .waiting()] {
            let before = promotion
            #expect(promotion.handle(event, now: at(7)) == [])
            #expect(promotion == before)
        }
    }

    // What follows when the gate opens.

    @Test("no loss: the old master is told to follow, before anything is promoted")
    func openFollow() {
        var promotion = Promotion.waiting()
        let actions = promotion.handle(.gate(.replica(seen(replicaInfo(), at: 6))), now: at(7))
        #expect(actions == [.demoteMaster(.follow)])
        #expect(promotion.state == .demoting(cleanOpening(), .follow))
    }

    @Test("loss: the old master is parked, so that what it has more survives")
    func openPark() {
        var promotion = Promotion.waiting(policy(onTimeout: .promote))
        #expect(promotion.handle(.gate(.deadlineReached), now: at(5003)) == [.demoteMaster(.park)])
        let opening = SyncGate.Opening(
            evidence: evidence(applied: 900, waited: 0), loss: .exact(bytes: 100), master: .answering,
            overridden: .lag(bytes: 100), fencedUntil: at(6000))
        #expect(promotion.state == .demoting(opening, .park))
    }

    @Test("keep-master: the local server is promoted beside it")
    func openKeep() {
        var promotion = Promotion.waiting(keepMaster: true)
        let actions = promotion.handle(.gate(.replica(seen(replicaInfo(), at: 6))), now: at(7))
        #expect(actions == [.promoteLocal])
        #expect(promotion.state == .promoting(cleanOpening(), .kept))
    }

    @Test("a dead or silent old master cannot be told", arguments: [SyncGate.Contact.dead, .silent])
    func openAlone(contact: SyncGate.Contact) {
        var promotion = Promotion.started()
        #expect(promotion.handle(.gate(.masterUnreachable(contact)), now: at(10)) == [])
        let replica = Promotion.Event.gate(.replica(seen(replicaInfo(isUp: false), at: 11)))
        #expect(promotion.handle(replica, now: at(12)) == [.promoteLocal])
        #expect(promotion.state == .promoting(aloneOpening(contact), .lost(contact)))
        // Also with keep-master: what is lost is not kept.
        var keeping = Promotion.started(keepMaster: true)
        _ = keeping.handle(.gate(.masterUnreachable(contact)), now: at(10))
        _ = keeping.handle(replica, now: at(12))
        #expect(keeping.state == .promoting(aloneOpening(contact), .lost(contact)))
    }

    @Test("a master that lives but cannot be used, or follows somebody else, is not told anything")
    func openUnusable() {
        var unusable = Promotion.started(policy(force: true))
        _ = unusable.handle(.gate(.masterUnusable("NOAUTH")), now: at(10))
        let replica = Promotion.Event.gate(.replica(seen(replicaInfo(isUp: false), at: 11)))
        #expect(unusable.handle(replica, now: at(12)) == [.promoteLocal])
        var middle = Promotion.started(policy(force: true))
        _ = middle.handle(.gate(.master(seen(replicaInfo(host: "10.0.0.9", runID: masterRunID), at: 1))), now: at(2))
        #expect(middle.handle(replica, now: at(12)) == [.promoteLocal])
    }
}
