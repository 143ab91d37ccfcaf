import Replication
import Salvage

// What a promotion may have lost, from the promotion to the day when it is known: who promoted remembers how far its server
// had come, the other one is told when its server is made to follow.

extension Coordinator {
    /// How long the other daemon has to tell how far its Redis had come when it was promoted.
    private static let promotionPatience: Duration = .seconds(3)

    /// Has the local server follow the peer's, which is told by what promotion it is master. Before Redis 4 nothing else says
    /// what the peer lacks, and nothing at all which failover that belongs to: that is waited for, a moment.
    mutating func follow(_ discard: RedisOrder.Discard, _ now: Instant) {
        if needsPromotion(discard) {
            let since = promotionAwaitedSince ?? now
            promotionAwaitedSince = since
            guard now - since >= Self.promotionPatience else { return }
        }
        promotionAwaitedSince = nil
        order(.follow(accepting: discard, promotion: presence?.promotion, origin: origin), now)
    }

    /// Which failover that belongs to which the local server alone holds, and since when it may do so.
    private var origin: SurplusOrigin {
        SurplusOrigin(epoch: presentEpoch, writtenAfter: fork.flatMap { trail.lastSeen(notBeyond: $0) })
    }

    /// The number of the promotion by which the peer's server is master: its daemon still remembers that promotion, or has
    /// counted more of them than this node. Otherwise somebody else has promoted it, and nobody has counted that.
    private var presentEpoch: UInt64? {
        guard let presence, presence.isMaster, presence.promotion != nil || presence.epoch > memory.epoch else {
            return nil
        }
        return presence.epoch
    }

    /// The last offset of the local server that the peer's has as well; nil where nobody can tell.
    private var fork: Int64? {
        guard let own = local.info, let theirs = peer.last?.info else { return nil }
        guard let history = own.history, let other = theirs.history else {
            return presence?.promotion.flatMap { $0.masterRunID == own.server?.runID ? $0.offset : nil }
        }
        switch history.relation(to: other) {
        case .ahead(let bytes), .diverged(let bytes, _): return own.dataOffset - bytes
        case .same, .behind, .unrelated: return nil
        }
    }

    /// Whether the local server holds something that the other daemon, which is not to be seen yet, has a number for; or has a
    /// backlog that could be read, if it were known from where on.
    private func needsPromotion(_ discard: RedisOrder.Discard) -> Bool {
        guard discard != .nothing else { return false }
        // A second master does not go on taking writes for what is but a number in a list.
        if presence == nil, decision == nil, local.isMaster == false { return true }
        guard let info = local.info, info.identity == nil, info.masterLink == nil,
            info.backlog.isActive
        else { return false }
        return presence?.promotion?.masterRunID != info.server?.runID
    }

