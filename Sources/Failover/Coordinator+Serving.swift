import Replication
import VRRP

// The looks of a node that serves, hands over, is paused, or stops.

extension Coordinator {
    mutating func lookServing(_ runID: String?, _ now: Instant) {
        if vrrp != .active { return enter(.standby(retryAfter: nil), vrrpCause.code, "\(vrrpCause)", now) }
        if runID == nil, let present = local.info?.server?.runID { phase = .serving(runID: present) }
        if local.isMaster == false, !local.isOutdated {
            leave()
            return join("the local Redis was made a replica; role and addresses move together", now)
        }
        watchReplica()
    }

    /// Says once that nobody could take over, and once that somebody can again.
    private mutating func watchReplica() {
        watchUse()
        let isThere = peerFollowsLocal && peer.info?.masterLink?.isUp == true
        guard isThere != hasReplica, !peer.isOutdated else { return }
        let before = hasReplica
        hasReplica = isThere
        if isThere {
            if before == false { log(.notice, "replica_back", "the peer's Redis is a replica with its link up again") }
        } else {
            log(
                .warning, "no_replica",
                "the peer's Redis is no replica of the local one with its link up: nobody can take over"
                    + (minReplicas == 1 && wantedMinReplicas == nil
                        ? "; with write_fence, writes are refused until it is, its process is known to be gone, or a "
                            + "witness answers" : ""))
        }
    }

    /// Says once that the Redis of the serving node lives and is of no use, which moves nothing, and once that it is again.
    private mutating func watchUse() {
        let trouble: String?
        switch local.reading {
        case .unusable(let reason), .busy(let reason): trouble = reason
        case .observed: trouble = nil
        case .silent, .dead, nil: return
        }
        guard running == nil, (trouble == nil) != isOfUse else { return }
        isOfUse = trouble == nil
        if let trouble {
            log(.warning, "redis_impaired", "the local Redis lives and serves nobody, which moves nothing: \(trouble)")
        } else {
            log(.notice, "redis_recovered", "the local Redis answers again as it should")
        }
    }

    mutating func lookHandingOver(_ handingOver: HandingOver, _ now: Instant) {
        var handingOver = handingOver
        guard running == nil, let outcome else { return }
        let words: String
        switch outcome.result {
        case .done: words = "handed over"
        case .refused(_, let reason), .failed(let reason): words = reason
        }
        guard outcome.result == .done || handingOver.isReleased else {
            enter(.serving(runID: local.last?.info.server?.runID), "switchover_refused", words, now)
            self.outcome = nil
            return answer(OrderAnswer(isDone: false, text: words))
        }
        if !handingOver.isReleased { release(&handingOver) }
        phase = .handingOver(handingOver)
        guard !handingOver.isStop else { return }
        let answer = OrderAnswer(
            isDone: outcome.result == .done, text: words, loss: outcome.loss, writeGap: outcome.writeGap)
        join("handed over", now)
        self.outcome = nil
        self.answer(answer)
    }

    // MARK: Paused, stopping

    mutating func lookPaused(_ serves: Bool, _ now: Instant) {
        if serves || isStopping, liftWriteFence(now, isLast: isStopping), isStopping { return }
        if isStopping {
            leave()
            return finish("stopped while paused", now)
        }
        if serves, vrrp != .active { phase = .paused(serves: false) }
    }

    /// Returns whether there is nothing else to look at.
    mutating func stop(_ now: Instant) -> Bool {
        if let running {
            if running.isFollowing, !running.isAborted {
                self.running?.isAborted = true
                output.append(.node(.abort(running.id)))
            }
            return false
        }
        if case .serving = phase, !hasTriedHandOver {
            hasTriedHandOver = true
            if let obstacle = handOverObstacle(now) {
                log(.warning, "no_hand_over", "stopping without handing over: \(obstacle)")
            } else {
                handOver(isStop: true, now)
                return true
            }
        }
        if case .handingOver(let handingOver) = phase, outcome == nil, now < handingOver.deadline { return false }
        if liftWriteFence(now, isLast: true) { return true }
        leave()
        finish("told to stop", now)
        return true
    }

    private mutating func finish(_ why: String, _ now: Instant) {
        enter(.stopped, "stopped", why, now)
        outcome = nil
        answer(OrderAnswer(isDone: false, text: why))
        output.append(.node(.finished))
    }
}
