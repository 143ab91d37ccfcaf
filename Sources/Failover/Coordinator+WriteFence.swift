import Replication

// `min-slaves-to-write`, where `write_fence` has it kept in step: a master that is cut off stops acknowledging writes.

extension Coordinator {
    /// Keeps `min-slaves-to-write` at what is possible: 1 beside a replica, 0 where this node is known to be the one that is
    /// left. A master that has just lost sight of its replica keeps 1, and stops acknowledging writes.
    mutating func keepWriteFence(_ now: Instant) {
        guard case .serving = phase, configuration.policy.fencesIsolatedMaster || minReplicas != nil, !isStopping,
            local.isMaster == true,
            writeFence?.retryAt.map({ now >= $0 }) ?? true,
            let wanted = wantedMinReplicas, wanted != minReplicas
        else { return }
        orderWriteFence(wanted)
    }

    /// Nobody keeps it in step from now on: a fence that stays would refuse writes for no reason. Returns whether that is still
    /// under way. What did not work is tried again, after a while; `isLast`: at once, and once.
    mutating func liftWriteFence(_ now: Instant, isLast: Bool = false) -> Bool {
        if let writeFence, writeFence.retryAt == nil { return true }
        guard let minReplicas, minReplicas != 0, local.isMaster == true,
            isLast ? !hasTriedToLift : writeFence?.retryAt.map({ now >= $0 }) ?? true
        else { return false }
        hasTriedToLift = isLast
        orderWriteFence(0)
        return true
    }

    private mutating func orderWriteFence(_ wanted: Int) {
        minReplicas = wanted
        lastOperation += 1
        writeFence = WriteFence(operation: lastOperation)
        output.append(.node(.redis(.writeFence(minReplicas: wanted), lastOperation)))
    }

    /// nil: as it is.
    var wantedMinReplicas: Int? {
        // Switched off since.
        guard configuration.policy.fencesIsolatedMaster else { return minReplicas.map { $0 == 0 } ?? true ? nil : 0 }
        if peerFollowsLocal, peer.info?.masterLink?.isUp == true { return minReplicas == 1 || isAcknowledged ? 1 : nil }
        let isLeft =
            peer.reading == .dead || configuration.policy.hasWitnesses && isWitnessReachable == true
            || minReplicas == nil
        return isLeft ? 0 : nil
    }

    /// Whether the master has had word from a replica: from the link's being up on that takes up to a second, in which Redis counts
    /// none, and would refuse every write.
    private var isAcknowledged: Bool {
        local.info?.replicas.contains { $0.isOnline && ($0.secondsSinceAcknowledgement ?? .max) <= 1 } ?? false
    }

    /// A master that was not told may refuse writes for no reason: it is told again, after a while.
    mutating func writeFenceEnded(_ outcome: OperationOutcome, _ now: Instant) {
        let reason: String
        switch outcome.result {
        case .done: return writeFence = nil
        case .refused(_, let words), .failed(let words): reason = words
        }
        // Any number but one that is ever wanted: what Redis has is not known.
        minReplicas = -1
        writeFence?.retryAt = now + configuration.timing.retryAfter
        output.append(
            .node(
                .log(
                    .warning, code: "write_fence", "min-slaves-to-write could not be set, and is tried again: \(reason)"
                )))
    }
}
