import Failover
import Replication

/// What is noted from step to step to tell whether the promises hold.
struct Audit {
    var acknowledged = 0
    /// Since when a virtual address is beside a Redis that takes no writes, for each host.
    var badSince: [Time?] = [nil, nil]
    /// Since when no witness hears each host.
    var cutOffSince: [Time?] = Array(repeating: nil, count: World.mostHosts)
    /// Since when both hosts have the address.
    var bothSince: Time?
    /// Since when both servers are masters.
    var mastersSince: Time?
    /// When each host served well for the last time.
    var servedAt: [Time] = [-.s(100), -.s(100)]
    /// When each host last had a reason to give the address away.
    var reasonAt: [Time] = [0, 0]
    /// When a stranger was last there.
    var strangerAt: Time = -.s(100)
    /// The history in which a stranger goes on from the pair's, with the consent of its master; nil where none does.
    var takenOver: Int?
    /// From then on nothing may happen.
    var quietFrom: Time?
    var transitions = 0
    /// Bytes that were counted when a server was made to follow, by all of them.
    var discarded: Int64 = 0
}

extension World {
    /// A server was promoted with this loss, which was stated when the gate opened.
    func auditPromotion(
        of server: Int, by host: Int, loss: Loss, sampledUntil opened: Time, _ oldMaster: Promotion.OldMaster
    ) {
        let position = hosts[server].redis.position
        var sampled = opened
        if case .atMost(_, let age) = loss { sampled = opened - span(age) }
        let missing = timeline.missing(from: position, upTo: sampled)
        note(
            host,
            "audit: promoted node\(server + 1) with \(loss); \(missing.writes) writes of \(missing.bytes) bytes are missing"
        )
        auditEmptiness(server)
        if isStranger(server) { return auditTakeOver(by: server, loss: loss, oldMaster) }
        let allowed = loss.bytes
        let counted: Int64 = if case .atMost = loss { missing.earlyBytes } else { missing.bytes }
        if let allowed, counted > allowed {
            return fail(
                .lostWrite,
                "node\(server + 1) was promoted with loss '\(loss)', but \(missing.writes) acknowledged writes of "
                    + "\(missing.bytes) bytes (\(counted) to be counted) are missing, the last \(missing.last)")
        }
        totals.writesLost += missing.writes
        if loss.isPossible { timeline.settle(on: position) } else { ownAgain(position) }
        audit.takenOver = nil
    }

    /// A server without a key never becomes master of one that has some. Where a lossy network lets both be elected and both
    /// look before either is master, no look can see what the other one acknowledges while the order is under way.
    private func auditEmptiness(_ server: Int) {
        let other = hosts[peer(of: server)].redis
        guard timeline.keys(at: hosts[server].redis.position) == 0, timeline.keys(at: other.position) > 0,
            other.process == .running, !other.isHung, isOpenBothWays(server, peer(of: server)),
            !other.isMaster || now - other.roleChangedAt > .ms(100)
        else { return }
        fail(
            .wiped,
            "node\(server + 1)'s empty Redis was made master beside node\(peer(of: server) + 1)'s, which has data")
    }

    /// A server was made master without a gate.
    func auditLead(of server: Int) {
        totals.leads += 1
        let own = hosts[server].redis.position
        let other = hosts[peer(of: server)].redis
        let missing = timeline.missing(from: own)
        note(server, "audit: leads; \(missing.writes) writes are missing")
        auditEmptiness(server)
        if isStranger(server) { return timeline.disown(own.branch) }
        audit.takenOver = nil
        guard missing.writes > 0 else { return ownAgain(own) }
        // By a command that a hung server has executed late: its node has left the election, and sends nobody there.
        if hosts[server].daemon.state == .fault { return timeline.disown(own.branch) }
        let isVisible = other.answers && isOpenBothWays(server, 1 - server)
        // Where a crash has drawn a new id nothing can be compared; the other one says so when it follows.
        if isVisible, isComparable(own, other.position), timeline.surplus(of: own, over: other.position).writes == 0,
            timeline.surplus(of: other.position, over: own).writes > 0
        {
            return fail(
                .lostWrite,
                "node\(server + 1) leads, but node\(2 - server)'s data set holds \(missing.writes) acknowledged writes more, "
                    + "the last \(missing.last)")
        }
        timeline.settle(on: own)
    }

    /// Whether the ids of two data sets tell how they stand to each other.
    private func isComparable(_ one: Position, _ other: Position) -> Bool {
        func ids(_ position: Position) -> [Int] {
            let branch = timeline.branches[position.branch]
            return [position.branch] + (branch.sharesOffsets ? branch.parent.map { [$0.branch] } ?? [] : [])
        }
        return !Set(ids(one)).isDisjoint(with: ids(other))
    }

    /// A server is about to follow; what it holds and its master does not.
    func auditFollow(of server: Int, master: Int) -> Timeline.Missing {
        let own = hosts[server].redis.position
        let theirs = hosts[master].redis.position
        // One that has died since gives nothing, until it is back.
        let isThere = hosts[master].redis.process != .down
        if isThere, !isStranger(server), timeline.keys(at: own) > 0, timeline.keys(at: theirs) == 0 {
            fail(.wiped, "node\(server + 1) has data, and was told to follow node\(master + 1), which has none")
        }
        if isStranger(server) { return Timeline.Missing() }
        let surplus = timeline.surplus(of: own, over: theirs)
        hosts[server].redis.accepted = surplus.writes
        return surplus
    }

