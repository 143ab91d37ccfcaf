// Redis processes come and go.

extension World {
    /// Ends a Redis process. `disk` is what the next one will find.
    func killRedis(_ host: Int, leaving disk: RedisServer.Disk, withHost: Bool = false) {
        guard hosts[host].redis.process != .down else { return }
        catchUp(host)
        note(host, "redis: killed at \(position(host)), disk will be \(disk)")
        let wasLoading = hosts[host].redis.process == .loading
        let entries = timeline.branches[hosts[host].redis.position.branch].writes.count
        hosts[host].redis.process = .down
        hosts[host].redis.killedAt = now
        hosts[host].redis.isHung = false
        hosts[host].redis.isBusy = false
        hosts[host].redis.pausedUntil = 0
        hosts[host].redis.inbox = []
        hosts[host].redis.channels = []
        hosts[host].redis.minReplicas = 0
        endLinks(to: host, entries, withHost: withHost)
        keep(host, disk)
        if wasLoading, disk != .empty { hosts[host].redis.disk = .appendOnly }
        timeline.forgive(unless: pair.map(\.redis.position))
        for other in hosts where other.peer == host { other.daemon.subscribed = nil }
        if !withHost { closeConnections(to: host) }
    }

    /// What its replicas still get: all that the kernel had, mostly.
    private func endLinks(to host: Int, _ entries: Int, withHost: Bool) {
        let lost = withHost ? Int.max : random.chance(20) ? random.below(4) + 1 : 0
        for other in hosts.indices where other != host {
            guard let link = hosts[other].redis.link, link.master == host else { continue }
            if hosts[other].redis.isCopying, !withHost { loseLink(other) }
            guard case .up(let next) = link.state else { continue }
            hosts[other].redis.withLink { $0.lastEntry = max(next, lost == .max ? next : entries - lost) }
            if withHost { continue }
            let number = link.number
            after(network.streamDelay + random.time(100 ... .ms(2))) { $0.seeEnd(other, number, of: host) }
        }
    }

    /// A replica learns that its master is gone, when it can.
    private func seeEnd(_ host: Int, _ number: Int, of master: Int) {
        guard hosts[host].redis.link?.number == number, hosts[host].redis.isStreaming else { return }
        guard isOpenBothWays(host, master), !hosts[host].redis.isHung else {
            return after(.ms(50)) { $0.seeEnd(host, number, of: master) }
        }
        loseLink(host)
    }

    /// What is on the disk.
    private func keep(_ host: Int, _ disk: RedisServer.Disk) {
        var position = hosts[host].redis.position
        let writes = timeline.branches[position.branch].writes
        let held = timeline.count(on: position.branch, upTo: position.offset)
        switch disk {
        case .appendOnly: break
        case .appendOnlyTorn, .snapshot:
            let back = disk == .snapshot ? random.below(200) : random.below(30) + 1
            let index = held - back
            let base = timeline.branches[position.branch].base
            position.offset = index > 0 ? writes[index - 1].end : min(base, position.offset)
        case .empty: position = timeline.fork(nil, base: 0, sharesOffsets: false)
        }
        hosts[host].redis.position = position
        hosts[host].redis.disk = disk
    }

    /// Starts it again.
    func startRedis(_ host: Int) {
        guard hosts[host].isUp, hosts[host].redis.process == .down else { return }
        processNumber += 1
        hosts[host].redis.process = .loading
        hosts[host].redis.runID = "run\(processNumber)"
        hosts[host].redis.startedAt = now
        hosts[host].redis.disturbedAt = now
        hosts[host].redis.backlogStart = nil
        hosts[host].redis.previous = nil
        identify(host)
        hosts[host].redis.frozenOffset = hosts[host].redis.position.offset
        linkNumber += 1
        hosts[host].redis.role =
            hasBootFence ? .replica(.init(master: nil, number: linkNumber, downSince: now)) : .master
        note(
            host,
            "redis: starts as \(hosts[host].redis.runID), \(hasBootFence ? "fenced" : "master"), \(position(host))")
        let load = hosts[host].redis.disk == .empty ? random.time(.ms(1) ... .ms(10)) : random.time(.ms(2) ... .ms(150))
        let runID = hosts[host].redis.runID
        after(random.chance(15) ? load + random.time(.ms(500) ... .s(4)) : load) { world in
            guard world.hosts[host].redis.runID == runID, world.hosts[host].redis.process == .loading else { return }
            world.hosts[host].redis.process = .running
        }
    }

    /// Ids and offsets after a start.
    private func identify(_ host: Int) {
        let found = hosts[host].redis.position
        switch hosts[host].redis.disk {
        case .empty: break
        case .appendOnly, .appendOnlyTorn:
            hosts[host].redis.position = timeline.fork(found, base: 0, sharesOffsets: false)
        case .snapshot:
            guard !hasBootFence else { return }
            hosts[host].redis.previous = found
            hosts[host].redis.position = timeline.fork(found, base: found.offset, sharesOffsets: true)
        }
    }

    /// Stops the process without ending it.
    func hangRedis(_ host: Int, for duration: Time) {
        guard hosts[host].redis.process != .down, !hosts[host].redis.isHung else { return }
        for other in hosts.indices { catchUp(other) }
        hosts[host].redis.isHung = true
        hosts[host].redis.disturbedAt = now
        let runID = hosts[host].redis.runID
        note(host, "redis: hangs")
        after(duration) { world in
            guard world.hosts[host].redis.runID == runID, world.hosts[host].redis.process != .down else { return }
            world.hosts[host].redis.isHung = false
            world.hosts[host].redis.disturbedAt = world.now
            world.note(host, "redis: goes on")
            let inbox = world.hosts[host].redis.inbox
            world.hosts[host].redis.inbox = []
            for job in inbox { job(world) }
        }
    }
}
