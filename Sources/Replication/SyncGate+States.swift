// One function per state: takes the state's data and an event, returns the next state and what to do.

/// The gate's times. Stated in docs/sync-gate.md.
enum GateTiming {
    /// Between two readings of both servers while approaching.
    static let approachInterval: Duration = .milliseconds(10)
    /// Between two readings of the replica behind the fence.
    static let waitInterval: Duration = .milliseconds(1)
    /// The longest wait behind one fence: what clients may have to stand.
    static let longestWait: Duration = .seconds(5)
    /// How much longer than the wait a fence holds, for the steps that follow.
    static let fenceMargin: Duration = .seconds(1)
    /// The replica is close when it will have caught up within this time, at the rate seen so far…
    static let reach: Duration = .milliseconds(200)
    /// …or when it is no more bytes behind than this.
    static let reachBytes: Int64 = 64 * 1024
    /// How long the last look behind the fence may take when the lag is accepted anyway.
    static let lastLook: Duration = .milliseconds(100)
    /// How long a lost master's stream may go on arriving.
    static let drainLimit: Duration = .seconds(1)
    /// A stream in which nothing arrived for this long has ended.
    static let drainStill: Duration = .milliseconds(100)
    /// Between two readings of the replica while draining.
    static let drainInterval: Duration = .milliseconds(5)
    /// The part of the timeout after which a slow replica is fenced if it can still make it.
    static let lastCall = 0.5
}

extension SyncGate {
    typealias Step = (State, [Action])

    static func closed(_ event: Event, _ now: Instant) -> Step {
        guard case .requested(let policy) = event else { return (.closed, []) }
        if let known = policy.goneMaster { return requested(policy, knowing: known, now) }
        return (.approaching(Attempt(policy: policy, startedAt: now)), [.sample(.both, after: .zero)])
    }

    static func approaching(_ attempt: Attempt, _ event: Event, _ now: Instant) -> Step {
        var attempt = attempt
        switch event {
        case .master(let observation):
            attempt.master = observation
            attempt.trouble = nil
            return (.approaching(attempt), [])
        case .masterUnreachable(.silent) where attempt.master != nil:
            // It answered before: it has the rest of the time to come back.
            attempt.trouble = .contactLost
            return (.approaching(attempt), [])
        case .masterUnreachable where attempt.policy.needsMaster:
            return refuse(.masterAbsent)
        case .masterUnreachable(let contact):
            return (drain(attempt, contact, now), [])
        case .masterUnusable(let reason) where attempt.master != nil && !attempt.policy.force:
            // It let us in before: another run's fence keeps us out, and will be gone in a moment.
            attempt.trouble = .masterUnusable(reason: reason)
            return (.approaching(attempt), [])
        case .masterUnusable(let reason):
            let refusal = Refusal.masterUnusable(reason: reason)
            return attempt.policy.force ? (drain(attempt, .answering, overriding: refusal, now), []) : refuse(refusal)
        case .replica(let observation):
            attempt.firstReplica = attempt.firstReplica ?? observation
            attempt.replica = observation
            return judge(attempt, now)
        case .deadlineReached where attempt.trouble != nil:
            let trouble = attempt.trouble ?? .contactLost
            guard accepts(trouble, attempt.policy) else { return refuse(trouble) }
            return (drain(attempt, .silent, overriding: trouble, now), [.sample(.replica, after: .zero)])
        case .deadlineReached:
            return overrideOrRefuse(attempt.obstacle ?? .lag(bytes: lag(attempt) ?? 0), attempt, now)
        case .aborted:
            return refuse(.aborted)
        case .requested, .fenced, .fenceFailed:
            return (.approaching(attempt), [])
        }
    }

    private static func drain(
        _ attempt: Attempt, _ contact: Contact, target: Target? = nil, overriding refusal: Refusal? = nil,
        mayBeFenced: Bool = false, _ now: Instant
    ) -> State {
        .draining(
            Drain(
                attempt: attempt, contact: contact, target: target, mayBeFenced: mayBeFenced || target != nil,
                overriding: refusal, deadline: now + GateTiming.drainLimit))
    }

    /// Both servers have been read: refuse, fence, or look again.
    private static func judge(_ attempt: Attempt, _ now: Instant) -> Step {
        var attempt = attempt
        let again = Action.sample(.both, after: GateTiming.approachInterval)
        guard let master = attempt.master, let replica = attempt.replica, attempt.trouble == nil else {
            return (.approaching(attempt), [again])
        }
        if let step = resume(attempt, master, replica, now) { return step }
        if let step = besideParked(attempt, master, replica) { return step }
        let address = attempt.policy.listedAs
        switch GateConditions.obstacle(master: master.info, replica: replica.info, listedAs: address) {
        case .hard(let refusal):
            return attempt.policy.force ? overrideOrRefuse(refusal, attempt, now) : refuse(refusal)
        case .passing(let refusal):
            if attempt.policy.force { return overrideOrRefuse(refusal, attempt, now) }
            attempt.obstacle = refusal
            return (.approaching(attempt), [again])
        case nil:
            attempt.obstacle = nil
            guard isInReach(attempt, now) else { return (.approaching(attempt), [again]) }
            return fence(attempt, overriding: nil, now)
        }
    }

