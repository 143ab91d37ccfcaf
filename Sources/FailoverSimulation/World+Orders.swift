import Failover
import Replication

// What a node orders, executed on the model with the engine's own decisions.

extension World {
    func begin(_ order: RedisOrder, _ id: OperationID, _ host: Int) {
        switch order {
        case .disconnectClients: return
        case .writeFence(let minReplicas):
            return send(.minReplicas(minReplicas), from: host, to: host) { _, _ in }
        default: break
        }
        if let other = hosts[host].daemon.operation {
            fail(.stuck, "node\(host + 1) ordered operation \(id) while \(other) is under way")
        }
        hosts[host].daemon.operation = id
        let end: (World, OperationOutcome) -> Void = { $0.ended(order, id, host, $1) }
        switch order {
        case .promote(let request):
            auditElection(host)
            promote(request, host, end)
        case .lead:
            auditElection(host)
            lead(host, end)
        case .handOver(let timeout): handOver(timeout, id, host, end)
        case .follow(let accepting, _, _):
            FollowJob(host: host, peer: peer(of: host), accepting: accepting, startedAt: now, finish: end).start(self)
        case .park:
            let startedAt = instant
            send(.follow(nil), from: host, to: host) { world, response in
                let result: OperationOutcome.Result =
                    if case .reply = response { .done } else { .failed(reason: "no answer") }
                end(world, OperationOutcome(result, startedAt: startedAt))
            }
        case .disconnectClients, .writeFence: break
        }
    }

    private func ended(_ order: RedisOrder, _ id: OperationID, _ host: Int, _ outcome: OperationOutcome) {
        guard hosts[host].daemon.operation == id else { return }
        hosts[host].daemon.operation = nil
        hosts[host].daemon.isPromoting = false
        var outcome = outcome
        if outcome.result != .done { totals.refusals += 1 }
        if outcome.result == .done, outcome.loss.isPossible {
            totals.lossesReported += 1
            hosts[host].daemon.unrecorded.append((outcome.loss, now))
        }
        if options.mutation == .silentLoss { outcome.loss = .none }
        note(host, "operation \(id) ended: \(outcome.result), loss \(outcome.loss)")
        feed(host, .ended(id, outcome))
    }

    /// Once more what the daemon's shell does for the gate: how the master lists the replica.
    private func policy(_ request: RedisOrder.PromotionOrder, local: Int) -> SyncGate.Policy {
        var policy = SyncGate.Policy(
            timeout: request.timeout, onTimeout: request.promotesAfterTimeout ? .promote : .refuse,
            maxLossBytes: request.maxLossBytes,
            listedAs: .init(ips: [Self.address(local)], ports: [Self.redisPort]), knownMaster: request.knownMaster)
        policy.needsMaster = request.isPlanned
        return policy
    }

    private func promote(
        _ request: RedisOrder.PromotionOrder, _ host: Int, _ end: @escaping (World, OperationOutcome) -> Void
    ) {
        hosts[host].daemon.isPromoting = true
        if options.mutation == .addressFirst { add(host, lifetime: .s(3)) }
        if options.mutation == .withoutGate { return promoteBlindly(host, end) }
        let job = PromotionJob(
            host: host, local: host, master: peer(of: host), startedAt: now,
            request: Promotion.Request(policy: policy(request, local: host)), finish: end)
        job.start(self)
    }

    private func promoteBlindly(_ host: Int, _ end: @escaping (World, OperationOutcome) -> Void) {
        let startedAt = instant
        let lost = { (world: World) in
            world.auditPromotion(of: host, by: host, loss: .none, sampledUntil: world.now, .lost(.dead))
        }
        send(.promote, from: host, to: host, onExecution: lost) { world, response in
            guard case .reply = response else {
                return end(world, OperationOutcome(.failed(reason: "no answer"), startedAt: startedAt))
            }
            end(world, OperationOutcome(.done, startedAt: startedAt))
        }
    }

    private func handOver(
        _ timeout: Duration, _ id: OperationID, _ host: Int, _ end: @escaping (World, OperationOutcome) -> Void
    ) {
        let peer = peer(of: host)
        let request = RedisOrder.PromotionOrder(timeout: timeout, promotesAfterTimeout: false)
        let job = PromotionJob(
            host: host, local: peer, master: host, startedAt: now,
            request: Promotion.Request(policy: policy(request, local: peer)), finish: end)
        job.onPromoted = { $0.feed(host, .progress(id, .promoted)) }
        job.start(self)
    }

    private func lead(_ host: Int, _ end: @escaping (World, OperationOutcome) -> Void) {
        let startedAt = instant
        func finish(_ world: World, _ result: OperationOutcome.Result, loss: Loss = .none) {
            end(world, OperationOutcome(result, loss: loss, startedAt: startedAt))
        }
        func promote(_ world: World, _ loss: Loss) {
            world.send(.promote, from: host, to: host, onExecution: { $0.auditLead(of: host) }) { world, response in
                guard case .reply = response else { return finish(world, .failed(reason: "no answer")) }
                finish(world, .done, loss: loss)
            }
        }
        func park(_ world: World, _ own: ReplicationInfo, _ loss: Loss) {
            let peer = world.peer(of: host)
            world.send(.follow(nil), from: host, to: peer) { world, response in
                guard case .reply(let last) = response else {
                    return finish(world, .failed(reason: "the peer does not answer"))
                }
                guard let reason = Leading.obstacle(local: own, peer: last) else { return promote(world, loss) }
                world.send(.promote, from: host, to: peer) { world, _ in
                    finish(world, .refused(code: reason.code, reason: "\(reason)"))
                }
            }
        }
        send(.info, from: host, to: host) { world, ours in
            world.send(.info, from: host, to: world.peer(of: host)) { world, theirs in
                guard case .reply(let own) = ours else {
                    return finish(world, .failed(reason: "the local server does not answer"))
                }
                var peer: ReplicationInfo?
                if case .reply(let info) = theirs { peer = info }
                if let reason = Leading.obstacle(local: own, peer: peer) {
                    return finish(world, .refused(code: reason.code, reason: "\(reason)"))
                }
                guard own.masterLink != nil else { return finish(world, .done) }
                let loss = Leading.loss(local: own, peer: peer)
                if let peer, peer.masterLink == nil { return park(world, own, loss) }
                promote(world, loss)
            }
        }
    }

    /// What no shell would do: whatever is master is followed, a stranger's as well.
    func followBlindly(_ host: Int) {
        after(.ms(300)) { world in
            let others = world.hosts.filter { $0.index != host && $0.isUp }
            let masters = others.filter { $0.redis.isMaster && $0.redis.process == .running }
            guard let master = masters.last?.index else { return }
            let audit = { (world: World) in _ = world.auditFollow(of: host, master: master) }
            world.send(.follow(master), from: host, to: host, before: audit) { _, _ in }
        }
    }
}
