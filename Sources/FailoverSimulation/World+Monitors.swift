import Failover
import Replication

// Each daemon asks both servers all the time, over a connection that stays; when that is closed, at once.

extension World {
    func startMonitors(_ host: Int) {
        for server in [host, peer(of: host)].sorted() {
            hosts[host].daemon.monitors[server] = Monitor()
            let process = hosts[host].daemon.process
            after(random.time(0 ... .ms(5))) { $0.tick(host, server, process) }
        }
    }

    private func tick(_ host: Int, _ server: Int, _ process: Int) {
        guard hosts[host].daemon.process == process, hosts[host].daemon.core != nil else { return }
        var pause = options.sampleInterval
        if hosts[host].daemon.monitors[server].isCalm {
            pause *= server == host ? 4 : hosts[server].redis.isMaster ? 5 : 10
        }
        after(pause) { $0.tick(host, server, process) }
        if hosts[host].daemon.isFrozen { return }
        ask(host, server)
        if let since = hosts[host].daemon.monitors[server].silentSince {
            read(host, server, .silent(since: instant(since)))
        }
        if server != host { subscribe(host) }
    }

    /// Asks the daemon's own server now.
    func hurry(_ host: Int) {
        if hosts[host].daemon.core != nil, !hosts[host].daemon.isFrozen { ask(host, host) }
    }

    private func ask(_ host: Int, _ server: Int) {
        guard !hosts[host].daemon.monitors[server].isAsking else {
            if hosts[host].daemon.monitors[server].silentSince == nil {
                hosts[host].daemon.monitors[server].silentSince = now - options.sampleInterval
            }
            hosts[host].daemon.monitors[server].isCalm = false
            return
        }
        hosts[host].daemon.monitors[server].isAsking = true
        hosts[host].daemon.monitors[server].number += 1
        let number = hosts[host].daemon.monitors[server].number
        let asked = now
        send(.info, from: host, to: server) { world, response in
            guard world.hosts[host].daemon.monitors[server].number == number else { return }
            world.hosts[host].daemon.monitors[server].isAsking = false
            world.take(response, host, server, asked)
        }
    }

    private func take(_ response: Response, _ host: Int, _ server: Int, _ asked: Time) {
        hosts[host].daemon.monitors[server].isCalm = false
        if case .silent = response {
            if hosts[host].daemon.monitors[server].silentSince == nil {
                hosts[host].daemon.monitors[server].silentSince = asked
            }
            return
        }
        hosts[host].daemon.monitors[server].silentSince = nil
        switch response {
        case .reply(var info):
            let isStill = hosts[host].daemon.monitors[server].offset == info.dataOffset
            hosts[host].daemon.monitors[server].isCalm = isStill && info.masterLink?.isUp != false
            hosts[host].daemon.monitors[server].offset = info.dataOffset
            if options.mutation == .ignoreRestart { info.server?.runID = "run of \(server)" }
            // The other daemon first: what is decided with the reading may depend on it.
            if server == host { look(host) }
            read(host, server, .observed(Observation(info, at: instant(asked))))
        case .error: read(host, server, .busy("a script runs"))
        case .dead:
            read(host, server, .dead)
            if server == host { see(host, nil) }
        case .silent: break
        }
    }

    private func read(_ host: Int, _ server: Int, _ reading: RedisReading) {
        let hidesDeath = options.mutation == .blindToDeath || options.mutation == .ignoreRestart
        if hidesDeath, reading == .dead { return }
        feed(host, server == host ? .local(reading) : .peer(reading))
    }

    /// The connections of the daemons' monitors are closed by the end of a server.
    func closeConnections(to server: Int) {
        for host in hosts.indices where asks(host, server) && isOpen(.redis, server, host) {
            let process = hosts[host].daemon.process
            after(latency(server, host)) { world in
                world.deliver(to: host, process) { world in
                    world.hosts[host].daemon.monitors[server].isAsking = false
                    world.ask(host, server)
                }
            }
        }
    }

    private func asks(_ host: Int, _ server: Int) -> Bool {
        hosts[host].daemon.core != nil && (host == server || peer(of: host) == server)
    }

    /// Who is subscribed on the local Redis. Where a stranger is as well, the one whose name has changed last counts, and the
    /// number in it changes every second: now it is the one, now the other.
    private func look(_ host: Int) {
        let others = hosts[host].redis.channels.filter { $0.host != host }
        see(host, others.count > 1 ? others[Int(now / .ms(500)) % others.count].channel : others.last?.channel)
    }

    private func see(_ host: Int, _ channel: String?) {
        if let seen = hosts[host].daemon.seen, seen == channel { return }
        hosts[host].daemon.seen = .some(channel)
        feed(host, .peerDaemon(channel.flatMap { Presence(channel: $0) }))
    }
}