    /// An interrupted run left both servers following each other: neither takes writes, no fence is needed.
    private static func resume(_ attempt: Attempt, _ master: Observation, _ replica: Observation, _ now: Instant)
        -> Step?
    {
        let resumed = attempt.policy.resumedMaster
        guard let theirs = master.info.masterLink, replica.info.masterLink != nil, theirs.isReadOnly,
            GateConditions.obstacle(replica: replica.info) == nil
        else { return nil }
        let isOurs = resumed != nil && resumed == master.info.server?.runID
        let address = attempt.policy.listedAs
        guard address.ports.contains(theirs.port), isOurs || address.ips.contains(theirs.host) else { return nil }
        let isProven: Bool
        if let own = replica.info.history, let theirs = master.info.history {
            switch own.relation(to: theirs) {
            case .same, .ahead: isProven = true
            case .behind, .diverged, .unrelated: isProven = false
            }
        } else {
            // A parked master (`Promotion.Demotion.park`) was told so because it holds more than the local server.
            let isParked = theirs.host == "127.0.0.1" && theirs.port == 1
            isProven = isOurs && !isParked
        }
        guard isProven else { return attempt.policy.force ? nil : refuse(.mutualReplicas) }
        let evidence = Evidence(
            target: position(master.info), appliedOffset: replica.info.dataOffset, fence: .readOnlyReplica,
            waited: replica.at - master.at)
        return open(Opening(evidence: evidence, loss: .none, master: .answering))
    }

    static func fencing(
        _ attempt: Attempt, overriding refusal: Refusal?, until deadline: Instant, _ event: Event, _ now: Instant
    ) -> Step {
        var attempt = attempt
        switch event {
        case .fenced(let observation, let fence, let until):
            let target = Target(observation: observation, fence: fence, fencedUntil: until)
            return fenced(attempt, observation, target, overriding: refusal, until: deadline, now)
        case .fenceFailed(let reason):
            if let refusal { return openOverriding(refusal, attempt, target: nil, contact: .answering, now) }
            guard attempt.policy.force else { return refuse(.fenceFailed(reason: reason)) }
            return openOverriding(.fenceFailed(reason: reason), attempt, target: nil, contact: .answering, now)
        case .masterUnreachable(.silent):
            // The command may still arrive: what is perhaps raised is to be undone.
            guard accepts(.contactLost, attempt.policy) else { return refuse(.contactLost, releasing: true) }
            let draining = drain(attempt, .silent, overriding: .contactLost, mayBeFenced: true, now)
            return (draining, [.sample(.replica, after: .zero)])
        case .masterUnreachable(let contact):
            return (drain(attempt, contact, overriding: refusal, now), [.sample(.replica, after: .zero)])
        case .masterUnusable(let reason):
            // Another run's fence was quicker and keeps us out: look again until it is gone.
            attempt.trouble = .masterUnusable(reason: reason)
            return (.approaching(attempt), [.releaseFence, .sample(.both, after: GateTiming.approachInterval)])
        case .aborted:
            return refuse(.aborted, releasing: true)
        case .requested, .master, .replica, .deadlineReached:
            return (.fencing(attempt, overriding: refusal, deadline: deadline), [])
        }
    }

    private static func fenced(
        _ attempt: Attempt, _ observation: Observation, _ target: Target, overriding refusal: Refusal?,
        until deadline: Instant, _ now: Instant
    ) -> Step {
        guard observation.info.server?.runID == attempt.master?.info.server?.runID else {
            return refuse(.fenceFailed(reason: "the master was restarted meanwhile"), releasing: true)
        }
        guard observation.info.masterLink == nil else {
            // Another run has demoted it meanwhile: see what there is to do now.
            return (.approaching(attempt), [.releaseFence, .sample(.both, after: GateTiming.approachInterval)])
        }
        var attempt = attempt
        attempt.master = observation
        if case .lag = refusal {
            // One more look, behind the fence: the loss is what is missing now.
            return (.waiting(attempt, target, deadline: now + GateTiming.lastLook), [.sample(.replica, after: .zero)])
        }
        if let refusal { return openOverriding(refusal, attempt, target: target, contact: .answering, now) }
        return (.waiting(attempt, target, deadline: deadline), [.sample(.replica, after: .zero)])
    }

