import Failover
import Replication
import VRRP

// The daemon's shell: events in, actions executed at once and in order, the deadline kept.

extension World {
    static let virtualAddress = VirtualAddress(.v4(0xc633_6464), prefixLength: 24)

    static let virtualRouterID = VirtualRouterID(51)!

    static func configuration(
        _ host: Int, peer: Int, priority: Priority, address virtualAddress: VirtualAddress = virtualAddress,
        timing: NodeConfiguration.Timing, interval: Duration
    ) -> NodeConfiguration {
        let router = VirtualRouterParameters(
            virtualRouterID: virtualRouterID, priority: priority,
            advertisementInterval: interval, preempts: false, addresses: [virtualAddress.address])
        return NodeConfiguration(
            name: "redis", node: "node\(host + 1)", router: router, virtualAddresses: [virtualAddress],
            upkeep: interval > .seconds(1) ? .init(lifetime: .seconds(300), announceRefresh: nil) : .init(),
            localRedis: RedisAddress(host: address(host), port: redisPort),
            peerRedis: RedisAddress(host: address(peer), port: redisPort), timing: timing)
    }

    func startDaemon(_ host: Int) {
        guard hosts[host].isUp, hosts[host].daemon.core == nil else { return }
        let daemon = hosts[host].daemon
        hosts[host].daemon.process += 1
        hosts[host].daemon.core = Core(Node(daemon.configuration, memory: daemon.memory))
        hosts[host].daemon.isFrozen = false
        hosts[host].daemon.packets = []
        hosts[host].daemon.deferred = []
        hosts[host].daemon.armed = nil
        hosts[host].daemon.shown = nil
        hosts[host].daemon.subscribed = nil
        hosts[host].daemon.isSubscribing = false
        hosts[host].daemon.seen = nil
        hosts[host].daemon.operation = nil
        hosts[host].daemon.isPromoting = false
        hosts[host].daemon.activeSince = nil
        hosts[host].daemon.startedAt = now
        hosts[host].daemon.stoppingSince = nil
        hosts[host].daemon.unrecorded = []
        hosts[host].daemon.lastDisturbance = now
        note(host, "daemon: starts")
        feed(host, .network(.link(linkState(host))))
        feed(host, .start)
        startMonitors(host)
        startProbe(host)
        if options.mutation == .followBlindly { followBlindly(host) }
    }

    func linkState(_ host: Int) -> StandaloneRouter.LinkState {
        .init(isUp: hosts[host].isLinkUp, primaryAddress: .v4(0x0a00_0001 + UInt32(host)))
    }

    /// The process ends, in whatever way; the kernel closes its connections.
    func endDaemon(_ host: Int, _ why: String) {
        guard hosts[host].daemon.core != nil else { return }
        note(host, "daemon: \(why)")
        hosts[host].daemon.core = nil
        hosts[host].daemon.process += 1
        hosts[host].daemon.isFrozen = false
        hosts[host].daemon.lastDisturbance = now
        hosts[host].daemon.shown = nil
        unsubscribe(host)
    }

    /// What it was subscribed to is gone as soon as the other host hears of it.
    private func unsubscribe(_ host: Int) {
        let process = hosts[host].daemon.process
        let closing: EventQueue.Job = { world in
            for other in world.hosts.indices where other != host && world.hosts[host].daemon.process == process {
                world.hosts[other].redis.channels.removeAll { $0.host == host }
            }
        }
        let peer = peer(of: host)
        if isOpen(.redis, host, peer) {
            after(latency(host, peer), closing)
        } else if hosts[host].isUp {
            network.held.append((host, peer, closing))
        }
    }

    /// Hands an event to the node, and does what it says.
    func feed(_ host: Int, _ event: Node.Event) {
        guard hosts[host].daemon.core != nil else { return }
        if options.isTracing, isWorthTelling(event) { note(host, "event \(brief(event))") }
        var outcomes: [Node.Event] = []
        let actions = hosts[host].daemon.core?.handle(event, now: instant) ?? []
        for action in actions { execute(action, host, &outcomes) }
        for outcome in outcomes { feed(host, outcome) }
        rearm(host)
    }

    private func rearm(_ host: Int) {
        guard let deadline = hosts[host].daemon.core?.deadline.map({ time($0) }) else { return }
        let due = max(deadline, now)
        if let armed = hosts[host].daemon.armed, armed <= due, armed >= now { return }
        hosts[host].daemon.armed = due
        let process = hosts[host].daemon.process
        at(due) { $0.wake(host, process, due) }
    }

    private func wake(_ host: Int, _ process: Int, _ due: Time) {
        guard hosts[host].daemon.process == process, hosts[host].daemon.armed == due else { return }
        hosts[host].daemon.armed = nil
        if hosts[host].daemon.isFrozen { return }
        if let deadline = hosts[host].daemon.core?.deadline, time(deadline) <= now {
            feed(host, .deadlineReached)
            guard let next = hosts[host].daemon.core?.deadline.map({ time($0) }), next <= now else { return }
            spin(host, next)
        } else {
            rearm(host)
        }
    }

    /// A deadline that has passed stays: a loop that would never end.
    private func spin(_ host: Int, _ deadline: Time) {
        hosts[host].daemon.spins += 1
        if hosts[host].daemon.spins > 100 { fail(.heartbeat, "node\(host + 1) has a deadline that stays in the past") }
    }

    func freezeDaemon(_ host: Int, for duration: Time) {
        guard hosts[host].daemon.isWorking else { return }
        note(host, "daemon: frozen")
        hosts[host].daemon.isFrozen = true
        hosts[host].daemon.lastDisturbance = now
        let process = hosts[host].daemon.process
        after(duration) { world in
            guard world.hosts[host].daemon.process == process, world.hosts[host].daemon.isFrozen else { return }
            world.thaw(host)
        }
    }

    /// Packets that wait come first, then the rest, then the deadline.
    private func thaw(_ host: Int) {
        note(host, "daemon: goes on")
        hosts[host].daemon.isFrozen = false
        hosts[host].daemon.lastDisturbance = now
        let waiting = hosts[host].daemon.packets.suffix(64) + hosts[host].daemon.deferred
        hosts[host].daemon.packets = []
        hosts[host].daemon.deferred = []
        for job in waiting { job(self) }
        rearm(host)
    }
}
