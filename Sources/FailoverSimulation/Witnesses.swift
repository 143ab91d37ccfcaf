import Failover

/// A third machine that both daemons ask whether they are cut off, and when they are: from it alone, or from everything but one
/// of the clients, which goes on writing where it can.
struct Witnesses {
    /// What is cut off, from when on, and for how long.
    struct Cut {
        let host: Int
        let isFromEverything: Bool
        let start: Time
        let duration: Time
    }

    let cuts: [Cut]

    /// Out of a random stream of its own: a seed without is the same world as before there were any.
    static func drawn(seed: UInt64, _ options: Simulation.Options) -> Witnesses? {
        var random = SeededRandom(seed ^ 0x7769_746e_6573_7365)
        return random.chance(30) && !options.isQuiet ? Witnesses(&random) : nil
    }

    private init(_ random: inout SeededRandom) {
        cuts = (0...random.below(3)).map { _ in
            Cut(
                host: random.below(2), isFromEverything: random.chance(75), start: random.time(0 ... .s(18)),
                duration: random.pick([random.time(.ms(100) ... .s(3)), random.time(.s(2) ... .s(8))]))
        }
    }
}

/// What a daemon's probe knows.
struct WitnessProbe {
    /// Rounds in a row without an answer.
    var missed = 0
    var told: Bool?
    /// How often the node has asked for an answer, and up to which of these it was told one.
    var asks = 0
    var answered = 0
    var isAsking = false
    var number = 0
    /// The Redis that it has served with: one that is started anew has its boot fence.
    var servedWith: String?
}

extension World {
    private static let witnessInterval: Time = .ms(500)
    private static let witnessPatience: Time = .ms(450)
    private static let witnessMisses = 4

    func commitCuts() {
        for cut in witnesses?.cuts ?? [] {
            at(cut.start) { world in
                world.note(cut.host, "FAULT cut off from \(cut.isFromEverything ? "everything" : "the witness")")
                world.totals.faults += 1
                world.audit.reasonAt[cut.host] = world.now
                world.cutOff(cut, by: 1)
                world.after(cut.duration) { $0.cutOff(cut, by: -1) }
            }
        }
    }

    private func cutOff(_ cut: Witnesses.Cut, by sign: Int) {
        changeNetwork { network in
            network.witnessCuts[cut.host] += sign
            guard cut.isFromEverything else { return }
            for channel in Channel.allCases {
                network.cut(channel, cut.host, 1 - cut.host, by: sign)
                network.cut(channel, 1 - cut.host, cut.host, by: sign)
            }
            network.cutClient(0, cut.host, by: sign)
        }
        network.lastDisturbance = now
    }

    /// Whether a host hears from the witness.
    func hearsWitness(_ host: Int) -> Bool {
        hosts[host].isUp && hosts[host].isLinkUp && network.witnessCuts[host] == 0
    }

    // MARK: The probe

    func startProbe(_ host: Int) {
        hosts[host].daemon.probe = WitnessProbe()
        if hosts[host].daemon.configuration.policy.hasWitnesses { askWitness(host) }
    }

    /// The node wants an answer to a question that begins now.
    func awaitWitness(_ host: Int) {
        guard options.mutation != .trustedSilence else {
            return feed(host, .witness(isReachable: true, askedAt: instant))
        }
        hosts[host].daemon.probe.asks += 1
        if !hosts[host].daemon.probe.isAsking { askWitness(host) }
    }

    private func askWitness(_ host: Int) {
        let process = hosts[host].daemon.process
        hosts[host].daemon.probe.isAsking = true
        hosts[host].daemon.probe.number += 1
        let (asked, number) = (now, hosts[host].daemon.probe.number)
        // What is asked for later is another question.
        let asks = hosts[host].daemon.probe.asks
        let isAnswered = hearsWitness(host)
        after(isAnswered ? 2 * network.delay : Self.witnessPatience) { world in
            world.deliver(to: host, process) { world in
                world.hosts[host].daemon.probe.isAsking = false
                world.heardOfWitness(host, isAnswered && world.hearsWitness(host), asked, asks)
                let after = world.hosts[host].daemon.probe
                let next = after.asks != after.answered ? 0 : asked + Self.witnessInterval - world.now
                world.after(next) { world in
                    let probe = world.hosts[host].daemon.probe
                    guard world.hosts[host].daemon.process == process, !probe.isAsking, probe.number == number else {
                        return
                    }
                    world.askWitness(host)
                }
            }
        }
    }

    private func heardOfWitness(_ host: Int, _ isAnswered: Bool, _ asked: Time, _ asks: Int) {
        var probe = hosts[host].daemon.probe
        probe.missed = isAnswered ? 0 : probe.missed + 1
        let isReachable = isAnswered || probe.told != nil && probe.missed < Self.witnessMisses
        let isKnown = isReachable || probe.missed >= Self.witnessMisses
        let isTold = isKnown && isReachable != probe.told || isAnswered && asks != probe.answered
        if isTold { probe.told = isReachable }
        if isAnswered { probe.answered = asks }
        hosts[host].daemon.probe = probe
        if isTold { feed(host, .witness(isReachable: isReachable, askedAt: instant(asked))) }
    }

    // MARK: The promise

    /// A node that is cut off stops serving, and takes no writes that nobody else will see.
    func watchCutOff(_ host: Int) {
        guard hosts[host].daemon.configuration.policy.hasWitnesses else { return }
        let daemon = hosts[host].daemon
        if hosts[host].hasAddress(at: now) { hosts[host].daemon.probe.servedWith = hosts[host].redis.runID }
        guard !hearsWitness(host) else { return audit.cutOffSince[host] = nil }
        guard let since = audit.cutOffSince[host] else { return audit.cutOffSince[host] = now }
        guard daemon.isWorking, daemon.state != .paused, daemon.stoppingSince == nil else { return }
        let calm = now - max(since, daemon.lastDisturbance)
        if calm > .ms(2600), hosts[host].hasAddress(at: now) {
            fail(.cutOff, "node\(host + 1) has the address \((now - since) / 1000) ms after it was cut off")
        }
        let server = hosts[host].redis
        if calm > .s(4), server.isWritable(at: now), daemon.operation == nil,
            daemon.probe.servedWith == server.runID,
            now - max(server.roleChangedAt, server.disturbedAt) > .s(4)
        {
            fail(.cutOff, "node\(host + 1)'s Redis takes writes \((now - since) / 1000) ms after it was cut off")
        }
    }

    /// Its own deafness is no reason to be promoted.
    func auditElection(_ host: Int) {
        guard let since = audit.cutOffSince[host], let active = hosts[host].daemon.activeSince,
            since + .ms(200) < active
        else { return }
        fail(.cutOff, "node\(host + 1) promotes its Redis, elected while it was cut off")
    }
}
