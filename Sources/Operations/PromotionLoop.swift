import RedisClient
import Replication

/// Executes the actions of one `Promotion` and brings their outcomes back as events, until it has finished.
struct PromotionLoop: Sendable {
    let run: PromotionRun
    let master: Server
    let endpoint: Endpoint
    let follow: (host: String, port: Int)?
    let fence: MasterFence

    init(run: PromotionRun, master: Server, endpoint: Endpoint, follow: (host: String, port: Int)?) {
        self.run = run
        self.master = master
        self.endpoint = endpoint
        self.follow = follow
        fence = MasterFence(master: master, journal: run.journal, guardProgram: run.options.guardProgram)
    }

    /// What the loop carries from one action to the next.
    struct Progress {
        var promotion: Promotion
        var master: ReplicationInfo?
        var isMasterLossTold = false
        var isRestoreFailed = false
        var promotedAt: Instant?
        /// The latest two readings of the local server.
        var local: Observation?
        var localBefore: Observation?
        /// The connection that it was read on last, by its number.
        var localConnection: Int?
        var events: [Promotion.Event] = []
    }

    /// Runs to the end. `first` is the first reading of the master, if it could be read: from then on it counts as seen.
    func run(_ request: Promotion.Request, first: Observation?) async -> OperationReport {
        if follow == nil, first != nil, !request.keepMaster {
            return await run.usageError(
                "how the old master reaches \(run.options.local.url) is not known; use --announce")
        }
        var progress = Progress(promotion: Promotion(request))
        var actions = progress.promotion.start(now: .now)
        if let first { actions += progress.promotion.handle(.gate(.master(first)), now: .now) }
        while true {
            for action in actions {
                if run.options.isDryRun, let report = await dryRun(action, progress) { return report }
                if case .finish(let outcome) = action { return await finish(outcome, progress) }
                await execute(action, &progress)
            }
            actions = []
            if run.options.isStopping() { actions = progress.promotion.handle(.gate(.aborted), now: .now) }
            while actions.isEmpty, !progress.events.isEmpty {
                actions = progress.promotion.handle(progress.events.removeFirst(), now: .now)
            }
            if actions.isEmpty, let deadline = progress.promotion.deadline, ContinuousClock.now >= deadline {
                actions = progress.promotion.handle(.gate(.deadlineReached), now: .now)
            }
            if actions.isEmpty { await sample(.both, &progress) }
        }
    }

    private func execute(_ action: Promotion.Action, _ progress: inout Progress) async {
        switch action {
        case .gate(.sample(let servers, let pause)):
            await wait(pause, until: progress.promotion.deadline)
            if let deadline = progress.promotion.deadline, ContinuousClock.now >= deadline {
                progress.events.append(.gate(.deadlineReached))
            } else {
                await sample(servers, &progress)
            }
        case .gate(.fenceMaster(let duration)):
            await raiseFence(for: duration, &progress)
        case .gate(.releaseFence), .releaseFence:
            await releaseFence()
        case .demoteMaster(let demotion):
            recordOpening(progress)
            progress.events.append(await demote(demotion, fenced: progress.master))
        case .promoteLocal:
            progress.events.append(await promoteLocal(&progress))
        case .restoreMaster:
            progress.isRestoreFailed = await !restoreMaster(progress.local)
        case .disconnectClients:
            await disconnectClients()
        case .gate(.open), .gate(.refuse), .finish:
            break
        }
    }

    func wait(_ pause: Duration, until deadline: Instant?) async {
        guard pause > .zero else { return }
        let now = ContinuousClock.now
        let end = deadline.map { min($0, now + pause) } ?? now + pause
        do { try await Task.sleep(until: end, tolerance: .zero, clock: .continuous) } catch {
            // Only cancellation throws, and nobody cancels this task.
        }
    }

    private func sample(_ servers: SyncGate.Servers, _ progress: inout Progress) async {
        if servers == .both {
            async let theirs = Self.read(master)
            async let ours = Self.read(run.local)
            report(await theirs, &progress)
            report(local: await ours, &progress)
            progress.localConnection = await run.local.connectionCount
            return
        }
        // The master is watched through its connection: a dead one closes it.
        if await master.isLost, !progress.isMasterLossTold {
            progress.isMasterLossTold = true
            let reading = await Self.read(master)
            if case .success(let observation) = reading,
                observation.info.server?.runID == progress.master?.server?.runID
            {
                progress.isMasterLossTold = false
            } else if case .success = reading {
                // It was restarted: what acknowledged our clients' writes is gone.
                progress.events.append(.gate(.masterUnreachable(.restarted)))
            } else {
                report(reading, &progress)
            }
        }
        // Where the master is not asked, the keys tell whether the data set was replaced already.
        let isBrief = !run.options.isMasterGone || progress.local != nil
        report(local: await Self.read(run.local, isBrief: isBrief), &progress)
        progress.localConnection = await run.local.connectionCount
    }

