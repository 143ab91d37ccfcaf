// What the states have in common: lag, loss, opening and refusing.

extension SyncGate {
    static func open(_ opening: Opening) -> Step { (.open(opening), [.open(opening)]) }

    static func refuse(_ refusal: Refusal, releasing: Bool = false) -> Step {
        (.refused(refusal), releasing ? [.releaseFence, .refuse(refusal)] : [.refuse(refusal)])
    }

    /// Raises the fence. While a refusal is being overridden nothing is waited for.
    static func fence(_ attempt: Attempt, overriding refusal: Refusal?, _ now: Instant) -> Step {
        let left = max(attempt.deadline - now, .zero)
        let wait = min(left, GateTiming.longestWait)
        return (
            .fencing(attempt, overriding: refusal, deadline: now + wait),
            [.fenceMaster(for: wait + GateTiming.fenceMargin)]
        )
    }

    /// Whether the policy overrides this refusal.
    static func accepts(_ refusal: Refusal, _ policy: Policy) -> Bool {
        policy.force && refusal.isForceable || policy.onTimeout == .promote && refusal.isPatience
    }

    /// The policy accepts what would be lost: fence first, so that the loss is known exactly.
    static func overrideOrRefuse(_ refusal: Refusal, _ attempt: Attempt, _ now: Instant) -> Step {
        guard accepts(refusal, attempt.policy), let master = attempt.master else { return refuse(refusal) }
        switch refusal {
        case .replicaOfReplica, .masterLoading, .failoverInProgress:
            return openOverriding(refusal, attempt, target: nil, contact: .answering, now)
        default:
            // A master that follows somebody takes no writes, and must not be redirected by us.
            guard master.info.masterLink == nil else {
                return openOverriding(refusal, attempt, target: nil, contact: .answering, now)
            }
            return fence(attempt, overriding: refusal, now)
        }
    }

    static func openOverriding(
        _ refusal: Refusal, _ attempt: Attempt, target: Target?, contact: Contact, mayBeFenced: Bool = false,
        _ now: Instant
    ) -> Step {
        let mayBeFenced = mayBeFenced || target != nil
        guard refusal.isForceable else { return refuse(refusal, releasing: mayBeFenced) }
        var opening = opening(attempt, target: target, contact: contact, loss: loss(attempt, target: target, now))
        opening.overridden = refusal
        // Before Redis 4 nothing but the link ties the offsets together.
        if attempt.replica?.info.identity == nil, refusal == .linkDown || refusal == .notListed {
            opening.loss = .unknown(.notComparable)
        }
        return openWithinLimit(opening, attempt.policy, mayBeFenced: mayBeFenced)
    }

    /// The master follows 127.0.0.1:1: a boot fence or a parking keeps it read-only with its data. It was restarted, or
    /// its role was taken from it, so nobody is master, and it needs no fence.
    static func besideParked(_ attempt: Attempt, _ master: Observation, _ replica: Observation) -> Step? {
        guard master.info.isParked, let link = replica.info.masterLink else { return nil }
        let refusal: Refusal? =
            if let obstacle = GateConditions.obstacle(replica: replica.info) {
                obstacle.refusal
            } else if let keys = master.info.keys, keys > 0, replica.info.keys == 0 {
                .empty(masterKeys: keys)
            } else if link.downtime == .neverConnected {
                .neverSynchronised
            } else {
                nil
            }
        if let refusal, !accepts(refusal, attempt.policy) { return refuse(refusal) }
        let loss: Loss =
            switch (replica.info.history, master.info.history) {
            case (let own?, let theirs?): own.relation(to: theirs).lossBesideParked
            default: .unknown(.masterRestarted)
            }
        let evidence = Evidence(
            target: position(master.info), appliedOffset: replica.info.dataOffset, fence: .readOnlyReplica,
            waited: max(replica.at - master.at, .zero))
        let opening = Opening(
            evidence: evidence, loss: refusal == nil ? loss : .unknown(.notComparable), master: .answering,
            overridden: refusal)
        return openWithinLimit(opening, attempt.policy, mayBeFenced: false)
    }

    /// `--max-loss-bytes` bounds every opening but a forced one.
    static func openWithinLimit(_ opening: Opening, _ policy: Policy, mayBeFenced: Bool) -> Step {
        guard let limit = policy.maxLossBytes, !policy.force, !opening.loss.isWithin(limit) else {
            return open(opening)
        }
        let bytes: Int64?
        switch opening.loss {
        case .none: bytes = 0
        case .exact(let lost), .atMost(let lost, _): bytes = lost
        case .unknown: bytes = nil
        }
        return refuse(.lossAboveLimit(bytes: bytes, limit: limit), releasing: mayBeFenced)
    }

