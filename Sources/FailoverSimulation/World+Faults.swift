import Failover

extension World {
    func commit(_ fault: FaultKind) {
        note(fault.host, "FAULT \(fault)")
        totals.faults += 1
        if let host = fault.host { audit.reasonAt[host] = now } else { network.lastDisturbance = now }
        switch fault {
        case .killRedis(let host, let disk, let down):
            killRedis(host, leaving: disk)
            after(down) { $0.startRedis(host) }
        case .hangRedis(let host, let time): hangRedis(host, for: time)
        case .busyRedis(let host, let time): busyRedis(host, for: time)
        case .killDaemon(let host, let down):
            endDaemon(host, "killed")
            after(down) { $0.startDaemon(host) }
        case .stopDaemon(let host, let down): stopDaemon(host, down)
        case .freezeDaemon(let host, let time): freezeDaemon(host, for: time)
        case .killHost(let host, let disk, let down): killHost(host, disk, down)
        case .linkDown(let host, let time): takeLinkDown(host, for: time)
        case .cut, .cutClient, .badNetwork, .slowStream: disturb(fault)
        case .switchover(let host):
            audit.reasonAt[1 - host] = now
            order(host, .switchover)
        case .pause(let host, let time):
            order(host, .pause)
            after(time) { $0.resume(host) }
        }
    }

    /// The operator does not forget it, also when the daemon was restarted meanwhile.
    private func resume(_ host: Int) {
        guard hosts[host].daemon.isWorking, hosts[host].daemon.state == .paused else {
            if hosts[host].daemon.memory.isPaused || !hosts[host].daemon.isWorking {
                after(.ms(500)) { $0.resume(host) }
            }
            return
        }
        order(host, .resume)
    }

    func order(_ host: Int, _ order: OperatorOrder) {
        guard hosts[host].daemon.isWorking else { return }
        audit.reasonAt[host] = now
        feed(host, .ordered(order, number: totals.steps))
    }

    private func disturb(_ fault: FaultKind) {
        switch fault {
        case .cut(let channels, let direction, let time):
            change(time) { network, sign in
                for channel in channels {
                    if direction != .fromSecond { network.cut(channel, 0, 1, by: sign) }
                    if direction != .fromFirst { network.cut(channel, 1, 0, by: sign) }
                }
            }
        case .cutClient(let client, let host, let time):
            change(time) { $0.cutClient(client, host, by: $1) }
        case .badNetwork(let loss, let duplication, let jitter, let time):
            change(time) { network, sign in
                network.loss = sign > 0 ? loss : 0
                network.duplication = sign > 0 ? duplication : 0
                network.jitter = sign > 0 ? jitter : 200
            }
        case .slowStream(let delay, let time):
            change(time) { $0.streamDelay = $1 > 0 ? delay : 500 }
        default: break
        }
    }

    private func change(_ duration: Time, _ change: @escaping (inout Network, Int) -> Void) {
        changeNetwork { change(&$0, 1) }
        after(duration) { world in world.changeNetwork { change(&$0, -1) } }
    }

    private func busyRedis(_ host: Int, for time: Time) {
        guard hosts[host].redis.process == .running else { return }
        let runID = hosts[host].redis.runID
        hosts[host].redis.isBusy = true
        hosts[host].redis.disturbedAt = now
        after(time) { world in
            guard world.hosts[host].redis.runID == runID else { return }
            world.hosts[host].redis.isBusy = false
            world.hosts[host].redis.disturbedAt = world.now
            world.audit.reasonAt[host] = world.now
        }
    }

    private func stopDaemon(_ host: Int, _ down: Time) {
        guard hosts[host].daemon.isWorking else { return }
        hosts[host].daemon.stoppingSince = now
        let process = hosts[host].daemon.process
        feed(host, .stop)
        after(.s(20)) { world in
            guard world.hosts[host].daemon.process == process, world.hosts[host].daemon.isWorking else { return }
            world.fail(.stuck, "node\(host + 1)'s daemon was told to stop 20 s ago, and has not")
        }
        restart(host, process, down)
    }

    private func restart(_ host: Int, _ process: Int, _ down: Time) {
        after(down) { world in
            guard world.hosts[host].daemon.process == process else { return world.startDaemon(host) }
            world.restart(host, process, .ms(100))
        }
    }

    private func killHost(_ host: Int, _ disk: RedisServer.Disk, _ down: Time) {
        guard hosts[host].isUp else { return }
        powerOff(host, disk)
        after(down) { $0.boot(host) }
    }

    /// Everything on a machine is gone at once, and nobody is told.
    func powerOff(_ host: Int, _ disk: RedisServer.Disk) {
        for other in hosts.indices where other != host { catchUp(other) }
        killRedis(host, leaving: disk, withHost: true)
        hosts[host].daemon.core = nil
        hosts[host].daemon.process += 1
        hosts[host].daemon.isFrozen = false
        hosts[host].daemon.lastDisturbance = now
        hosts[host].daemon.shown = nil
        hosts[host].addressUntil = nil
        hosts[host].isUp = false
        network.held.removeAll { $0.from == host || $0.to == host }
    }

    private func boot(_ host: Int) {
        guard !hosts[host].isUp else { return }
        note(host, "host: boots")
        hosts[host].isUp = true
        // What was connected to it before gets a reset with its next packet.
        hosts[host].redis.channels = []
        let other = 1 - host
        after(random.time(.ms(10) ... .s(1))) { world in
            if let link = world.hosts[other].redis.link, link.master == host,
                link.masterRunID != world.hosts[host].redis.runID || world.hosts[host].redis.process == .down
            {
                world.loseLink(other)
            }
            world.hosts[other].redis.channels.removeAll {
                $0.host == host && $0.channel != world.hosts[host].daemon.subscribed?.channel
            }
        }
        after(random.time(0 ... .ms(500))) { $0.startRedis(host) }
        after(random.time(0 ... .s(1))) { $0.startDaemon(host) }
    }

    private func takeLinkDown(_ host: Int, for time: Time) {
        setLink(host, isUp: false)
        after(time) { $0.setLink(host, isUp: true) }
    }

    func setLink(_ host: Int, isUp: Bool) {
        guard hosts[host].isLinkUp != isUp else { return }
        for other in hosts.indices { catchUp(other) }
        note(host, "interface \(isUp ? "up" : "down")")
        hosts[host].isLinkUp = isUp
        network.lastDisturbance = now
        hosts[host].daemon.lastDisturbance = now
        audit.reasonAt[host] = now
        let process = hosts[host].daemon.process
        deliver(to: host, process) { $0.feed(host, .network(.link($0.linkState(host)))) }
        if isUp { changeNetwork { _ in } }
    }
}
