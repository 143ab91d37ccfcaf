import Replication

// Replicas and their masters: connecting, copying, streaming, losing each other.

extension World {
    /// `SLAVEOF`: to a host, to 127.0.0.1:1 (nil).
    func follow(_ host: Int, _ master: Int?) {
        if let link = hosts[host].redis.link, link.master == master { return }
        note(host, "redis: SLAVEOF \(master.map { "node\($0 + 1)" } ?? "127.0.0.1 1") at \(position(host))")
        catchUp(host)
        dropReplicas(of: host)
        linkNumber += 1
        auditMaster(master, of: host)
        hosts[host].redis.role = .replica(.init(master: master, number: linkNumber, downSince: now))
        hosts[host].redis.roleChangedAt = now
        if let master, master != host { connect(host, linkNumber, after: random.time(.ms(1) ... .ms(3))) }
    }

    /// `SLAVEOF NO ONE`.
    func promote(_ host: Int) {
        guard !hosts[host].redis.isMaster else { return }
        catchUp(host)
        let server = hosts[host].redis
        let old = server.position
        hosts[host].redis.role = .master
        hosts[host].redis.roleChangedAt = now
        hosts[host].redis.previous = old
        hosts[host].redis.position = timeline.fork(old, base: old.offset, sharesOffsets: true)
        if server.backlogStart == nil { hosts[host].redis.frozenOffset = old.offset }
        dropReplicas(of: host)
        note(host, "redis: SLAVEOF NO ONE, was \(text(old)), is \(position(host))")
    }

    /// Its replicas lose their link, as after a change of its role.
    func dropReplicas(of host: Int) {
        for other in hosts.indices where other != host && hosts[other].redis.link?.master == host {
            loseLink(other)
        }
    }

    /// The link goes down; a copy that was under way is thrown away.
    func loseLink(_ host: Int) {
        guard hosts[host].redis.isStreaming || hosts[host].redis.isCopying else { return }
        catchUp(host)
        linkNumber += 1
        let number = linkNumber
        hosts[host].redis.withLink { link in
            link.state = .connecting
            link.number = number
            link.downSince = now
            link.lastEntry = nil
        }
        note(host, "redis: link down at \(position(host))")
        connect(host, number, after: random.time(.ms(1) ... .ms(1000)))
    }

    private func connect(_ host: Int, _ number: Int, after delay: Time) {
        after(delay) { $0.tryToConnect(host, number) }
    }

    private func tryToConnect(_ host: Int, _ number: Int) {
        let server = hosts[host].redis
        guard server.process == .running, let link = server.link, link.number == number, link.state == .connecting,
            let master = link.master
        else { return }
        guard !server.isHung, isOpenBothWays(host, master), hosts[master].redis.answers,
            hosts[master].redis.process == .running, !hosts[master].redis.isBusy,
            hosts[master].redis.isMaster || hosts[master].redis.isStreaming && hosts[master].redis.link?.master != host
        else { return connect(host, number, after: random.time(.ms(500) ... .ms(1000))) }
        after(random.time(.ms(1) ... .ms(6))) { $0.synchronise(host, number, with: master) }
    }

    /// `PSYNC`.
    private func synchronise(_ host: Int, _ number: Int, with master: Int) {
        let server = hosts[host].redis
        guard server.process == .running, let link = server.link, link.number == number, link.state == .connecting
        else { return }
        guard isOpenBothWays(host, master), hosts[master].redis.process == .running else {
            return connect(host, number, after: random.time(.ms(500) ... .ms(1000)))
        }
        catchUp(master)
        let theirs = hosts[master].redis
        let isCounting = server.frozenOffset.map { $0 == server.position.offset } ?? true
        if theirs.canContinue(from: server.position, isCounting: isCounting) {
            return goOn(host, with: theirs)
        }
        startBacklog(master)
        let snapshot = hosts[master].redis.position
        let runID = theirs.runID
        hosts[host].redis.withLink {
            $0.state = .copying(snapshot); $0.masterRunID = runID
        }
        totals.fullCopies += 1
        note(host, "redis: full copy from node\(master + 1) begins, of \(text(snapshot))")
        let duration = random.chance(80) ? random.time(.ms(80) ... .ms(300)) : random.time(.ms(300) ... .s(3))
        after(duration) { $0.load(host, number, from: master, snapshot) }
    }

