@testable import Replication

// A promotion in each of its states.

extension Promotion {
    static func started(_ policy: SyncGate.Policy = policy(), keepMaster: Bool = false) -> Promotion {
        var promotion = Promotion(Request(policy: policy, keepMaster: keepMaster))
        _ = promotion.start(now: at(0))
        return promotion
    }

    /// The fence is asked for at 3 ms; the replica had applied 900 of 1000.
    static func fencing(_ policy: SyncGate.Policy = policy(), keepMaster: Bool = false) -> Promotion {
        var promotion = started(policy, keepMaster: keepMaster)
        _ = promotion.handle(.gate(.master(seen(masterInfo(), at: 1))), now: at(2))
        _ = promotion.handle(.gate(.replica(seen(replicaInfo(applied: 900), at: 2))), now: at(3))
        return promotion
    }

    /// The fence holds until 6 s.
    static func waiting(
        _ policy: SyncGate.Policy = policy(), keepMaster: Bool = false, fence: Fence = .clientPause
    ) -> Promotion {
        var promotion = fencing(policy, keepMaster: keepMaster)
        _ = promotion.handle(.gate(.fenced(SyncGate.target, fence, until: at(6000))), now: at(5))
        return promotion
    }

    /// The gate opened without loss; the old master is being told to follow.
    static func demoting(_ policy: SyncGate.Policy = policy(), fence: Fence = .clientPause) -> Promotion {
        var promotion = waiting(policy, fence: fence)
        _ = promotion.handle(.gate(.replica(seen(replicaInfo(), at: 6))), now: at(7))
        return promotion
    }

    /// The old master follows; the local server is being promoted.
    static func promoting() -> Promotion {
        var promotion = demoting()
        _ = promotion.handle(.masterDemoted(offset: 1000), now: at(8))
        return promotion
    }

    /// The old master stays as it is; the local server is being promoted.
    static func promotingBesideKept() -> Promotion {
        var promotion = waiting(keepMaster: true)
        _ = promotion.handle(.gate(.replica(seen(replicaInfo(), at: 6))), now: at(7))
        return promotion
    }

    /// The old master is dead; the local server is being promoted.
    static func promotingAlone(_ contact: SyncGate.Contact = .dead) -> Promotion {
        var promotion = started()
        _ = promotion.handle(.gate(.masterUnreachable(contact)), now: at(10))
        _ = promotion.handle(.gate(.replica(seen(replicaInfo(isUp: false), at: 11))), now: at(12))
        return promotion
    }
}

/// What `Promotion.demoting` opened with.
func cleanOpening(_ fence: Fence = .clientPause) -> SyncGate.Opening {
    SyncGate.Opening(
        evidence: evidence(applied: 1000, fence: fence, waited: 2), loss: .none, master: .answering,
        fencedUntil: at(6000))
}

/// What `Promotion.promotingAlone` opened with.
func aloneOpening(_ contact: SyncGate.Contact = .dead) -> SyncGate.Opening {
    SyncGate.Opening(
        evidence: evidence(target: nil, applied: 1000, fence: nil, waited: 0), loss: .unknown(.neverSampled),
        master: contact)
}

/// The events that only a promotion has.
let promotionEvents: [Promotion.Event] = [
    .masterDemoted(offset: 1000), .masterRefused("NOPERM"), .masterLost(.dead), .masterLost(.silent), .localPromoted,
    .localRefused("LOADING"), .localLost(.dead), .localLost(.silent),
]
