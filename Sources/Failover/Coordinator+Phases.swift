import Replication
import VRRP

// One look for each phase: what all facts together mean now. From serving on: Coordinator+Serving.swift.

extension Coordinator {
    mutating func look(_ now: Instant) {
        switch phase {
        case .idle, .stopped: return
        case .paused(let serves): return lookPaused(serves, now)
        default: break
        }
        if isStopping, stop(now) { return }
        if case .fault = phase { noteEnded(now) }
        if let fault = presentFault(now) { return fail(fault, now) }
        switch phase {
        case .starting(let since, let inPlaceSince): lookStarting(since, inPlaceSince, now)
        case .standby(let retryAfter): lookStandby(retryAfter, now)
        case .gating(let gating): lookGating(gating, now)
        case .serving(let runID): lookServing(runID, now)
        case .handingOver(let handingOver): lookHandingOver(handingOver, now)
        case .fault(let fault, let retryAt):
            noteDecision()
            guard retryAt.map({ now >= $0 }) ?? true || decision != nil, running == nil else { return }
            if case .unrelatedDataSets = fault, isStillUnrelated(now) { return }
            enter(.starting(since: now, inPlaceSince: nil), "recovered", "looking at both servers again", now)
        case .idle, .stopped, .paused: break
        }
    }

    /// What began before the fault and has ended in it: its loss belongs into the history all the same, at once.
    private mutating func noteEnded(_ now: Instant) {
        if outcome?.loss.isPossible == true { record(from: state, "ended", "an operation ended meanwhile", now) }
        outcome = nil
    }

    // MARK: Starting

    private mutating func lookStarting(_ since: Instant, _ inPlaceSince: Instant?, _ now: Instant) {
        guard running == nil else { return }
        if let outcome { return followed(outcome, now) }
        guard let info = local.info, !local.isOutdated else { return wait("the local Redis does not answer yet") }
        if info.isLoading { return wait("the local Redis is loading its data set") }
        // It holds what the master had that is gone: nothing waits for that one.
        if let masterGone, localFollowsPeer {
            return join("the local Redis is its replica, and the master is gone: \(masterGone)", now)
        }
        if isCopyLost(since, now) || isAboutToBeEmptied { return keepOldData(now) }
        if info.masterLink?.fullResync != nil { return wait("the local Redis receives a full copy from its master") }
        if configuration.policy.hasWitnesses, isWitnessReachable == nil { return wait("no witness has answered yet") }
        guard let survey = survey(hasWaited: now - since >= configuration.timing.waitForPeer) else {
            return wait("the peer's Redis has not been asked yet")
        }
        switch survey.verdict {
        case .wait(let why): wait(why)
        case .yield(let why): yield(why, now)
        case .unrelated(let why): fail(.unrelatedDataSets(why), retrying: now)
        case .follow(let discard, let why):
            wait(why)
            follow(discard, now)
        case .lead(let why): join(why, now)
        case .inPlace(let why):
            // The other daemon may be about to start, and to find its Redis where it left it.
            let seen = inPlaceSince ?? now
            let isAwaited = local.isMaster == false && survey.peer != nil && presence == nil && activeHeardAt == nil
            guard isAwaited, now - seen < configuration.timing.startGrace else { return join(why, now) }
            phase = .starting(since: since, inPlaceSince: seen)
            wait("\(why); waiting a moment for the other daemon")
        }
    }

    /// It was made to follow, and its link never came up: nor will it, as that master is dead, or has been silent, with nothing
    /// on its way, when one was waited for long enough.
    private func isCopyLost(_ since: Instant, _ now: Instant) -> Bool {
        guard memory.isCopyPending, localFollowsPeer, let link = local.info?.masterLink, !link.isUp else {
            return false
        }
        if peer.reading == .dead { return true }
        let timing = configuration.timing
        return link.fullResync == nil && now - since >= timing.waitForPeer && peer.isDown(after: timing.downAfter)
    }

    /// The master that it was made to follow died before the copy was there, and may come back without data, or has: it must
    /// not be followed by itself then.
    private mutating func keepOldData(_ now: Instant) {
        memory.isCopyPending = false
        remember()
        wait("its master died, or came back without data: the local Redis keeps its own")
        order(.park, now)
    }