    private func goOn(_ host: Int, with theirs: RedisServer) {
        let old = hosts[host].redis.position
        if old.branch != theirs.position.branch {
            // Redis shuts a replica's replicas out when its history gets another id.
            dropReplicas(of: host)
            hosts[host].redis.previous = old
            hosts[host].redis.position = Position(branch: theirs.position.branch, offset: old.offset)
        }
        totals.partialCopies += 1
        streamFromNow(host, theirs)
        note(host, "redis: goes on with node\(theirs.host + 1) from \(text(old)) to \(text(theirs.position))")
    }

    private func streamFromNow(_ host: Int, _ theirs: RedisServer) {
        let position = hosts[host].redis.position
        let next = timeline.count(on: position.branch, upTo: position.offset)
        hosts[host].redis.withLink { link in
            link.state = .up(next: next)
            link.wasUp = true
            link.masterRunID = theirs.runID
            link.lastEntry = nil
        }
        hosts[host].redis.frozenOffset = nil
        hosts[host].redis.accepted = nil
        if hosts[host].redis.backlogStart == nil { hosts[host].redis.backlogStart = position.offset + 1 }
    }

    /// The first replica makes the master count; what it has from before has no offsets.
    private func startBacklog(_ master: Int) {
        guard hosts[master].redis.isMaster, hosts[master].redis.backlogStart == nil else { return }
        let shown = hosts[master].redis.shownOffset
        hosts[master].redis.position = timeline.fork(hosts[master].redis.position, base: shown, sharesOffsets: false)
        hosts[master].redis.backlogStart = shown + 1
        hosts[master].redis.frozenOffset = nil
        hosts[master].redis.previous = nil
    }

    /// The copy has arrived: the old data set goes, and the new one is loaded.
    private func load(_ host: Int, _ number: Int, from master: Int, _ snapshot: Position) {
        guard let link = hosts[host].redis.link, link.number == number, case .copying = link.state else { return }
        guard isOpenBothWays(host, master) else {
            return after(.ms(100)) { $0.load(host, number, from: master, snapshot) }
        }
        guard hosts[master].redis.process != .down, hosts[master].redis.runID == link.masterRunID else {
            return loseLink(host)
        }
        guard !hosts[host].redis.isHung, !hosts[master].redis.isHung else {
            return after(.ms(20)) { $0.load(host, number, from: master, snapshot) }
        }
        dropReplicas(of: host)
        let old = hosts[host].redis.position
        hosts[host].redis.process = .loading
        hosts[host].redis.position = snapshot
        hosts[host].redis.previous = nil
        hosts[host].redis.backlogStart = nil
        note(host, "redis: loads the copy \(text(snapshot)), throws \(text(old)) away")
        auditReplacement(host, old, by: snapshot, from: master)
        let runID = hosts[host].redis.runID
        after(random.time(.ms(1) ... .ms(30))) { $0.loaded(host, runID, number, from: master) }
    }

    /// The new data set is in memory.
    private func loaded(_ host: Int, _ runID: String, _ number: Int, from master: Int) {
        let server = hosts[host].redis
        guard server.process == .loading, server.runID == runID else { return }
        server.process = .running
        guard let link = server.link, link.number == number, case .copying = link.state else {
            server.backlogStart = server.position.offset + 1
            server.frozenOffset = nil
            if let link = server.link, link.state == .connecting { connect(host, link.number, after: .ms(10)) }
            return
        }
        streamFromNow(host, hosts[master].redis)
        if hosts[master].redis.process == .down || hosts[master].redis.runID != link.masterRunID { loseLink(host) }
    }

    /// `r3:1200`.
    func text(_ position: Position) -> String { "\(timeline.branches[position.branch].replid):\(position.offset)" }

    func position(_ host: Int) -> String { text(hosts[host].redis.position) }
}