    /// What following discarded was reported so.
    func auditDiscard(_ discarded: Timeline.Missing, by host: Int, reported loss: Loss) {
        guard discarded.writes > 0 else { return }
        note(host, "audit: \(discarded.writes) writes of \(discarded.bytes) bytes discarded, reported: \(loss)")
        guard loss.bytes.map({ discarded.bytes <= $0 }) ?? true else {
            return fail(
                .lostWrite,
                "node\(host + 1) followed and discarded \(discarded.writes) writes of \(discarded.bytes) bytes, "
                    + "but reported '\(loss)', the last \(discarded.last)")
        }
        totals.writesDiscarded += discarded.writes
        timeline.settle(on: hosts[1 - host].redis.position)
    }

    /// A node is told what its promotion has lost: never more than was ever counted.
    func auditAmendment(_ settled: Settlement, _ host: Int) {
        totals.amendments += 1
        note(host, "audit: promotion \(settled.epoch) lost \(settled.lost)")
        guard settled.lost.bytes > audit.discarded else { return }
        fail(
            .lostWrite,
            "node\(host + 1) is told that promotion \(settled.epoch) lost \(settled.lost), but only \(audit.discarded) "
                + "bytes were ever discarded")
    }

    /// A replica's data set was replaced by its master's.
    func auditReplacement(_ host: Int, _ old: Position, by new: Position, from master: Int) {
        if isStranger(host) { return }
        let lost = timeline.surplus(of: old, over: new)
        let accepted = hosts[host].redis.accepted
        hosts[host].redis.accepted = nil
        guard lost.writes > 0 else { return }
        if let accepted {
            if lost.writes <= accepted { return }
            if timeline.keys(at: new) == 0 {
                return fail(.wiped, "node\(host + 1)'s data were replaced by node\(master + 1)'s empty data set")
            }
        }
        let daemon = hosts[host].daemon
        let isWatched =
            daemon.isWorking && now - daemon.lastDisturbance > .s(5) && now - network.lastDisturbance > .s(3)
            && (hasBootFence || hasSeen(daemon, hosts[master].redis))
            && now - hosts[host].redis.disturbedAt > .s(3) && daemon.state != .paused
            && hosts[master].daemon.state != .paused
            // Beside a stranger that serves in the pair's place, a replica does not promote itself.
            && now - audit.strangerAt > .s(3)
        let held = timeline.missing(from: old)
        if isWatched, timeline.missing(from: new).writes > held.writes {
            return fail(
                .wiped,
                "node\(host + 1)'s Redis threw \(lost.writes) acknowledged writes away, because its master came back "
                    + "without them; its daemon was watching, the last \(lost.last)")
        }
        let before = timeline.missing(from: new).writes
        timeline.forgive(unless: pair.map(\.redis.position))
        totals.writesDestroyed += before - timeline.missing(from: new).writes
    }

    /// Without a boot fence, and without a daemon that has known the process before, a server's data are at the mercy of a
    /// restarted master.
    private func hasSeen(_ watcher: Daemon, _ master: RedisServer) -> Bool { watcher.startedAt < master.killedAt }

    /// A node has the address from now on.
    func addressAdded(_ host: Int) {
        if isStranger(host) { return }
        let other = 1 - host
        let reason = max(audit.reasonAt[other], network.lastDisturbance, audit.strangerAt)
        if now - audit.servedAt[other] < .s(1), now - reason > .s(15) {
            fail(.preempted, "node\(host + 1) took the address from node\(other + 1), which served well")
        }
        let redis = hosts[host].redis
        if redis.process == .running, !redis.isMaster, now - redis.roleChangedAt > .ms(300), !redis.isHung {
            fail(.addressWithoutMaster, "node\(host + 1) took the address before its Redis was master")
        }
        auditServing(host)
    }

    /// Whoever serves holds all that is owed, unless the rest is out of sight. Paused, a daemon moves nothing: the operator
    /// has taken on what a restarted Redis beside the address does.
    func auditServing(_ host: Int) {
        let server = hosts[host].redis
        guard hosts[host].hasAddress(at: now), server.process == .running, server.isMaster,
            timeline.isOwed(server.position.branch), hosts[host].daemon.isWorking,
            now - hosts[host].daemon.lastDisturbance > .s(1), hosts[host].daemon.state != .paused
        else { return }
        let missing = timeline.missing(from: server.position)
        guard missing.writes > 0 else { return }
        let watcher = hosts[1 - host].daemon
        let isWatched = watcher.isWorking && watcher.state != .paused && now - watcher.lastDisturbance > .s(3)
        guard isWatched && hasSeen(watcher, server) || hasBootFence else { return }
        let other = hosts[1 - host].redis
        guard other.answers, isOpenBothWays(host, 1 - host), now - network.lastDisturbance > .s(2),
            now - other.disturbedAt > .s(2), timeline.missing(from: other.position).writes < missing.writes
        else { return }
        fail(
            .lostWrite,
            "node\(host + 1) serves without \(missing.writes) acknowledged writes that nobody reported as lost, the last "
                + missing.last)
    }

    /// An entry of a node's history.
    func recorded(_ transition: Transition, _ host: Int) {
        audit.transitions += 1
        if let loss = transition.loss { hosts[host].daemon.unrecorded.removeAll { $0.loss == loss } }
        // It serves with a master that no gate has passed, and says that nobody knows what that lacks.
        if transition.cause == "elected", transition.loss == .unknown(.neverSampled), !isStranger(host) {
            timeline.settle(on: hosts[host].redis.position)
        }
        if let from = audit.quietFrom, now >= from {
            fail(.unrest, "node\(host + 1) went from \(transition.from) to \(transition.to): \(transition.reason)")
        }
    }
}