    /// What is to be remembered of a promotion of the local server: of whom, and at which offset. nil where the two data sets
    /// were not compared.
    func promotion(by order: RedisOrder, _ outcome: OperationOutcome) -> Memory.Promoted? {
        guard case .promote(let order) = order, let evidence = outcome.evidence,
            let own = local.last?.info.server?.runID
        else { return nil }
        // A master that the gate could not ask even once was asked before, all the time.
        if case .unknown(let cause) = outcome.loss, cause != .neverSampled { return nil }
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

    /// The local server is a master: what it discarded before is nothing that a promotion over it has lost; and where no copy
    /// took its place, nothing was discarded at all.
    mutating func forgetDiscarded() {
        guard let discarded = memory.discarded, discarded.epoch == nil || !discarded.isCopied, let info = local.info,
            !local.isOutdated, info.masterLink == nil
        else { return }
        memory.discarded = nil
        remember()
    }

    /// The local server is another process, or no master any more: what it holds is not what was promoted. Or the old master
    /// has its data by now.
    mutating func forgetPromotion(_ now: Instant) {
        guard let promoted = memory.promotion, let info = local.info, !local.isOutdated, let server = info.server else {
            return
        }
        guard server.runID == promoted.runID, info.masterLink == nil, !isSettled(promoted.promotion, now) else {
            (memory.promotion, copiedBySince) = (nil, nil)
            return remember()
        }
    }

    /// Whether the old master has been a replica of the local server for a while: what it holds beyond it from now on is no
    /// loss of that promotion.
    private mutating func isSettled(_ promotion: RememberedPromotion, _ now: Instant) -> Bool {
        guard peerFollowsLocal, let info = peer.info, info.masterLink?.isUp == true,
            info.server?.runID == promotion.masterRunID
        else {
            copiedBySince = nil
            return false
        }
        let since = copiedBySince ?? now
        copiedBySince = since
        return now - since >= Self.settlingTime
    }

    /// As long as the other node may need to find out which promotion its loss belongs to.
    private static let settlingTime: Duration = .seconds(10)

    // MARK: Without a gate

    /// Serves with a master that no gate has passed. Where the peer cannot be asked, and the local server is not the process that
    /// served before, the peer's may have served since: nobody knows what it holds beyond.
    mutating func serveUnguarded(_ survey: Survey, _ now: Instant) {
        guard survey.peer == nil, let info = local.info, !memory.continues(info) else {
            return serve("elected", "\(vrrpCause)", now)
        }
        // Promoted by the operator, it is what the limit waits for.
        if let limit = configuration.policy.maxLossBytes, !local.wasReplica {
            let refusal = Refusal.lossAboveLimit(bytes: nil, limit: limit)
            let remedy = "it is master already: to serve with it all the same, raise max_loss and reload"
            return fail(.notPromotable(code: refusal.code, reason: "\(refusal)", remedy: remedy), retrying: now)
        }
        log(
            .warning, "loss_unknown",
            "the local Redis was started anew, or was not this node's master before, and the peer's does not answer: "
                + "what that one may hold beyond is not known")
        outcome = OperationOutcome(.done, loss: .unknown(.neverSampled), startedAt: now)
        serve("elected", "\(vrrpCause)", now)
    }

    // MARK: What is found out

    /// The local server was made to follow the peer's: what it held beyond is what the peer's promotion has lost.
    mutating func followed(_ account: Rejoin.Account?) {
        memory.isCopyPending = true
        guard let missing = account?.missing, let runID = local.last?.info.server?.runID else { return }
        let epoch = epoch(ofPromotionOver: runID)
        // What was counted when the copy did not come is counted again.
        let before = memory.discarded.flatMap { $0.isCopied && $0.epoch == epoch ? $0.lost : nil }
        memory.discarded = Memory.Discarded(
            epoch: epoch, lost: before.map { $0 + missing } ?? missing, isCopied: false, runID: runID)
    }

    /// The number of the peer's promotion, where that was a promotion over this very process.
    private func epoch(ofPromotionOver runID: String) -> UInt64? {
        guard let presence, presence.isMaster, presence.promotion?.masterRunID == runID else { return nil }
        return presence.epoch
    }

    /// The local server's link is up: it has what the peer's has.
    mutating func copied() {
        guard memory.isCopyPending || memory.discarded?.isCopied == false else { return }
        memory.isCopyPending = false
        memory.discarded?.isCopied = true
        remember()
    }

    /// The other daemon is to be seen: its last promotion is what the local server was made to follow.
    mutating func attribute() {
        guard let discarded = memory.discarded, discarded.epoch == nil,
            let epoch = epoch(ofPromotionOver: discarded.runID)
        else { return }
        memory.discarded?.epoch = epoch
        remember()
    }

    /// What the other node is to know.
    var settled: Settlement? {
        memory.discarded.flatMap { discarded in
            discarded.epoch.map { Settlement(epoch: $0, lost: discarded.lost) }
        }
    }

    /// The other node has found out what a promotion has lost. Whether it was one of this node's, the history knows.
    mutating func amend() {
        guard let presence, let settled = presence.settled, settled != amended else { return }
        amended = settled
        output.append(.node(.amend(settled, by: presence.node, kept: [])))
    }

    /// This node itself has, with its promotion.
    mutating func amend(_ account: Rejoin.Account) {
        guard let missing = account.missing else { return }
        let settled = Settlement(epoch: memory.epoch, lost: missing)
        output.append(.node(.amend(settled, by: configuration.node, kept: account.kept.map(\.name))))
    }
}
