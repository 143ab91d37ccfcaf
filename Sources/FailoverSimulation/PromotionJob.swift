import Failover
import Replication

/// Executes the actions of one real `Promotion` on the model, one after the other, as the shell does on real servers.
final class PromotionJob {
    /// Whose daemon runs it.
    let host: Int
    /// The server to promote, and its master.
    let local: Int
    let master: Int
    let startedAt: Time
    let knownMaster: SyncGate.KnownMaster?
    let finish: (World, OperationOutcome) -> Void
    var onPromoted: (World) -> Void = { _ in }
    private var promotion: Promotion
    private var actions: [Promotion.Action] = []
    private var events: [Promotion.Event] = []
    private var masterRunID: String?
    private var isMasterLossTold = false
    private var raisedAt: Time?
    private var promotedAt: Time?
    private var steps: [Step] = []
    private var openedAt: Time = 0

    init(
        host: Int, local: Int, master: Int, startedAt: Time, request: Promotion.Request,
        finish: @escaping (World, OperationOutcome) -> Void
    ) {
        (self.host, self.local, self.master, self.startedAt) = (host, local, master, startedAt)
        knownMaster = request.policy.knownMaster.flatMap { $0.contact == .answering ? nil : $0 }
        self.finish = finish
        promotion = Promotion(request)
    }

    func start(_ world: World) {
        guard knownMaster == nil else {
            actions = promotion.start(now: world.instant)
            return advance(world)
        }
        read(world, master) { world, response in
            self.actions = self.promotion.start(now: world.instant)
            if case .reply(let info) = response {
                self.masterRunID = info.server?.runID
                let observation = Observation(info, at: world.instant(self.startedAt))
                self.actions += self.promotion.handle(.gate(.master(observation)), now: world.instant)
            }
            self.advance(world)
        }
    }

    /// Goes on until something has to be waited for.
    private func advance(_ world: World) {
        while true {
            if !actions.isEmpty {
                if execute(actions.removeFirst(), world) { continue }
                return
            }
            while actions.isEmpty, !events.isEmpty {
                actions = promotion.handle(events.removeFirst(), now: world.instant)
            }
            if actions.isEmpty, let deadline = promotion.deadline, world.instant >= deadline {
                actions = promotion.handle(.gate(.deadlineReached), now: world.instant)
            }
            if actions.isEmpty { return sample(.both, world) }
        }
    }

    /// Returns whether it is done; otherwise `advance` goes on when the answer has come.
    private func execute(_ action: Promotion.Action, _ world: World) -> Bool {
        switch action {
        case .gate(.sample(let servers, let pause)): wait(world, pause, servers)
        case .gate(.fenceMaster(let duration)): raiseFence(world, duration)
        case .gate(.releaseFence), .releaseFence:
            send(world, .unpause, master) { world, _ in self.advance(world) }
        case .demoteMaster(let demotion): demote(world, demotion, attempt: 0)
        case .promoteLocal: promoteLocal(world, attempt: 0)
        case .restoreMaster: restore(world)
        case .disconnectClients:
            send(world, .disconnectClients, master) { world, _ in self.advance(world) }
        case .finish(let outcome): end(world, outcome)
        case .gate(.open), .gate(.refuse): return true
        }
        return false
    }

    private func note(_ world: World, _ step: String, _ detail: @autoclosure () -> String) {
        guard world.options.isTracing else { return }
        let text = detail()
        steps.append(Step(at: .microseconds(world.now - startedAt), step: step, detail: text))
        world.note(host, "operation: \(step): \(text)")
    }

    private func send(
        _ world: World, _ command: Command, _ server: Int, onExecution: ((World) -> Void)? = nil,
        _ completion: @escaping (World, Response) -> Void
    ) {
        world.send(command, from: host, to: server, onExecution: onExecution, completion)
    }

    private func read(_ world: World, _ server: Int, _ completion: @escaping (World, Response) -> Void) {
        send(world, .info, server, completion)
    }

    // MARK: Reading

    private func wait(_ world: World, _ pause: Duration, _ servers: SyncGate.Servers) {
        let end = world.now + world.span(pause)
        let due = promotion.deadline.map { min(end, world.time($0)) } ?? end
        let process = world.hosts[host].daemon.process
        world.at(due) { world in
            world.deliver(to: self.host, process) { world in
                if let deadline = self.promotion.deadline, world.instant >= deadline {
                    self.events.append(.gate(.deadlineReached))
                    self.advance(world)
                } else {
                    self.sample(servers, world)
                }
            }
        }
    }

    private func sample(_ servers: SyncGate.Servers, _ world: World) {
        let asked = world.instant
        guard servers == .both else { return sampleLocal(world) }
        var answers = 0
        var theirs = Response.silent
        var ours = Response.silent
        let both: (World) -> Void = { world in
            answers += 1
            guard answers == 2 else { return }
            self.tell(theirs, asked)
            self.tell(local: ours, asked)
            self.advance(world)
        }
        read(world, master) {
            theirs = $1; both($0)
        }
        read(world, local) {
            ours = $1; both($0)
        }
    }

