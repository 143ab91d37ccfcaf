import Failover
import Replication
import VRRP

/// A third node on the segment with the pair's virtual router id, which is no part of the pair: a real `Node` with a Redis of
/// its own, as operators put it there by mistake. It comes during the storm and goes before the calm.
///
/// While it is there, nobody can promise that the pair serves (it may win the election), nor that one machine alone has the
/// address or is master. What it must not do is cost the pair its data, and when it is gone the pair serves by itself.
struct Stranger {
    enum Kind: CaseIterable {
        /// A node of another pair, with data of its own; its partner does not answer.
        case otherPair
        /// A new machine with an empty Redis and the configuration of one that it is to replace and that is still there.
        case replacement
    }

    /// How it goes.
    enum End: CaseIterable {
        case stopped
        case killed
        case poweredOff
    }

    let kind: Kind
    let end: End
    let priority: Priority
    /// Whether it has the pair's virtual address, and not one of its own.
    let sharesAddress: Bool
    /// Whom it takes for the other node.
    let peer: Int
    /// How long its daemon waits for a peer that does not answer, before it goes on alone.
    let waitForPeer: Time
    let arrival: Time
    let departure: Time

    /// Out of a random stream of its own: a seed without a stranger is the same world as before there were any.
    static func drawn(seed: UInt64, _ options: Simulation.Options) -> Stranger? {
        var random = SeededRandom(~seed)
        let isDrawn = random.chance(10)
        return (isDrawn || options.hasStranger) && !options.isQuiet ? Stranger(&random) : nil
    }

    private init(_ random: inout SeededRandom) {
        kind = random.pick(Kind.allCases)
        end = random.pick(End.allCases)
        // Below both, as the second's, between, as the first's, above both.
        priority = Priority(random.pick([50, 100, 120, 150, 200]))
        sharesAddress = kind == .replacement || random.chance(50)
        peer = kind == .replacement ? random.below(2) : World.mostHosts - 1
        waitForPeer = random.pick([.ms(500), .s(2), .s(10)])
        arrival = random.pick([random.time(0 ... .s(5)), random.time(0 ... .s(5)), random.time(.s(3) ... .s(15))])
        let stay = random.pick([random.time(.ms(500) ... .s(4)), random.time(.s(4) ... .s(25))])
        departure = arrival + stay
    }

    /// The third host.
    static let host = 2
}

extension Stranger: CustomStringConvertible {
    var description: String {
        "\(arrival.text) a stranger, \(kind), of priority \(priority), with \(sharesAddress ? "the same" : "another") address, "
            + "peer node\(peer + 1), for which it waits \(waitForPeer / 1000) ms; \(end) at \(departure.text)"
    }
}

extension World {
    /// The pair, a stranger, and the peer of a stranger.
    static let mostHosts = 4

    /// The two nodes that promises are made for.
    var pair: ArraySlice<Host> { hosts.prefix(2) }

    func isStranger(_ host: Int) -> Bool { host >= Stranger.host }

    func peer(of host: Int) -> Int { hosts[host].peer }

    var isStrangerThere: Bool { hosts.count > Stranger.host && hosts[Stranger.host].isUp }

    /// Whether clients that look for the pair's virtual address may find it there.
    func hasVirtualAddress(_ host: Int) -> Bool {
        hosts[host].hasAddress(at: now) && (!isStranger(host) || stranger?.sharesAddress ?? false)
    }

    // MARK: Coming and going

    /// Puts it beside the pair, switched off, and the partner of another pair's node, which stays so.
    func prepare(_ stranger: Stranger) {
        for index in Stranger.host..<Self.mostHosts {
            var data = timeline.fork(nil, base: 0, sharesOffsets: false)
            timeline.disown(data.branch)
            if stranger.kind == .otherPair {
                for _ in 0..<60 { timeline.append(100, isPing: false, to: &data, at: now) }
            }
            let redis = RedisServer(host: index, position: data)
            redis.disk = stranger.kind == .otherPair ? .appendOnly : .empty
            var timing = NodeConfiguration.Timing()
            timing.waitForPeer = .microseconds(stranger.waitForPeer)
            let address = VirtualAddress(.v4(0xc633_6465), prefixLength: 24)
            let configuration = Self.configuration(
                index, peer: stranger.peer, priority: stranger.priority,
                address: stranger.sharesAddress ? Self.virtualAddress : address, timing: timing,
                interval: .milliseconds(100))
            let host = Host(
                index: index, peer: stranger.peer, redis: redis, daemon: Daemon(configuration: configuration))
            host.isUp = false
            if stranger.kind == .otherPair { host.daemon.memory = Memory(epoch: 5, wasMaster: true) }
            hosts.append(host)
        }
        totals.strangers = 1
        at(stranger.arrival) { $0.switchOn() }
        at(stranger.departure) { $0.switchOff(stranger.end) }
    }

