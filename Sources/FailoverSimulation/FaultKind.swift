/// What is done to the pair. Hosts are 0 and 1; times are microseconds.
enum FaultKind: Equatable {
    case killRedis(Int, RedisServer.Disk, down: Time)
    case hangRedis(Int, Time)
    case busyRedis(Int, Time)
    case killDaemon(Int, down: Time)
    case stopDaemon(Int, down: Time)
    case freezeDaemon(Int, Time)
    case killHost(Int, RedisServer.Disk, down: Time)
    case cut([Channel], Direction, Time)
    case cutClient(Int, Int, Time)
    case linkDown(Int, Time)
    case badNetwork(loss: Int, duplication: Int, jitter: Time, Time)
    case slowStream(Time, Time)
    case switchover(Int)
    case pause(Int, Time)

    enum Direction: Equatable, CaseIterable {
        case both
        case fromFirst
        case fromSecond
    }

    /// The host that it happens to; nil where it is the network.
    var host: Int? {
        switch self {
        case .killRedis(let host, _, _), .hangRedis(let host, _), .busyRedis(let host, _), .killDaemon(let host, _),
            .stopDaemon(let host, _), .freezeDaemon(let host, _), .killHost(let host, _, _), .linkDown(let host, _),
            .switchover(let host), .pause(let host, _):
            host
        case .cut, .cutClient, .badNetwork, .slowStream: nil
        }
    }

    /// Draws one.
    static func random(_ random: inout SeededRandom) -> FaultKind {
        let host = random.below(2)
        let down = random.pick([
            .ms(50), .ms(50), .ms(200), random.time(.ms(50) ... .s(2)), random.time(.s(1) ... .s(8)),
        ])
        let short = random.pick([random.time(.ms(50) ... .ms(900)), random.time(.ms(100) ... .s(6))])
        switch random.below(100) {
        case ..<22: return .killRedis(host, disk(&random), down: down)
        case ..<30: return .hangRedis(host, short)
        case ..<33: return .busyRedis(host, short)
        case ..<43: return .killDaemon(host, down: down)
        case ..<49: return .stopDaemon(host, down: down)
        case ..<55: return .freezeDaemon(host, short)
        case ..<64: return .killHost(host, disk(&random), down: down + .s(1))
        case ..<76:
            let channels = random.pick([Channel.allCases, Channel.allCases, [.heartbeat], [.redis]])
            return .cut(channels, random.pick([.both, .both, .fromFirst, .fromSecond]), short)
        case ..<79: return .cutClient(random.below(2), host, short)
        case ..<83: return .linkDown(host, short)
        case ..<88:
            return .badNetwork(
                loss: random.pick([0, 5, 20, 60]), duplication: random.pick([0, 30]),
                jitter: random.pick([.ms(1), .ms(10), .ms(60)]), random.time(.ms(500) ... .s(8)))
        case ..<92: return .slowStream(random.time(.ms(5) ... .s(2)), random.time(.s(1) ... .s(8)))
        case ..<98: return .switchover(host)
        default: return .pause(host, random.time(.s(1) ... .s(6)))
        }
    }

    private static func disk(_ random: inout SeededRandom) -> RedisServer.Disk {
        random.pick([.appendOnly, .appendOnly, .appendOnlyTorn, .snapshot, .empty, .empty])
    }
}

extension FaultKind: CustomStringConvertible {
    var description: String {
        func node(_ host: Int) -> String { "node\(host + 1)" }
        func ms(_ time: Time) -> String { "\(time / 1000) ms" }
        return switch self {
        case .killRedis(let host, let disk, let down):
            "kill redis of \(node(host)), disk \(disk), back after \(ms(down))"
        case .hangRedis(let host, let time): "hang redis of \(node(host)) for \(ms(time))"
        case .busyRedis(let host, let time): "script on redis of \(node(host)) for \(ms(time))"
        case .killDaemon(let host, let down): "kill daemon of \(node(host)), back after \(ms(down))"
        case .stopDaemon(let host, let down): "stop daemon of \(node(host)), back after \(ms(down))"
        case .freezeDaemon(let host, let time): "freeze daemon of \(node(host)) for \(ms(time))"
        case .killHost(let host, let disk, let down): "kill host \(node(host)), disk \(disk), back after \(ms(down))"
        case .cut(let channels, let direction, let time): "cut \(channels) \(direction) for \(ms(time))"
        case .cutClient(let client, let host, let time): "cut client \(client) from \(node(host)) for \(ms(time))"
        case .linkDown(let host, let time): "interface of \(node(host)) down for \(ms(time))"
        case .badNetwork(let loss, let duplication, let jitter, let time):
            "network loses \(loss) %, doubles \(duplication) %, delays up to \(ms(jitter)), for \(ms(time))"
        case .slowStream(let delay, let time): "replication lags by \(ms(delay)) for \(ms(time))"
        case .switchover(let host): "switchover ordered on \(node(host))"
        case .pause(let host, let time): "pause \(node(host)) for \(ms(time))"
        }
    }
}
