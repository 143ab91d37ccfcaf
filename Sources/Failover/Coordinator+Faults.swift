import Replication

// What keeps a node out of the election, and how it finds its way back.

extension Coordinator {
    /// What keeps this node out of the election now; the gravest first.
    func presentFault(_ now: Instant) -> Fault? {
        if !isLinkUsable { return .interfaceDown }
        if configuration.policy.hasWitnesses, isWitnessReachable == false { return .witnessUnreachable }
        let downAfter = configuration.timing.downAfter
        if local.isDown(after: downAfter) {
            return .redisDown(
                local.reading == .dead
                    ? "its process is gone, and its port refuses connections"
                    : "no answer for \(downAfter.milliseconds) ms")
        }
        if case .serving(let runID?) = phase, let present = local.last?.info.server?.runID, present != runID {
            return .redisDown(
                "it was restarted behind our back: run_id \(present.prefix(8))… instead of \(runID.prefix(8))…")
        }
        switch (phase, local.reading) {
        case (.serving, _), (.handingOver, _), (.starting, .observed), (.gating, .observed): return nil
        case (_, .unusable(let reason)):
            // Before Redis 6.2 the fence of a follow is a password, which we are not told of either.
            if case .follow? = running?.order { return nil }
            return .redisUnusable(reason)
        case (_, .observed(let observation)):
            // A copy from a master that was restarted empty is no reason to stand aside, but to be quick.
            guard masterGone == nil else { return nil }
            let isCopying = observation.info.masterLink?.fullResync != nil
            return observation.info.isLoading || isCopying ? .redisLoading : nil
        default: return nil
        }
    }

    /// Elected because nobody was heard any more, which may be this node's own deafness: only a witness who was asked since
    /// then tells. That none answers is known later, and a fault.
    mutating func isHeardByWitness() -> Bool {
        guard configuration.policy.hasWitnesses, case .activeDown = vrrpCause, let vrrpSince else { return true }
        if let witnessedAt, witnessedAt >= vrrpSince { return true }
        guard witnessesAskedFor != vrrpSince else { return false }
        witnessesAskedFor = vrrpSince
        wait("elected; a witness is asked whether it is this node that is cut off")
        output.append(.node(.askWitnesses))
        return false
    }

    mutating func fail(_ fault: Fault, _ now: Instant) {
        if case .fault(let before, _) = phase {
            if before.code != fault.code { enter(.fault(fault, retryAt: nil), fault.code, "\(fault)", now) }
            return parkCutOff(now)
        }
        // Elected by its own deafness: what has not been promoted yet is left as it is.
        if fault == .witnessUnreachable, state == .gating, let running { output.append(.node(.abort(running.id))) }
        leave()
        parkCutOff(now)
        enter(.fault(fault, retryAt: nil), fault.code, "\(fault)", now)
        outcome = nil
        answer(OrderAnswer(isDone: false, text: "\(fault)"))
    }

    /// Cut off, this node must not acknowledge what nobody else will ever see: also where it cannot be done at once, or where
    /// the interface went first.
    private mutating func parkCutOff(_ now: Instant) {
        guard isToParkCutOff, configuration.policy.hasWitnesses, isWitnessReachable == false, local.isMaster == true,
            running == nil, outcome == nil, parkAt.map({ now >= $0 }) ?? true
        else { return }
        parkAt = now + configuration.timing.retryAfter
        order(.park, now)
    }

    /// Out of the election for a while, because of what an operation came to; the longer, the more often in a row.
    mutating func fail(_ fault: Fault, retrying now: Instant) {
        leave()
        let retryAfter = configuration.timing.retryAfter
        // Whoever asks for longer pauses gets them.
        let pause = min(retryAfter * (1 << min(failures, 4)), max(retryAfter, Self.longestRetry))
        failures += 1
        enter(.fault(fault, retryAt: now + pause), fault.code, "\(fault)", now)
        answer(OrderAnswer(isDone: false, text: "\(fault)"))
        guard case .unrelatedDataSets = fault else { return }
        undecided = Undecided(
            localRunID: local.last?.info.server?.runID, peerRunID: peer.last?.info.server?.runID,
            localIsMaster: local.isMaster, peerIsMaster: peer.isMaster)
    }

    private static let longestRetry: Duration = .seconds(10)

    /// A server that becomes master within the same process, while nobody knew whose data set is the pair's, was promoted by
    /// the operator.
    mutating func noteDecision() {
        guard let undecided else { return }
        if local.isMaster == true, undecided.localIsMaster == false,
            local.last?.info.server?.runID == undecided.localRunID
        {
            decision = .local
        } else if peer.isMaster == true, undecided.peerIsMaster == false,
            peer.last?.info.server?.runID == undecided.peerRunID
        {
            decision = .peer
        }
    }

    /// Looks again without a word, as long as nothing has changed.
    mutating func isStillUnrelated(_ now: Instant) -> Bool {
        guard let survey = survey(hasWaited: false) else { return true }
        switch survey.verdict {
        case .unrelated, .wait: break
        default: return false
        }
        if case .fault(let fault, _) = phase { phase = .fault(fault, retryAt: now + configuration.timing.retryAfter) }
        return true
    }
}
