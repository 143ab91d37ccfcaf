import Replication
import VRRP

// What events leave behind as facts. Nothing is decided here but what concerns one event alone.

extension Coordinator {
    mutating func take(_ event: Event, _ now: Instant) {
        switch event {
        case .start: start(now)
        case .stop: isStopping = phase != .stopped
        case .link(let isUsable): isLinkUsable = isUsable
        case .election(let name, let cause): (vrrp, vrrpCause, vrrpSince) = (name, cause, now)
        case .heard(.resigning):
            (resignedAt, activeHeardAt, heardPriority) = (now, nil, nil)
            // The other daemon may have promoted our Redis just now: the last reading does not show it yet.
            if state == .standby, local.isMaster == false { output.append(.node(.refresh)) }
        case .heard(let priority): (activeHeardAt, heardPriority) = (now, priority)
        case .local(let reading): take(local: reading, now)
        case .peer(let reading): take(peer: reading, now)
        case .peerDaemon(let presence):
            self.presence = presence
            adoptEpoch()
            attribute()
            amend()
        case .witness(let isReachable, let askedAt):
            isWitnessReachable = isReachable
            if isReachable { witnessedAt = askedAt }
        case .progress(let id, .promoted): promoted(id)
        case .progress(let id, .step(let step)): if running?.id == id { running?.step = step.detail }
        case .ended(let id, let outcome): ended(id, outcome, now)
        case .ordered(let order, let number): ordered(order, number, now)
        case .woken:
            leave()
            enter(.starting(since: now, inPlaceSince: nil), "woken", "it stood still until its addresses expired", now)
        case .deadlineReached:
            if let asked, now >= asked.deadline {
                answer(OrderAnswer(isDone: false, text: "it is not over yet: see 'syncgate status'"))
            }
        }
    }

    private mutating func start(_ now: Instant) {
        guard phase == .idle else { return }
        if memory.isPaused {
            enter(.paused(serves: false), "paused", "paused before it was stopped; 'syncgate resume' goes on", now)
        } else {
            enter(.starting(since: now, inPlaceSince: nil), "started", "looking at both servers", now)
        }
    }

    /// The other node's promotions count for this one when its data set went through them, or when it is the one that serves:
    /// an old master that has just come back has not, and must not claim that it was master last.
    private mutating func adoptEpoch() {
        guard let epoch = presence?.epoch, epoch > memory.epoch, phase != .idle else { return }
        guard state == .serving || localFollowsPeer && local.info?.masterLink?.isUp == true else { return }
        memory.epoch = epoch
        remember()
    }

    private mutating func take(local reading: RedisReading, _ now: Instant) {
        let isAnother = local.take(reading, now) != nil
        if let observation = reading.observation { trail.note(observation) }
        // What another process had for a master says nothing of this one; nor has a master one, whatever it followed before.
        if isAnother || local.isMaster == true && running == nil { (masterGone, masterSample) = (nil, nil) }
        judgeMaster()
        forgetPromotion(now)
        forgetDiscarded()
        adoptEpoch()
        guard let info = local.info, !info.isLoading, !local.isOutdated else { return }
        if info.masterLink?.isUp == true, info.masterLink?.fullResync == nil { copied() }
        if isMasterOfPeerOrAlone || localFollowsPeer && info.masterLink?.isUp == true { note(info, now) }
    }

    /// Keeps which histories the local data set goes through. Offsets alone are written down once in a while.
    private mutating func note(_ info: ReplicationInfo, _ now: Instant) {
        guard state == .serving || state == .standby else { return }
        let ids =
            info.identity.map { [$0.id] }
            ?? [info.masterLink == nil ? info.server : peer.last?.info.server].map { $0?.runID ?? "" }
        let isMaster = info.masterLink == nil
        let runID = isMaster ? info.server?.runID : nil
        var isNews = memory.wasMaster != isMaster || memory.masterRunID != runID
        (memory.wasMaster, memory.masterRunID) = (isMaster, runID)
        for id in ids where !id.isEmpty { isNews = memory.note(id, offset: info.dataOffset) || isNews }
        if isNews || rememberedAt.map({ now - $0 >= .seconds(60) }) ?? true {
            rememberedAt = now
            remember()
        }
    }