    /// `INFO`, or just what the gate reads while it waits.
    static func read(_ server: Server, isBrief: Bool = false) async -> Result<Observation, ServerTrouble> {
        do throws(ServerTrouble) {
            return .success(isBrief ? try await server.observe("replication", "server") : try await server.observe())
        } catch {
            return .failure(error)
        }
    }

    private func report(_ reading: Result<Observation, ServerTrouble>, _ progress: inout Progress) {
        switch reading {
        case .success(let observation):
            progress.master = observation.info
            progress.isMasterLossTold = false
            progress.events.append(.gate(.master(observation)))
        case .failure(let trouble):
            // Said once: the drain that follows need not wait for it again.
            progress.isMasterLossTold = true
            progress.events.append(.gate(trouble.masterEvent))
        }
    }

    private func report(local reading: Result<Observation, ServerTrouble>, _ progress: inout Progress) {
        switch reading {
        case .success(let observation):
            progress.localBefore = progress.local
            progress.local = observation
            progress.events.append(.gate(.replica(observation)))
        case .failure(let trouble): progress.events.append(.localLost(trouble.contact ?? .silent))
        }
    }

    private func raiseFence(for duration: Duration, _ progress: inout Progress) async {
        guard let info = progress.master else { return }
        switch await fence.raise(for: duration, on: info) {
        case .raised(let observation, let kind, let until):
            let how =
                kind.expiresByItself
                ? "CLIENT PAUSE WRITE, expires by itself in \(duration.millisecondsRoundedUp) ms"
                : "random password, clients disconnected; undone within \(duration.millisecondsRoundedUp) ms even if we die"
            run.recorder.record("fenced", "writes on \(endpoint.url) are fenced (\(how))", at: observation.at)
            run.recorder.record("target", "the offset to reach is \(observation.info.masterReplicationOffset)")
            progress.events.append(.gate(.fenced(observation, kind, until: until)))
        case .failed(let reason):
            progress.events.append(.gate(.fenceFailed(reason)))
        case .lockedOut(let reason):
            progress.events.append(.gate(.masterUnusable(reason)))
        case .lost(let trouble):
            progress.events.append(.gate(trouble.masterEvent))
        }
    }

    private func releaseFence() async {
        let wasRaised = await fence.raisedAt != nil
        if let problem = await fence.release() {
            run.recorder.record(
                "release_failed",
                "the fence on \(endpoint.url) could not be released (\(problem)); it ends by itself, or its guard goes on trying"
            )
        } else if wasRaised {
            run.recorder.record("released", "the fence is released")
        }
    }

    private func recordOpening(_ progress: Progress) {
        guard case .demoting(let opening, _) = progress.promotion.state, let local = progress.local else { return }
        let url = run.options.local.url
        // Both at the time when the question was sent: the target was applied between the one and the other.
        if let before = progress.localBefore, before.at >= local.at - opening.evidence.waited,
            let target = opening.evidence.target?.offset
        {
            run.recorder.record("behind", "\(url) still lacked \(target - before.info.dataOffset) bytes", at: before.at)
        }
        let what = opening.overridden.map { "overridden: \($0)" } ?? "the gate is open"
        run.recorder.record("caught_up", "\(url) has applied \(opening.evidence.appliedOffset); \(what)", at: local.at)
    }

    /// `INFO` and `SLAVEOF` in one write. Where the connection ends under it and the server lets us in again (another run
    /// disconnects clients), its role tells whether it was demoted; if not, it is told once more. A master that was
    /// restarted since it was fenced has lost its fence, and is not told.
    private func demote(_ demotion: Promotion.Demotion, fenced: ReplicationInfo?) async -> Promotion.Event {
        guard let target = demotion == .follow ? follow : ReplicationInfo.parking else {
            return .masterRefused("how it reaches \(run.options.local.url) is not known; use --announce")
        }
        var trouble = ServerTrouble.silent("no answer")
        for attempt in 0..<2 {
            do throws(ServerTrouble) {
                let isRetry = attempt > 0
                if isRetry, let link = try await master.observe().info.masterLink, link.host == target.0,
                    link.port == target.1
                {
                    return demoted(demotion, target, offset: nil)
                }
                if demotion == .follow, await fence.isConnectionNew(), let id = fenced?.server?.runID,
                    try await master.observe().info.server?.runID != id
                {
                    return .masterRefused("it was restarted meanwhile, without a fence")
                }
                let sentAt = ContinuousClock.now
                let outcomes = try await master.perform([
                    ["INFO", "replication"], ["SLAVEOF", target.0, String(target.1)],
                ])
                if case .failure(let error) = outcomes[1] { return .masterRefused("\(error)") }
                let before = try Server.observation(outcomes[0], at: sentAt).info
                return demoted(
                    demotion, target, offset: before.masterLink == nil ? before.masterReplicationOffset : nil)
            } catch {
                trouble = error
            }
        }
        run.recorder.record("demote_failed", "the old master \(endpoint.url): \(trouble)")
        // Refused by whatever stands between (a proxy, a firewall) is not dead: its replica would notice that.
        if trouble == .dead, await isLinkUp(from: run.local) { return .masterLost(.silent) }
        return .masterLost(trouble.contact ?? .silent)
    }

