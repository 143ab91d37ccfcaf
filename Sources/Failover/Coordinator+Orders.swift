import Replication
import VRRP

// Operations on the servers, what the operator asks for, and what is told.

extension Coordinator {
    // MARK: What the facts mean

    /// Whether the local server's link leads to the peer's.
    var localFollowsPeer: Bool {
        local.info.map { NodeConfiguration.leads($0, to: peer.last?.info, at: configuration.peerRedis) } ?? false
    }

    /// Whether the peer's link leads to the local server.
    var peerFollowsLocal: Bool {
        peer.info.map { NodeConfiguration.leads($0, to: local.last?.info, at: configuration.localRedis) } ?? false
    }

    /// The local server has data, and is about to copy the data set of a master that has none.
    var isAboutToBeEmptied: Bool {
        guard localFollowsPeer, let own = local.info, let theirs = peer.info, own.masterLink?.isUp == false else {
            return false
        }
        // What its clients have deleted is not to be kept.
        return (own.keys ?? 0) > 0 && theirs.keys == 0 && theirs.masterLink == nil && !theirs.isLoading
            && !theirs.wasEmptied(after: own)
    }

    /// Whether the other node is Active, as far as can be heard or seen.
    func peerServes(_ now: Instant) -> Bool {
        let interval = configuration.router.advertisementInterval
        return activeHeardAt.map { now - $0 < interval * 4 } ?? false
    }

    /// nil while there is nothing to look at: the peer has not been asked yet, or cannot be compared with.
    func survey(hasWaited: Bool) -> Survey? {
        guard let info = local.info, let reading = peer.reading else { return nil }
        let isUnreachable =
            switch reading {
            case .dead, .silent: true
            // A master is not kept out for ever by a peer that is no use to anybody.
            case .busy, .unusable:
                local.isMaster == true && memory.wasMaster && activeHeardAt == nil && presence?.state != .serving
            case .observed: false
            }
        var own = info
        if local.isMaster == true { own.role = .master }
        // It has been the pair's master all along, and only the daemon was started anew: nobody is to be waited for.
        let goesOn = local.isMaster == true && undecided == nil && memory.wasMaster && memory.continues(info)
        return Survey(
            local: own, peer: peer.info, localFollowsPeer: localFollowsPeer && local.isMaster != true,
            peerFollowsLocal: peerFollowsLocal, peerServes: activeHeardAt != nil || presence?.state == .serving,
            presence: presence, memory: memory, hasWaited: (hasWaited || goesOn) && isUnreachable, decision: decision)
    }

    /// What the gate need not ask the master, for one that is dead or has been silent for so long that it and its daemon
    /// must be.
    func knownMaster(_ now: Instant) -> SyncGate.KnownMaster? {
        if masterGone != nil { return knownMaster(.restarted, now) }
        switch peer.reading {
        case .dead: return knownMaster(.dead, now)
        case .silent(let since) where now - since >= silenceOfTheDead: return knownMaster(.silent, now)
        // The gate asks it; where it gets no answer, what was read last bounds the loss.
        default: return masterSample == nil ? nil : knownMaster(.answering, now)
        }
    }

    func knownMaster(_ contact: SyncGate.Contact, _ now: Instant) -> SyncGate.KnownMaster {
        SyncGate.KnownMaster(
            contact: peer.reading == .dead ? .dead : contact, lastSample: presentSample, still: local.still)
    }

    /// The last reading of the master, but for one that the local data set has left behind: it went on, under another id, while
    /// this daemon stood still. One of a strange history is kept: the local data set may have been replaced.
    private var presentSample: Observation? {
        guard let info = local.last?.info, let own = info.identity?.id, let theirs = masterSample?.info.identity?.id,
            own != theirs, info.keys != 0
        else { return masterSample }
        let ids = memory.lineage.map(\.id)
        guard let present = ids.lastIndex(of: own), let former = ids.lastIndex(of: theirs) else { return masterSample }
        return former < present ? nil : masterSample
    }