    private mutating func followed(_ outcome: OperationOutcome, _ now: Instant) {
        let remedy = outcome.remedy
        switch outcome.result {
        case .done:
            (failures, undecided, decision) = (0, nil, nil)
            record(from: state, "followed", "the local Redis follows the peer's", now)
            answer(OrderAnswer(isDone: false, text: "the other node serves, and the local Redis follows its again"))
        case .refused(let code, let why): fail(.cannotFollow(code: code, reason: why, remedy: remedy), retrying: now)
        case .failed(let why): fail(.cannotFollow(code: "failed", reason: why, remedy: remedy), retrying: now)
        }
        self.outcome = nil
    }

    mutating func join(_ why: String, _ now: Instant) {
        isJoined = true
        output.append(.join)
        enter(.standby(retryAfter: nil), "joined", why, now)
    }

    // MARK: Standby

    private mutating func lookStandby(_ retryAfter: Instant?, _ now: Instant) {
        if let running { return lookStandbyBusy(running, now) }
        if let outcome { return followed(outcome, now) }
        if vrrp == .active { return elected(now) }
        guard local.info != nil else { return }
        if local.isMaster == true { return lookStandbyMaster(now) }
        guard !local.isOutdated else { return }
        let mayTry = retryAfter.map({ now >= $0 }) ?? true
        if let masterGone, presence?.state != .paused, mayTry || wasPlanRefused {
            return promote(.masterGone(masterGone), knownMaster: knownMaster(.restarted, now), now)
        }
        guard mayTry else { return }
        if !localFollowsPeer { return place(now) }
        if isAboutToBeEmptied { return keepOldData(now) }
        preempt(now)
    }

    /// Elected while its Redis is being made to follow, which may take minutes: it can serve nobody, and is in the way of the
    /// other node.
    private mutating func lookStandbyBusy(_ running: Running, _ now: Instant) {
        guard vrrp == .active, running.isFollowing, now - running.since >= Self.operationMargin else { return }
        leave()
        enter(
            .starting(since: now, inPlaceSince: nil), "not_in_place", "elected, but busy \(running.words)", now)
    }

    /// Takes role and addresses back from a node of lower priority, where that is configured: by a switchover, which loses
    /// nothing, and not by the election, which would take the addresses before the gate is passed.
    private mutating func preempt(_ now: Instant) {
        guard configuration.router.preempts, let heardPriority, heardPriority < configuration.router.priority,
            presence?.state == .serving, let since, now - since >= configuration.router.preemptDelay,
            let link = local.info?.masterLink, link.isUp
        else { return }
        promote(.preempting(heardPriority), knownMaster: nil, now)
    }

    /// Master, without the addresses: about to get them, or left over from before.
    private mutating func lookStandbyMaster(_ now: Instant) {
        guard isLocalFresh(now) else { return }
        if let resignedAt, now - resignedAt < Self.takeOverPatience {
            self.resignedAt = nil
            if promotedAt != nil || !isOutdone { return output.append(.takeOver) }
        }
        if let promotedAt, now - promotedAt < Self.takeOverPatience { return }
        // In a hand-over the old master is made a replica before the local server is promoted: one that was asked before that
        // has been seen looks as if both were masters.
        guard let roleSince = local.roleSince, let last = peer.last, last.at >= roleSince else { return }
        guard peerServes(now), peer.isMaster == true, !local.isOutdated else { return }
        place(now)
    }

    /// Gives the local server its place beside a peer that is master.
    private mutating func place(_ now: Instant) {
        guard let survey = survey(hasWaited: false) else { return }
        switch survey.verdict {
        case .follow(let discard, let why):
            wait(why)
            follow(discard, now)
        case .unrelated(let why): fail(.unrelatedDataSets(why), retrying: now)
        case .lead(let why) where local.isMaster == true:
            // Both served while they were cut off from each other, and the election has decided since.
            wait("the other node serves, although \(why)")
            follow(.surplus, now)
        case .yield(let why): yield(why, now)
        case .wait(let why), .lead(let why), .inPlace(let why): wait(why)
        }
    }

    /// The peer's server is to lead: a master in its way becomes read-only, with its data.
    private mutating func yield(_ why: String, _ now: Instant) {
        wait(why)
        if local.isMaster == true { order(.park, now) }
    }