    static func waiting(
        _ attempt: Attempt, _ target: Target, until deadline: Instant, _ event: Event, _ now: Instant
    ) -> Step {
        var attempt = attempt
        switch event {
        case .replica(let observation):
            attempt.replica = observation
            if let obstacle = GateConditions.obstacle(replica: observation.info) {
                return refuse(obstacle.refusal, releasing: true)
            }
            guard isSameHistory(observation.info, target.observation.info) else {
                return refuse(.otherHistory(masterKeys: target.observation.info.keys), releasing: true)
            }
            guard observation.info.dataOffset >= target.observation.info.masterReplicationOffset else {
                let again = Action.sample(.replica, after: GateTiming.waitInterval)
                return (.waiting(attempt, target, deadline: deadline), [again])
            }
            return open(opening(attempt, target: target, contact: .answering, loss: .none))
        case .deadlineReached:
            let refusal = Refusal.lag(bytes: lag(attempt) ?? 0)
            guard accepts(refusal, attempt.policy) else { return refuse(refusal, releasing: true) }
            return openOverriding(refusal, attempt, target: target, contact: .answering, now)
        case .masterUnreachable(let contact) where contact == .dead || contact == .restarted:
            return (drain(attempt, contact, target: target, now), [.sample(.replica, after: .zero)])
        case .aborted:
            return refuse(.aborted, releasing: true)
        case .requested, .master, .masterUnreachable, .masterUnusable, .fenced, .fenceFailed:
            return (.waiting(attempt, target, deadline: deadline), [])
        }
    }

    static func draining(_ drain: Drain, _ event: Event, _ now: Instant) -> Step {
        var drain = drain
        switch event {
        case .replica(let observation):
            drain.attempt.replica = observation
            return judge(&drain, observation, now)
        case .deadlineReached:
            return finish(drain, refusing: .masterHeard, now)
        case .aborted:
            return refuse(.aborted, releasing: drain.mayBeFenced)
        case .requested, .master, .masterUnreachable, .masterUnusable, .fenced, .fenceFailed:
            return (.draining(drain), [])
        }
    }

    private static func judge(_ drain: inout Drain, _ observation: Observation, _ now: Instant) -> Step {
        if let known = drain.attempt.policy.goneMaster { return judge(&drain, knowing: known, observation, now) }
        if let refusal = obstacleWithoutMaster(drain, observation.info) { return finish(drain, refusing: refusal, now) }
        guard let link = observation.info.masterLink, link.isUp else { return finish(drain, refusing: nil, now) }
        return awaitEnd(&drain, link, now)
    }

    /// The link is up: waits for the stream's end.
    static func awaitEnd(_ drain: inout Drain, _ link: ReplicationInfo.MasterLink, _ now: Instant) -> Step {
        // The caller may have seen it stand still here: what has arrived since then, from whomever, begins the time anew.
        let still =
            drain.still.flatMap { $0.offset == link.appliedOffset ? $0 : nil }
            ?? Still(at: link.appliedOffset, since: now)
        drain.still = still
        // A dead process's link goes down by itself; a silent one's stays up, and ends when nothing arrives any more.
        if drain.contact == .silent || drain.contact == .answering, now - still.since >= GateTiming.drainStill {
            return finish(drain, refusing: nil, now)
        }
        return (.draining(drain), [.sample(.replica, after: GateTiming.drainInterval)])
    }

    /// What speaks against the replica when the master cannot be asked.
    private static func obstacleWithoutMaster(_ drain: Drain, _ replica: ReplicationInfo) -> Refusal? {
        if let obstacle = GateConditions.obstacle(replica: replica) { return obstacle.refusal }
        if replica.masterLink?.downtime == .neverConnected { return .neverSynchronised }
        guard let master = drain.attempt.master?.info else { return nil }
        return isSameHistory(replica, master) ? nil : .otherHistory(masterKeys: master.keys)
    }

    static func finish(_ drain: Drain, refusing refusal: Refusal?, _ now: Instant) -> Step {
        // A master that is known to live is "heard" by its replica, which is what the overridden refusal says already.
        let isNews = refusal != .masterHeard || drain.contact == .dead || drain.overriding == nil
        if let refusal, isNews, !accepts(refusal, drain.attempt.policy) {
            return refuse(refusal, releasing: drain.mayBeFenced)
        }
        if let overridden = (isNews ? refusal : nil) ?? drain.overriding {
            return openOverriding(
                overridden, drain.attempt, target: drain.target, contact: drain.contact, mayBeFenced: drain.mayBeFenced,
                now)
        }
        let loss: Loss =
            if let known = drain.attempt.policy.goneMaster {
                loss(drain.attempt, knowing: known, now)
            } else if drain.contact == .restarted {
                .unknown(.masterRestarted)
            } else {
                loss(drain.attempt, target: drain.target, now)
            }
        let opening = opening(drain.attempt, target: drain.target, contact: drain.contact, loss: loss)
        return openWithinLimit(opening, drain.attempt.policy, mayBeFenced: drain.mayBeFenced)
    }
}