    private var isMasterOfPeerOrAlone: Bool { local.isMaster == true && state == .serving }

    private mutating func take(peer reading: RedisReading, _ now: Instant) {
        _ = peer.take(reading, now)
        guard localFollowsPeer, local.isMaster == false else { return }
        judgeMaster()
        guard case .observed(let observation) = reading, observation.info.masterLink == nil,
            !observation.info.isLoading, let info = local.info
        else { return }
        let isSame = masterSample.map { $0.info.server?.runID == observation.info.server?.runID } ?? true
        guard let link = info.masterLink, link.isUp, link.fullResync == nil else {
            // What it writes while nothing arrives is lost as well. Before Redis 4 only a link that is up tells how much.
            if let sample = masterSample, isSame, let id = sample.info.identity?.id, id == observation.info.identity?.id
            {
                masterSample = observation
            }
            return
        }
        if isSame || isCopy(info, of: observation.info) { (masterSample, masterGone) = (observation, nil) }
    }

    /// Whether the process that the local server was the replica of is gone: its port refuses, or another one answers there whose
    /// data set the local one has not. Looked at with each reading of either server, as the one that shows it may come while
    /// the other does not answer.
    private mutating func judgeMaster() {
        guard masterGone == nil, localFollowsPeer, local.isMaster == false, let sample = masterSample,
            let link = local.info?.masterLink
        else { return }
        if peer.reading == .dead {
            masterGone = "its process is gone, and its port refuses connections"
        } else if let present = peer.last, let before = sample.info.server?.runID,
            let after = present.info.server?.runID, before != after
        {
            if link.isUp, link.fullResync == nil, let info = local.info, isCopy(info, of: present.info) { return }
            masterGone = "it was restarted: run_id \(after.prefix(8))… instead of \(before.prefix(8))…"
        }
    }

    /// Whether the local server, whose link is up, has copied this master, which was restarted while it could not be asked: it
    /// has a new one.
    private func isCopy(_ info: ReplicationInfo, of master: ReplicationInfo) -> Bool {
        info.identity.map { $0.id == master.identity?.id } ?? info.isListed(by: master)
    }

    /// The standby is master by now: the addresses can go, before the clients are told by Redis.
    private mutating func promoted(_ id: OperationID) {
        guard case .handingOver(var handingOver) = phase, handingOver.operation == id, !handingOver.isReleased else {
            return
        }
        release(&handingOver)
        phase = .handingOver(handingOver)
    }

    /// What the next promotion is counted as: one more than both nodes have seen.
    private var nextEpoch: UInt64 { min(max(memory.epoch, presence?.epoch ?? 0), Memory.mostEpoch - 1) + 1 }

    private mutating func ended(_ id: OperationID, _ outcome: OperationOutcome, _ now: Instant) {
        if id == writeFence?.operation { return writeFenceEnded(outcome, now) }
        guard let running, running.id == id else { return }
        self.running = nil
        self.outcome = running.order == .park && outcome.result == .done ? nil : outcome
        guard outcome.result == .done else { return }
        switch running.order {
        case .promote, .lead:
            memory.promotion = promotion(by: running.order, outcome)
            local.give(isMaster: true, at: now)
            (promotedAt, promotion, isToParkCutOff) = (now, outcome, true)
            (masterGone, masterSample) = (nil, nil)
            memory.epoch = nextEpoch
            memory.wasMaster = true
            remember()
        case .follow, .handOver, .park:
            if case .follow = running.order { followed(outcome.account) }
            if case .handOver = running.order { memory.epoch = nextEpoch }
            local.give(isMaster: false, at: now)
            (promotedAt, masterGone, masterSample, isToParkCutOff) = (nil, nil, nil, false)
            (memory.wasMaster, memory.masterRunID, memory.promotion) = (false, nil, nil)
            remember()
        case .disconnectClients, .writeFence: break
        }
    }
}
