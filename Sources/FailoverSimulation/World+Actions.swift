import Failover
import Replication
import VRRP

extension World {
    /// Does what a node says.
    func execute(_ action: Node.Action, _ host: Int, _ outcomes: inout [Node.Event]) {
        if options.isTracing, isWorthTelling(action) { note(host, "action \(brief(action))") }
        switch action {
        case .network(let action): execute(action, host, &outcomes)
        case .resetConnections:
            if options.mutation != .silentAddress { hosts[host].lastReset = now }
        case .redis(let order, let id): begin(order, id, host)
        case .refresh: after(0) { $0.hurry(host) }
        case .askWitnesses: after(0) { $0.awaitWitness(host) }
        // What is executed here ends soon by itself.
        case .abort: break
        case .show(let presence):
            hosts[host].daemon.shown = presence
            subscribe(host)
        case .remember(let memory): hosts[host].daemon.memory = memory
        case .record(let transition): recorded(transition, host)
        case .log(let level, let code, let text):
            if level >= .warning { hosts[host].daemon.fault = "\(code): \(text)" }
        case .amend(let settled, _, _): auditAmendment(settled, host)
        case .run, .answer: break
        case .finished: after(0) { $0.endDaemon(host, "has stopped") }
        }
    }

    private func execute(
        _ action: StandaloneRouter.Action, _ host: Int, _ outcomes: inout [Node.Event]
    ) {
        switch action {
        case .send(let advertisement):
            if options.mutation == .heartbeatWaits, hosts[host].daemon.operation != nil { return }
            advertise(advertisement, host)
            outcomes.append(hosts[host].isLinkUp ? worked(.send) : .network(.failed(.send, reason: "no network")))
        case .add(let addresses, let lifetime):
            add(host, lifetime: span(lifetime))
            outcomes += addresses.map { worked(.add($0)) }
        case .remove(let addresses):
            remove(host)
            outcomes += addresses.map { worked(.remove($0)) }
        case .announce:
            announce(host)
            outcomes.append(worked(.announce))
        case .report: break
        }
    }

    private func worked(_ task: StandaloneRouter.Undertaking) -> Node.Event { .network(.worked(task)) }

    // MARK: Heartbeat

    private func advertise(_ advertisement: Advertisement, _ host: Int) {
        hosts[host].daemon.lastAdvertisement = now
        for other in hosts.indices where other != host && isOpen(.heartbeat, host, other) {
            if random.chance(network.loss) { continue }
            let copies = random.chance(network.duplication) ? 2 : 1
            for _ in 0..<copies {
                let sender = IPAddress.v4(0x0a00_0001 + UInt32(host))
                var arrival = now + latency(host, other)
                // A segment that is well does not reorder what one host sends.
                if !network.isDisturbed { arrival = max(arrival, network.heartbeatArrival[host][other] + 1) }
                network.heartbeatArrival[host][other] = arrival
                at(arrival) { $0.hear(advertisement, from: sender, other) }
            }
        }
    }

    private func hear(_ advertisement: Advertisement, from sender: IPAddress, _ host: Int) {
        guard hosts[host].isUp, hosts[host].daemon.core != nil else { return }
        let event = Node.Event.network(.packet(.success(advertisement), from: sender))
        if hosts[host].daemon.isFrozen {
            let process = hosts[host].daemon.process
            return hosts[host].daemon.packets.append { world in
                if world.hosts[host].daemon.process == process { world.feed(host, event) }
            }
        }
        feed(host, event)
    }

    // MARK: Addresses

    func add(_ host: Int, lifetime: Time) {
        let isNew = !hosts[host].hasAddress(at: now)
        hosts[host].addressUntil = now + lifetime
        let process = hosts[host].daemon.process
        after(lifetime) { $0.expire(host, process) }
        guard isNew else { return }
        note(host, "kernel: the address is there")
        addressAdded(host)
    }

    private func expire(_ host: Int, _ process: Int) {
        guard let until = hosts[host].addressUntil, until <= now else { return }
        hosts[host].addressUntil = nil
        note(host, "kernel: the address has expired")
        for address in hosts[host].daemon.configuration.virtualAddresses {
            deliver(to: host, process) { $0.feed(host, .network(.removed(address))) }
        }
    }

    private func remove(_ host: Int) {
        guard options.mutation != .addressStays || !hosts[host].hasAddress(at: now) else { return }
        let had = hosts[host].hasAddress(at: now)
        hosts[host].addressUntil = nil
        guard had else { return }
        note(host, "kernel: the address is gone")
        if hosts[host].lastReset != now, hosts[host].isLinkUp {
            fail(.silence, "node\(host + 1) removed the address before the connections to it were destroyed")
        }
    }

    private func announce(_ host: Int) {
        guard hasVirtualAddress(host) else { return }
        for client in clients.indices where isReachable(host, from: client) { clients[client].target = host }
    }

    // MARK: Presence

    /// Shows it on the peer's Redis, as soon as that can be reached: one after the other, as on a connection, and once more
    /// every second, as the number in the name changes then.
    func subscribe(_ host: Int) {
        guard let channel = hosts[host].daemon.shown?.channel, !hosts[host].daemon.isSubscribing else { return }
        if let last = hosts[host].daemon.subscribed, last.channel == channel, now - last.at < .s(1) { return }
        hosts[host].daemon.isSubscribing = true
        let peer = peer(of: host)
        let runID = hosts[peer].redis.runID
        send(.subscribe(channel, from: host), from: host, to: peer) { world, response in
            world.hosts[host].daemon.isSubscribing = false
            guard case .reply = response, world.hosts[peer].redis.runID == runID else { return }
            world.hosts[host].daemon.subscribed = (channel, world.now)
            world.subscribe(host)
        }
    }
}