    /// A living master answers within this time. A dead one has been silent for longer when the election is decided: at the
    /// defaults for 361 ms, less the age of its last advertisement and the time to the next question.
    private var silenceOfTheDead: Duration {
        min(max(configuration.router.advertisementInterval * 3 / 2, .milliseconds(30)), .milliseconds(250))
    }

    // MARK: Operations

    mutating func order(_ order: RedisOrder, _ now: Instant) {
        lastOperation += 1
        running = Running(id: lastOperation, order: order, since: now)
        outcome = nil
        output.append(.node(.redis(order, lastOperation)))
    }

    mutating func begin(_ order: RedisOrder, _ cause: GateCause, _ now: Instant) {
        self.order(order, now)
        let gating = Gating(cause: cause, operation: lastOperation, since: now)
        enter(.gating(gating), gating.code, gating.reason, now)
    }

    mutating func promote(_ cause: GateCause, knownMaster: SyncGate.KnownMaster?, _ now: Instant) {
        let (timing, policy) = (configuration.timing, configuration.policy)
        let isPlanned = cause.isPlanned
        let order = RedisOrder.PromotionOrder(
            timeout: isPlanned ? timing.switchoverTimeout : timing.promoteTimeout,
            promotesAfterTimeout: !isPlanned && policy.promotesAfterTimeout, maxLossBytes: policy.maxLossBytes,
            isPlanned: isPlanned, knownMaster: knownMaster)
        begin(.promote(order), cause, now)
    }

    mutating func handOver(isStop: Bool, _ now: Instant) {
        let timeout = configuration.timing.switchoverTimeout
        order(.handOver(timeout: timeout), now)
        let deadline = now + timeout + Self.operationMargin
        enter(
            .handingOver(
                HandingOver(operation: lastOperation, isStop: isStop, isReleased: false, deadline: deadline)),
            isStop ? "stopping" : "switchover", isStop ? "told to stop: handing over" : "asked to hand over", now)
    }

    /// Why nothing can be handed over now; nil where it can.
    func handOverObstacle(_ now: Instant) -> String? {
        guard let presence else { return "the other daemon is not to be seen" }
        guard presence.state == .standby else { return "the other node is not ready: it is \(presence.state)" }
        guard local.isMaster == true else { return "the local Redis is not master, or does not answer" }
        guard peerFollowsLocal, peer.info?.masterLink?.isUp == true else {
            return "the peer's Redis is not a replica of the local one with its link up"
        }
        return running == nil ? nil : "another operation is under way"
    }

    /// Gives the addresses away, and says so.
    mutating func release(_ handingOver: inout HandingOver) {
        handingOver.isReleased = true
        leave()
    }

    mutating func leave() {
        guard isJoined else { return }
        isJoined = false
        // As it will be when this is carried out.
        vrrp = .initialize
        output.append(.leave)
    }

    // MARK: The operator

    mutating func ordered(_ order: OperatorOrder, _ number: Int, _ now: Instant) {
        func refuse(_ text: String) -> Action { .node(.answer(number: number, OrderAnswer(isDone: false, text: text))) }
        guard asked == nil, !isStopping else {
            return output.append(refuse(isStopping ? "the daemon is stopping" : "another order is under way"))
        }
        switch order {
        case .switchover:
            if let obstacle = switchover(now) { return output.append(refuse(obstacle)) }
            let limit = configuration.timing.switchoverTimeout + Self.operationMargin
            asked = Asked(number: number, deadline: now + limit)
        case .pause:
            if let running { return output.append(refuse("it is \(running.words); try again when that is over")) }
            pause(now)
            output.append(.node(.answer(number: number, OrderAnswer(isDone: true, text: "paused"))))
        case .resume:
            resume(now)
            output.append(.node(.answer(number: number, OrderAnswer(isDone: true, text: "goes on"))))
        }
    }