    /// Whether the peer's Redis, by what both say of their histories, went further than the local one, or may have.
    private var isOutdone: Bool {
        guard var survey = survey(hasWaited: true) else { return false }
        // It has just resigned, whatever it showed when its channel was read last.
        survey.peerServes = false
        let isEmpty = survey.local.keys == 0
        return switch survey.verdict {
        case .lead, .inPlace: false
        case .follow: isEmpty || survey.local.identity != nil
        // Nobody knows what the peer holds: that is nothing to lead without a key.
        case .yield, .wait, .unrelated: isEmpty
        }
    }

    /// Whether the latest reading of the local Redis is young enough to serve by it, or to take over: another node that was
    /// elected during a longer sleep has had time to make it a replica.
    private func isLocalFresh(_ now: Instant) -> Bool { local.isFresh(configuration.timing.downAfter / 2, now) }

    /// Elected while its Redis runs a script for long: it can serve nobody, and is in the way of the other node.
    private mutating func electedTooEarly(_ now: Instant) {
        guard let vrrpSince, now - vrrpSince >= configuration.timing.downAfter else { return }
        leave()
        enter(
            .starting(since: now, inPlaceSince: nil), "not_in_place", "elected, but the local Redis answers nothing",
            now)
    }

    private mutating func elected(_ now: Instant) {
        guard local.info != nil else { return electedTooEarly(now) }
        guard !local.isOutdated || local.isMaster == true else { return }
        // What a frozen process remembers of its Redis says nothing: the next reading is due at once.
        guard isLocalFresh(now), isHeardByWitness() else { return }
        // Just promoted, or handed over to: what was read of the peer before that says nothing.
        let isDecided = if case .handedOver = vrrpCause { true } else { promotedAt != nil }
        if local.isMaster == true, isDecided { return serve(vrrpCause.code, "\(vrrpCause)", now) }
        guard let survey = survey(hasWaited: true) else { return }
        // Where the peer follows somebody as well there is no master to ask: the data sets decide.
        let hasMaster = peer.isMaster != false || masterGone != nil
        if local.isMaster == false, localFollowsPeer, hasMaster {
            return promote(.elected(vrrpCause), knownMaster: knownMaster(now), now)
        }
        switch survey.verdict {
        case .lead, .inPlace:
            if local.isMaster == true { return serveUnguarded(survey, now) }
            begin(.lead, .elected(vrrpCause), now)
        case .follow(_, let why), .yield(let why), .wait(let why), .unrelated(let why):
            leave()
            enter(.starting(since: now, inPlaceSince: nil), "not_in_place", why, now)
        }
    }

    // MARK: The gate

    private mutating func lookGating(_ gating: Gating, _ now: Instant) {
        guard let outcome, running == nil else { return }
        switch outcome.result {
        case .done:
            if vrrp == .active, isHeardByWitness() { return serve(gating.code, gating.reason, now) }
            enter(
                .standby(retryAfter: nil), gating.code, "\(gating.reason); promoted before the addresses are here", now)
        case .refused(let code, let reason): refused(gating, code, reason, now)
        case .failed(let reason): refused(gating, "failed", reason, now)
        }
        self.outcome = nil
    }

    private mutating func refused(_ gating: Gating, _ code: String, _ reason: String, _ now: Instant) {
        if vrrp == .active {
            return fail(.notPromotable(code: code, reason: reason, remedy: outcome?.remedy), retrying: now)
        }
        let retryAt = now + configuration.timing.retryAfter
        wasPlanRefused = gating.cause.isPlanned
        enter(.standby(retryAfter: retryAt), "not_promotable", "not promoted: \(reason)", now)
        answer(OrderAnswer(isDone: false, text: reason))
    }

    mutating func serve(_ cause: String, _ why: String, _ now: Instant) {
        output.append(.serve)
        (resignedAt, promotedAt, activeHeardAt, hasReplica) = (nil, nil, nil, nil)
        (minReplicas, writeFence, isToParkCutOff, isOfUse) = (nil, nil, true, true)
        (failures, undecided, decision) = (0, nil, nil)
        let answer = OrderAnswer(
            isDone: true, text: "\(configuration.node) serves now", loss: promotion?.loss ?? .none,
            writeGap: promotion?.writeGap)
        enter(.serving(runID: local.last?.info.server?.runID), cause, why, now)
        (outcome, promotion) = (nil, nil)
        self.answer(answer)
    }
}