    private func switchOn() {
        note(Stranger.host, "host: the stranger comes")
        hosts[Stranger.host].isUp = true
        startRedis(Stranger.host)
        startDaemon(Stranger.host)
    }

    private func switchOff(_ end: Stranger.End) {
        note(Stranger.host, "host: the stranger goes, \(end)")
        switch end {
        case .poweredOff: disappear()
        case .killed:
            endDaemon(Stranger.host, "killed")
            killRedis(Stranger.host, leaving: .appendOnly)
            // Its kernel keeps the address until it expires.
            after(.s(4)) { $0.disappear() }
        case .stopped:
            feed(Stranger.host, .stop)
            after(.s(1)) { $0.awaitStop(patience: 14) }
        }
    }

    /// Its Redis ends when its daemon has, in an orderly way where that is possible.
    private func awaitStop(patience: Int) {
        guard hosts[Stranger.host].daemon.isRunning, patience > 0 else {
            killRedis(Stranger.host, leaving: .appendOnly)
            return after(.ms(100)) { $0.disappear() }
        }
        after(.s(1)) { $0.awaitStop(patience: patience - 1) }
    }

    private func disappear() {
        powerOff(Stranger.host, .appendOnly)
        note(Stranger.host, "host: the stranger is gone")
    }

    // MARK: Whose data

    /// A server of the pair is told whom to follow. That is never a stranger's that has nothing of the pair's data.
    func auditMaster(_ master: Int?, of host: Int) {
        guard let master, isStranger(master), !isStranger(host) else { return }
        let (own, theirs) = (hosts[host].redis.position, hosts[master].redis.position)
        guard timeline.keys(at: own) > 0 else { return }
        if timeline.keys(at: theirs) == 0 || !timeline.areRelated(own, theirs) {
            fail(.wiped, "node\(host + 1) has data, and was told to follow a stranger's Redis, which has none of them")
        }
    }

    /// A stranger's server was promoted. Where a node of the pair was its master and knows that it is not any more, that one
    /// loses nothing that was not reported. Where it could not be told, the pair goes on by itself, and what the stranger
    /// acknowledges is owed to nobody.
    func auditTakeOver(by server: Int, loss: Loss, _ oldMaster: Promotion.OldMaster) {
        let position = hosts[server].redis.position
        timeline.disown(position.branch)
        guard case .demoted = oldMaster else { return }
        let former = hosts[peer(of: server)].redis.position
        let lost = timeline.surplus(of: former, over: position)
        if let allowed = loss.bytes, lost.bytes > allowed, loss.isCounted {
            return fail(
                .lostWrite,
                "node\(peer(of: server) + 1) follows a stranger's Redis that was promoted with loss '\(loss)', but lacks "
                    + "\(lost.writes) acknowledged writes of \(lost.bytes) bytes, the last \(lost.last)")
        }
        guard timeline.missing(from: former).writes == 0 else { return }
        if loss.isPossible { timeline.settle(on: position) }
        timeline.disown(position.branch)
        audit.takenOver = position.branch
    }

    /// What a stranger acknowledged in the pair's place is owed as soon as a server of the pair has it; the rest goes with the
    /// stranger, as asynchronous replication has it.
    func watchStranger() {
        audit.strangerAt = now
        guard let branch = audit.takenOver,
            let held = pair.compactMap({ timeline.limit(of: $0.redis.position, on: branch) }).max()
        else { return }
        timeline.owe(branch, upTo: held)
    }

    /// A server became master that lacks nothing: what is written to it is owed, also where a stranger took along the last
    /// writes of the history before.
    func ownAgain(_ position: Position) {
        guard stranger != nil, !timeline.isOwed(position.branch) else { return }
        timeline.settle(on: position)
    }
}

extension Loss {
    /// Whether it is all that may be missing, and nothing comes on top that was acknowledged unseen.
    var isCounted: Bool {
        if case .atMost = self { false } else { true }
    }
}