    /// Returns why not; nil where it is under way.
    private mutating func switchover(_ now: Instant) -> String? {
        switch phase {
        case .serving:
            if let obstacle = handOverObstacle(now) { return obstacle }
            handOver(isStop: false, now)
            return nil
        case .standby:
            guard running == nil else { return "an operation is under way; try again" }
            guard presence?.state == .serving else { return "the other node does not serve, or is not to be seen" }
            // Without it, this node may be elected by now, or cut off: then the gate would take a silent master for a dead one.
            guard vrrp == .backup, peerServes(now) else { return "the other node's heartbeat is not heard" }
            guard localFollowsPeer, local.info?.masterLink?.isUp == true else {
                return "the local Redis is not a replica of the peer's with its link up"
            }
            promote(.switchover, knownMaster: nil, now)
            return nil
        default: return "this node is in \(state): \(reason)"
        }
    }

    private mutating func pause(_ now: Instant) {
        if case .paused = phase { return }
        let serves = if case .serving = phase { true } else { false }
        if !serves { leave() }
        memory.isPaused = true
        remember()
        enter(.paused(serves: serves), "paused", "the operator paused it: it moves nothing", now)
    }

    private mutating func resume(_ now: Instant) {
        guard case .paused(let serves) = phase else { return }
        memory.isPaused = false
        remember()
        if serves, vrrp == .active {
            enter(.serving(runID: local.last?.info.server?.runID), "resumed", "goes on serving", now)
        } else {
            leave()
            enter(.starting(since: now, inPlaceSince: nil), "resumed", "looking at both servers", now)
        }
    }

    mutating func answer(_ answer: OrderAnswer) {
        guard let number = asked?.number else { return }
        asked = nil
        output.append(.node(.answer(number: number, answer)))
    }

    // MARK: What is told

    mutating func enter(_ next: Phase, _ cause: String, _ why: String, _ now: Instant) {
        let before = state
        phase = next
        promotionAwaitedSince = nil
        (since, reason) = (now, why)
        record(from: before, cause, why, now)
        if let hook = hook(from: before) { output.append(.node(.run(hook))) }
    }

    private func hook(from before: CoordinatorState) -> Hook? {
        switch state {
        case .serving where before != .paused && before != .handingOver: .promote
        case .standby where before != .gating: .demote
        case .fault where before != .fault: .fault
        case .stopped: .stop
        default: nil
        }
    }

    mutating func record(from before: CoordinatorState, _ cause: String, _ why: String, _ now: Instant) {
        transitions += 1
        let start = outcome?.startedAt ?? now
        let isPromotion = outcome != nil && outcome == promotion
        var steps = outcome?.steps ?? []
        steps.append(Step(at: now - start, step: state.rawValue, detail: why))
        output.append(
            .node(
                .record(
                    Transition(
                        number: transitions, from: before, to: state, cause: cause, reason: why, vrrp: vrrp,
                        loss: outcome?.loss, account: outcome?.account, epoch: isPromotion ? memory.epoch : nil,
                        writeGap: outcome?.writeGap, evidence: outcome?.evidence, startedAt: start, steps: steps))))
        if isPromotion, let account = outcome?.account { amend(account) }
        let level: Node.LogLevel = if case .fault = phase { .error } else { .notice }
        log(level, cause, "\(before) -> \(state): \(why)" + (outcome.map { "; loss: \($0.loss)" } ?? ""))
    }

    /// Says what it waits for, once.
    mutating func wait(_ why: String) {
        guard why != reason else { return }
        reason = why
        log(.info, "waiting", why)
    }

    mutating func log(_ level: Node.LogLevel, _ code: String, _ text: String) {
        output.append(.node(.log(level, code: code, text)))
    }

    mutating func remember() { output.append(.node(.remember(memory))) }
}

extension Coordinator.Gating {
    /// A stable word.
    var code: String {
        switch cause {
        case .elected(let cause): cause.code
        case .masterGone: "master_gone"
        case .switchover: "switchover"
        case .preempting: "preempting"
        }
    }

    /// One sentence.
    var reason: String {
        switch cause {
        case .elected(let cause): "elected: \(cause)"
        case .masterGone(let why): "the master is gone: \(why)"
        case .switchover: "asked to take over"
        case .preempting(let priority): "takes back what a node of the lower priority \(priority) serves"
        }
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
