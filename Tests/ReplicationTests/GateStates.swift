@testable import Replication

// A gate in each of its states, driven there by events.

typealias Gate = SyncGate

extension SyncGate {
    /// Requested at 0 ms.
    static func requested(_ policy: Policy = policy()) -> SyncGate {
        var gate = SyncGate()
        _ = gate.handle(.requested(policy), now: at(0))
        return gate
    }

    /// Has read a replica that is 200 MB behind, and may not be fenced yet: master at 1 ms, replica at 2 ms.
    static func approaching(_ policy: Policy = policy()) -> SyncGate {
        var gate = requested(policy)
        _ = gate.handle(.master(farMaster), now: at(2))
        _ = gate.handle(.replica(seen(replicaInfo(), at: 2)), now: at(3))
        return gate
    }

    /// The reading of a master that is 200,000,000 bytes ahead of `replicaInfo()`.
    static let farMaster = seen(masterInfo(offset: 200_001_000), at: 1)

    /// Asked for the fence at 3 ms: the replica had applied 900 of 1000.
    static func fencing(_ policy: Policy = policy()) -> SyncGate {
        var gate = requested(policy)
        _ = gate.handle(.master(seen(masterInfo(), at: 1)), now: at(2))
        _ = gate.handle(.replica(seen(replicaInfo(applied: 900), at: 2)), now: at(3))
        return gate
    }

    /// The fence holds until 6 s, and its target is 1000; the replica was last seen at 900.
    static func waiting(_ policy: Policy = policy()) -> SyncGate {
        var gate = fencing(policy)
        _ = gate.handle(.fenced(target, .clientPause, until: at(6000)), now: at(5))
        return gate
    }

    /// The reading behind the fence.
    static let target = seen(masterInfo(), at: 4)

    /// Lost a master that was never read.
    static func draining(_ contact: Contact = .dead, _ policy: Policy = policy()) -> SyncGate {
        var gate = requested(policy)
        _ = gate.handle(.masterUnreachable(contact), now: at(10))
        return gate
    }

    /// Lost a fenced master: target 1000, replica last seen at 900.
    static func drainingFenced(_ policy: Policy = policy()) -> SyncGate {
        var gate = waiting(policy)
        _ = gate.handle(.masterUnreachable(.dead), now: at(10))
        return gate
    }

    static func opened() -> SyncGate {
        var gate = waiting()
        _ = gate.handle(.replica(seen(replicaInfo(), at: 6)), now: at(7))
        return gate
    }

    static func refused() -> SyncGate {
        var gate = requested()
        _ = gate.handle(.aborted, now: at(1))
        return gate
    }

    /// The state's name, without what it carries.
    var stateName: String { String("\(state)".prefix { $0 != "(" }) }
}

/// One of each event, with readings that would be welcome elsewhere.
enum AnyEvent {
    static let requested = Gate.Event.requested(policy())
    static let master = Gate.Event.master(seen(masterInfo(), at: 20))
    static let dead = Gate.Event.masterUnreachable(.dead)
    static let silent = Gate.Event.masterUnreachable(.silent)
    static let unusable = Gate.Event.masterUnusable("NOAUTH")
    static let replica = Gate.Event.replica(seen(replicaInfo(), at: 20))
    static let fenced = Gate.Event.fenced(seen(masterInfo(), at: 20), .clientPause, until: at(6000))
    static let fenceFailed = Gate.Event.fenceFailed("no permission")
    static let all: [Gate.Event] = [
        requested, master, dead, silent, unusable, replica, fenced, fenceFailed, .deadlineReached, .aborted,
    ]
}

/// Evidence with the position of `masterInfo()`.
func evidence(
    target: Int64? = 1000, applied: Int64, fence: Fence? = .clientPause, waited: Int, id: String = historyID
) -> Evidence {
    Evidence(
        target: target.map { ReplicationPosition(replicationID: id, offset: $0) }, appliedOffset: applied, fence: fence,
        waited: .milliseconds(waited))
}
