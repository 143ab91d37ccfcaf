import Replication
import Salvage

// What a promotion may have lost, from the promotion to the day when it is known: who promoted remembers how far its server
// had come, the other one is told when its server is made to follow.

extension Coordinator {
    /// Has the local server follow the peer's, which is told by what promotion it is master.
    mutating func follow(_ discard: RedisOrder.Discard, _ now: Instant) {
        order(.follow(accepting: discard, promotion: presence?.promotion), now)
    }

    /// What is to be remembered of a promotion of the local server: of whom, and at which offset. nil where the two data sets
    /// were not compared.
    func promotion(by order: RedisOrder, _ outcome: OperationOutcome) -> Memory.Promoted? {
        guard case .promote(let order) = order, let evidence = outcome.evidence,
            let own = local.last?.info.server?.runID
        else { return nil }
        if case .unknown = outcome.loss { return nil }
        let sample = order.knownMaster.map(\.lastSample) ?? masterSample
        let target = evidence.target?.replicationID
        guard let master = (sample ?? (target == nil ? nil : peer.last))?.info, let runID = master.server?.runID else {
            return nil
        }
        // Before Redis 4 the process is the history.
        let promotion = RememberedPromotion(
            masterRunID: master.identity == nil ? target ?? runID : runID,
            replicationID: target ?? master.identity?.id ?? runID, offset: evidence.appliedOffset)
        return Memory.Promoted(promotion, of: own)
    }

    /// The promotion by which the local server is master.
    var presentPromotion: RememberedPromotion? {
        guard let promoted = memory.promotion, promoted.runID == local.last?.info.server?.runID else { return nil }
        return promoted.promotion
    }

    /// The local server is another process, or no master any more: what it holds is not what was promoted.
    mutating func forgetPromotion() {
        guard let promoted = memory.promotion, let info = local.info, !local.isOutdated, let server = info.server,
            server.runID != promoted.runID || info.masterLink != nil
        else { return }
        memory.promotion = nil
        remember()
    }
}
