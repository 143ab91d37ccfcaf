import Failover

// What is looked at after every step.

extension World {
    func watch() {
        if network.isDisturbed { network.lastDisturbance = now }
        if isStrangerThere { watchStranger() }
        for host in hosts.indices { watchHeartbeat(host) }
        for host in pair.indices {
            watchAddress(host)
            watchReports(host)
            watchCutOff(host)
        }
        watchBoth()
    }

    private func watchAddress(_ host: Int) {
        let server = hosts[host].redis
        let has = hosts[host].hasAddress(at: now)
        let isWell = server.process == .running && server.isMaster && !server.isHung
        if has, isWell, hosts[host].daemon.isWorking { audit.servedAt[host] = now }
        let isExcused = server.isBusy || hosts[host].daemon.state == .paused
        guard has, !isWell, !isExcused else { return audit.badSince[host] = nil }
        guard let since = audit.badSince[host] else { return audit.badSince[host] = now }
        let daemon = hosts[host].daemon
        let isCalm = daemon.isWorking && now - daemon.lastDisturbance > .s(3)
        if now - since > (isCalm ? .s(2) : .ms(5500)) {
            fail(
                .addressWithoutMaster,
                "node\(host + 1) has the address for \((now - since) / 1000) ms beside a Redis that takes no writes")
        }
    }

    private func watchHeartbeat(_ host: Int) {
        let daemon = hosts[host].daemon
        guard let isActive = hosts[host].daemon.core?.isActive, isActive, daemon.isWorking, hosts[host].isLinkUp else {
            return hosts[host].daemon.activeSince = nil
        }
        let since = daemon.activeSince ?? now
        if daemon.activeSince == nil { hosts[host].daemon.activeSince = now }
        let quiet = now - max(since, daemon.lastAdvertisement, daemon.lastDisturbance)
        let interval = span(daemon.configuration.router.advertisementInterval)
        if quiet > interval + interval / 2 {
            fail(.heartbeat, "node\(host + 1) is Active and has not advertised for \(quiet / 1000) ms")
        }
    }

    private func watchReports(_ host: Int) {
        guard let first = hosts[host].daemon.unrecorded.first, now - first.since > .s(2), hosts[host].daemon.isWorking
        else { return }
        fail(.lostWrite, "node\(host + 1) has a loss in no entry of its history: \(first.loss)")
    }

    private func watchBoth() {
        let isQuiet = now - network.lastDisturbance > .s(1)
        let areCalm = pair.allSatisfy { $0.daemon.isWorking && now - $0.daemon.lastDisturbance > .ms(3500) }
        let arePaused = pair.contains { $0.daemon.state == .paused }
        if pair.allSatisfy({ $0.hasAddress(at: now) }), isQuiet, areCalm, !arePaused {
            let since = audit.bothSince ?? now
            audit.bothSince = since
            if now - since > .ms(300) {
                fail(.twoAddresses, "both nodes have the address, without a fault that explains it")
            }
        } else {
            audit.bothSince = nil
        }
        let areMasters = pair.allSatisfy {
            $0.redis.process == .running && $0.redis.isMaster && !$0.redis.isHung && !$0.redis.isBusy
        }
        if areMasters, isQuiet, areCalm, !arePaused, !isUndecided {
            let since = audit.mastersSince ?? now
            audit.mastersSince = since
            if now - since > .s(8) { fail(.twoMasters, "both servers are masters, without a fault that explains it") }
        } else {
            audit.mastersSince = nil
        }
    }

    /// Both nodes wait for the operator.
    var isUndecided: Bool {
        pair.contains { $0.daemon.state == .fault && $0.daemon.fault.contains("unrelated") }
    }

    /// What is not as it should be in a healthy pair; nil where all is well.
    var illness: String? {
        let serving = pair.filter { $0.hasAddress(at: now) }
        guard let server = serving.first else { return "no node has the address" }
        guard serving.count == 1 else { return "both nodes have the address" }
        let standby = hosts[1 - server.index]
        if server.daemon.state != .serving {
            return "node\(server.index + 1) is \(server.daemon.state?.rawValue ?? "gone")"
        }
        if standby.daemon.state != .standby {
            return "node\(standby.index + 1) is \(standby.daemon.state?.rawValue ?? "gone")"
        }
        if !server.redis.isMaster { return "node\(server.index + 1) serves and its Redis is no master" }
        if standby.redis.link?.master != server.index || !standby.redis.isStreaming {
            return "node\(standby.index + 1)'s Redis is no replica with its link up"
        }
        return nil
    }

    /// One line about each host.
    var picture: String {
        hosts.map { host in
            let redis = host.redis
            let role =
                redis.link.map { "replica of \($0.master.map { "node\($0 + 1)" } ?? "nobody"), \($0.state)" }
                ?? "master"
            return "node\(host.index + 1): daemon \(host.daemon.state?.rawValue ?? "gone") (\(host.daemon.fault)), "
                + "\(host.hasAddress(at: now) ? "has the address" : "no address"), redis \(redis.process) \(role) at \(text(redis.position))"
        }.joined(separator: "; ")
    }
}