    /// The master is watched through its connection: its end is noticed.
    private func sampleLocal(_ world: World) {
        let asked = world.instant
        let isLost =
            knownMaster == nil && !isMasterLossTold
            && (world.hosts[master].redis.runID != masterRunID || world.hosts[master].redis.process == .down)
            && world.isOpen(.redis, master, host)
        guard isLost else {
            return read(world, local) { world, response in
                self.tell(local: response, asked)
                self.advance(world)
            }
        }
        isMasterLossTold = true
        read(world, master) { world, response in
            if case .reply(let info) = response, info.server?.runID == self.masterRunID {
                self.isMasterLossTold = false
            } else if case .reply = response {
                self.events.append(.gate(.masterUnreachable(.restarted)))
            } else {
                self.tell(response, asked)
            }
            self.read(world, self.local) { world, response in
                self.tell(local: response, asked)
                self.advance(world)
            }
        }
    }

    private func tell(_ response: Response, _ asked: Instant) {
        switch response {
        case .reply(let info):
            masterRunID = info.server?.runID
            isMasterLossTold = false
            events.append(.gate(.master(Observation(info, at: asked))))
        case .error(let words):
            isMasterLossTold = true
            events.append(.gate(.masterUnusable(words)))
        case .dead, .silent:
            isMasterLossTold = true
            events.append(.gate(.masterUnreachable(response.contact)))
        }
    }

    private func tell(local response: Response, _ asked: Instant) {
        switch response {
        case .reply(let info): events.append(.gate(.replica(Observation(info, at: asked))))
        case .error, .silent: events.append(.localLost(.silent))
        case .dead: events.append(.localLost(.dead))
        }
    }

    // MARK: Changing

    private func raiseFence(_ world: World, _ duration: Duration) {
        let asked = world.now
        raisedAt = asked
        send(world, .pause(world.span(duration)), master) { world, response in
            switch response {
            case .reply(let info):
                self.note(world, "fenced", "at \(info.dataOffset)")
                let until = world.instant(asked + world.span(duration))
                self.masterRunID = info.server?.runID
                let observation = Observation(info, at: world.instant(asked))
                self.events.append(.gate(.fenced(observation, .clientPause, until: until)))
            case .error(let words): self.events.append(.gate(.fenceFailed(words)))
            case .dead, .silent: self.events.append(.gate(.masterUnreachable(response.contact)))
            }
            self.advance(world)
        }
    }

    private func demote(_ world: World, _ demotion: Promotion.Demotion, attempt: Int) {
        openedAt = world.now
        note(world, "demoting", "\(demotion)")
        let target = demotion == .follow ? local : nil
        send(world, .follow(target), master) { world, response in
            switch response {
            case .reply(let before):
                let tells = before.masterLink == nil && world.options.mutation != .withoutFence
                self.events.append(.masterDemoted(offset: tells ? before.dataOffset : nil))
            case .error(let words): self.events.append(.masterRefused(words))
            case .dead, .silent:
                if attempt == 0 { return self.demote(world, demotion, attempt: 1) }
                self.events.append(.masterLost(response.contact))
            }
            self.advance(world)
        }
    }

    private func promoteLocal(_ world: World, attempt: Int) {
        if openedAt == 0 { openedAt = world.now }
        note(world, "promoting", "SLAVEOF NO ONE")
        send(world, .promote, local, onExecution: { self.executed($0) }) { world, response in
            switch response {
            case .reply: self.promoted(world)
            case .error(let words):
                self.events.append(.localRefused(words))
                self.advance(world)
            case .dead, .silent: self.askRole(world, response, attempt)
            }
        }
    }

    /// The reply was lost: the role tells whether it was executed.
    private func askRole(_ world: World, _ response: Response, _ attempt: Int) {
        read(world, local) { world, role in
            if case .reply(let info) = role, info.masterLink == nil { return self.promoted(world) }
            if attempt == 0 { return self.promoteLocal(world, attempt: 1) }
            self.events.append(.localLost(response.contact))
            self.advance(world)
        }
    }

    /// The moment of truth: from now on what the new master lacks is lost.
    private func executed(_ world: World) {
        guard case .promoting(let opening, let oldMaster) = promotion.state else { return }
        world.auditPromotion(of: local, by: host, loss: opening.loss, sampledUntil: openedAt, oldMaster)
    }

    private func promoted(_ world: World) {
        promotedAt = world.now
        note(world, "promoted", "node\(local + 1)'s Redis is master")
        onPromoted(world)
        events.append(.localPromoted)
        advance(world)
    }

    private func restore(_ world: World) {
        read(world, local) { world, response in
            if case .reply(let info) = response, info.masterLink == nil { return self.advance(world) }
            self.send(world, .promote, self.master) { world, _ in self.advance(world) }
        }
    }

    // MARK: The end

    private func end(_ world: World, _ outcome: Promotion.Outcome) {
        let start = world.instant(startedAt)
        switch outcome {
        case .promoted(let opening, let oldMaster):
            if case .demoted = oldMaster, !opening.loss.isPossible {
                world.totals.switchovers += 1
            } else {
                world.totals.failovers += 1
            }
            let gap = raisedAt.flatMap { raised in promotedAt.map { Duration.microseconds($0 - raised) } }
            finish(
                world,
                OperationOutcome(
                    .done, loss: opening.loss, evidence: opening.evidence, writeGap: gap, startedAt: start, steps: steps
                ))
        case .alreadyMaster: finish(world, OperationOutcome(.done, startedAt: start, steps: steps))
        case .refused(let refusal):
            finish(
                world,
                OperationOutcome(
                    .refused(code: refusal.code, reason: "\(refusal)"), startedAt: start, steps: steps))
        case .failed(let failure):
            finish(world, OperationOutcome(.failed(reason: "\(failure)"), startedAt: start, steps: steps))
        }
    }
}