    static func opening(_ attempt: Attempt, target: Target?, contact: Contact, loss: Loss) -> Opening {
        let read = target?.observation ?? attempt.master
        let replica = attempt.replica
        let waited = read.flatMap { read in replica.map { max($0.at - read.at, .zero) } }
        let evidence = Evidence(
            target: read.flatMap { position($0.info) }, appliedOffset: replica.map { applied($0, attempt) } ?? 0,
            fence: target?.fence, waited: waited ?? .zero)
        return Opening(evidence: evidence, loss: loss, master: contact, fencedUntil: target?.fencedUntil)
    }

    private static func applied(_ replica: Observation, _ attempt: Attempt) -> Int64 {
        guard attempt.policy.goneMaster != nil else { return replica.info.dataOffset }
        return offset(of: replica.info, after: attempt.master?.info) ?? replica.info.dataOffset
    }

    /// What is lost if the replica is promoted as it was last read.
    static func loss(_ attempt: Attempt, target: Target?, _ now: Instant) -> Loss {
        guard let master = target?.observation ?? attempt.master, let replica = attempt.replica else {
            return attempt.policy.knownMaster.map { loss(attempt, knowing: $0, now) } ?? .unknown(.neverSampled)
        }
        guard isComparable(replica.info, master.info) else { return .unknown(.notComparable) }
        let missing = max(master.info.masterReplicationOffset - replica.info.dataOffset, 0)
        guard target == nil else { return missing == 0 ? .none : .exact(bytes: missing) }
        return .atMost(bytes: missing, sampleAge: max(now - master.at, .zero))
    }

    /// Bytes that the replica lacks of the master's last known offset; `nil` where they cannot be compared.
    static func lag(_ attempt: Attempt) -> Int64? {
        guard let master = attempt.master, let replica = attempt.replica,
            isComparable(replica.info, master.info)
        else { return nil }
        return max(master.info.masterReplicationOffset - replica.info.dataOffset, 0)
    }

    /// Whether the replica is so close that fencing is worth it; late in the attempt, whether it can make it at all.
    static func isInReach(_ attempt: Attempt, _ now: Instant) -> Bool {
        guard let behind = lag(attempt) else { return false }
        if behind <= GateTiming.reachBytes { return true }
        guard let first = attempt.firstReplica, let last = attempt.replica else { return false }
        let seconds = (last.at - first.at) / .seconds(1)
        let applied = Double(last.info.dataOffset - first.info.dataOffset)
        guard seconds > 0, applied > 0 else { return false }
        let needed = Duration.bounded(seconds: Double(behind) * seconds / applied)
        let isLate = now - attempt.startedAt >= attempt.policy.timeout * GateTiming.lastCall
        let left = min(attempt.deadline - now, GateTiming.longestWait)
        return needed <= GateTiming.reach || isLate && needed <= left
    }

    /// Whether the replica still carries the master's history. Before Redis 4 the conditions of the approach stand for it.
    public static func isSameHistory(_ replica: ReplicationInfo, _ master: ReplicationInfo) -> Bool {
        guard let own = replica.identity, let theirs = master.identity else { return true }
        return own.id == theirs.id
    }

    /// Whether offsets may be subtracted: a read-only replica, a backlog that counts, and the same id; before Redis 4
    /// there are no ids, and a link that was up at least once stands for them.
    private static func isComparable(_ replica: ReplicationInfo, _ master: ReplicationInfo) -> Bool {
        guard master.masterLink == nil, isSameHistory(replica, master), !master.isLoading, master.backlog.isActive,
            let link = replica.masterLink, link.isReadOnly, link.fullResync == nil
        else { return false }
        return replica.identity != nil || link.downtime != .neverConnected
    }

    /// A server's position: by replication id, or by `run_id` before Redis 4.
    static func position(_ info: ReplicationInfo) -> ReplicationPosition? {
        (info.identity?.id ?? info.server?.runID).map {
            ReplicationPosition(replicationID: $0, offset: info.dataOffset)
        }
    }
}

extension ReplicationHistory.Relation {
    /// What promoting the one would lose of the other, which is parked and takes no writes.
    fileprivate var lossBesideParked: Loss {
        switch self {
        case .same, .ahead: .none
        case .behind(let bytes), .diverged(_, let bytes): .exact(bytes: bytes)
        case .unrelated: .unknown(.masterRestarted)
        }
    }
}