    private func demoted(
        _ demotion: Promotion.Demotion, _ target: (String, Int), offset: Int64?
    ) -> Promotion.Event {
        let what =
            demotion == .follow
            ? "the old master \(endpoint.url) follows \(target.0):\(target.1), read-only from now on"
            : "the old master \(endpoint.url) is read-only and keeps its data set"
        run.recorder.record("demoted", what)
        return .masterDemoted(offset: offset)
    }

    /// `SLAVEOF NO ONE` to the process that the gate has read, and to no other; where the reply is lost, the role tells whether
    /// it was executed. A process that was restarted since holds what it has read from its disk, or nothing.
    private func promoteLocal(_ progress: inout Progress) async -> Promotion.Event {
        var lastTrouble = ServerTrouble.silent("no answer")
        var connection = progress.localConnection
        run.recorder.record("promoting", "SLAVEOF NO ONE is sent to \(run.options.local.url)")
        for _ in 0..<2 {
            do throws(ServerTrouble) {
                let outcomes = try await run.local.perform([["SLAVEOF", "NO", "ONE"]], onlyOn: connection)
                if case .failure(let error) = outcomes[0] { return .localRefused("\(error)") }
                return promoted(&progress)
            } catch {
                lastTrouble = error
            }
            do throws(ServerTrouble) {
                let info = try await run.local.observe("replication", "server").info
                guard isSameProcess(info, as: progress.local) else {
                    run.recorder.record("restarted", "\(run.options.local.url) was restarted; it is not promoted")
                    return .localLost(.dead)
                }
                if info.masterLink == nil { return promoted(&progress) }
                connection = await run.local.connectionCount
            } catch {
                lastTrouble = error
            }
        }
        // Refused by whatever stands between is not dead: it may be master by now, and then the old one comes to follow it.
        if lastTrouble == .dead, await linkComesUp(from: master, since: progress.master) { return .localLost(.silent) }
        // It may still execute the command: only its own answer would be a refusal.
        return .localLost(lastTrouble.contact ?? .silent)
    }

    private func promoted(_ progress: inout Progress) -> Promotion.Event {
        progress.promotedAt = .now
        run.options.onPromoted()
        run.recorder.record("promoted", "\(run.options.local.url) is master")
        return .localPromoted
    }

    private func isSameProcess(_ info: ReplicationInfo, as before: Observation?) -> Bool {
        guard let before = before?.info.server?.runID, let now = info.server?.runID else { return true }
        return before == now
    }

    /// Returns whether the pair has a master again. `known`: the local server, as the gate has read it.
    private func restoreMaster(_ known: Observation?) async -> Bool {
        // Another run may have promoted the local server while we gave up: two masters would be worse than a refusal. One that
        // is master because it was restarted holds nothing that the old master could be left to copy.
        if case .success(let local) = await Self.read(run.local, isBrief: true), local.info.masterLink == nil,
            isSameProcess(local.info, as: known)
        {
            run.recorder.record(
                "not_restored", "\(run.options.local.url) is master by now; \(endpoint.url) stays its replica")
            return true
        }
        do throws(ServerTrouble) {
            try await ServerOrders.promote(master)
            run.recorder.record("restored", "\(endpoint.url) is master again")
            return true
        } catch {
            run.recorder.record("restore_failed", "\(endpoint.url) could not be made master again: \(error)")
            return false
        }
    }

    private func disconnectClients() async {
        do throws(ServerTrouble) {
            let (clients, subscribers) = try await ServerOrders.disconnectClients(of: master)
            run.recorder.record(
                "disconnected",
                "\(clients) client(s) and \(subscribers) subscriber(s) of the old master are disconnected")
        } catch {
            run.recorder.record("disconnect_failed", "clients of \(endpoint.url) stay connected to it: \(error)")
        }
    }
}
