/// What travels over a path of its own: some filters and some broken switches stop the one and let the other through.
enum Channel: Int, CaseIterable {
    /// VRRP packets.
    case heartbeat
    /// TCP between the hosts: Redis links, and what the daemons ask.
    case redis
}

/// The network between the hosts, and from the clients to them.
struct Network {
    /// `[channel][from][to]`: how many faults cut this direction at present.
    private var cuts: [[[Int]]]
    /// `[client][host]`.
    private var clientCuts: [[Int]]
    /// `[host]`: how many faults cut it off from the witness.
    var witnessCuts: [Int]
    /// Packets of the heartbeat that get lost, percent.
    var loss = 0
    /// Packets that arrive twice, percent.
    var duplication = 0
    /// Added to the delay of each packet, by chance up to this.
    var jitter: Time = 200
    /// One way.
    var delay: Time = 100
    /// How far a replica lags behind.
    var streamDelay: Time = 500
    /// Commands that a cut holds back; TCP delivers them when it heals.
    var held: [(from: Int, to: Int, job: EventQueue.Job)] = []
    /// `[from][to]`: when the latest packet of the heartbeat arrives.
    var heartbeatArrival: [[Time]]
    /// When a path was last cut or lossy.
    var lastDisturbance: Time = -.s(100)

    init(hosts: Int, clients: Int) {
        cuts = Array(repeating: Array(repeating: Array(repeating: 0, count: hosts), count: hosts), count: 2)
        witnessCuts = Array(repeating: 0, count: hosts)
        clientCuts = Array(repeating: Array(repeating: 0, count: hosts), count: clients)
        heartbeatArrival = Array(repeating: Array(repeating: 0, count: hosts), count: hosts)
    }

    func isOpen(_ channel: Channel, _ from: Int, _ to: Int) -> Bool {
        from == to || cuts[channel.rawValue][from][to] == 0
    }

    func isReachable(_ host: Int, from client: Int) -> Bool { clientCuts[client][host] == 0 }

    mutating func cut(_ channel: Channel, _ from: Int, _ to: Int, by change: Int) {
        cuts[channel.rawValue][from][to] += change
    }

    mutating func cutClient(_ client: Int, _ host: Int, by change: Int) { clientCuts[client][host] += change }

    /// Whether any path is cut, or loses packets.
    var isDisturbed: Bool {
        loss > 0 || jitter > .ms(20) || cuts.contains { $0.contains { $0.contains { $0 > 0 } } }
            || witnessCuts.contains { $0 > 0 }
    }
}

extension World {
    /// Whether what `from` sends arrives at `to`.
    func isOpen(_ channel: Channel, _ from: Int, _ to: Int) -> Bool {
        guard hosts[from].isUp, hosts[to].isUp else { return false }
        if from == to { return true }
        return hosts[from].isLinkUp && hosts[to].isLinkUp && network.isOpen(channel, from, to)
    }

    func isOpenBothWays(_ one: Int, _ other: Int) -> Bool { isOpen(.redis, one, other) && isOpen(.redis, other, one) }

    /// How long something takes from one host to another.
    func latency(_ from: Int, _ to: Int) -> Time {
        if from == to { return random.time(20...80) }
        return network.delay + random.time(0...network.jitter)
    }

    /// Something has changed about the network; until the change, what was under way arrived.
    func changeNetwork(_ change: (inout Network) -> Void) {
        for host in hosts.indices { catchUp(host) }
        change(&network)
        let held = network.held
        network.held = []
        for command in held {
            if isOpen(.redis, command.from, command.to) {
                after(random.time(.ms(1) ... .ms(400)), command.job)
            } else {
                network.held.append(command)
            }
        }
        noteDisturbance()
    }

    func noteDisturbance() {
        if network.isDisturbed || pair.contains(where: { !$0.isUp || !$0.isLinkUp }) { network.lastDisturbance = now }
    }
}
