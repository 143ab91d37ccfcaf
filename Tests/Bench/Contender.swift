import Foundation
import NetworkLab
import RedisLab

/// Who guards the pair.
enum ContenderKind: String, Sendable, CaseIterable, Hashable {
    case syncgate, classic, tuned, sentinelSlow, sentinelFast

    var name: String {
        switch self {
        case .syncgate: "syncgate daemon"
        case .classic: "keepalived, scripts with sleep 10"
        case .tuned: "keepalived, tuned, no sleeps"
        case .sentinelSlow: "Sentinel x3, down-after 5 s"
        case .sentinelFast: "Sentinel x3, down-after 500 ms"
        }
    }

    /// What `--only` calls it.
    var word: String {
        switch self {
        case .syncgate: "ours"
        case .classic: "classic"
        case .tuned: "tuned"
        case .sentinelSlow: "sentinel"
        case .sentinelFast: "sentinel-fast"
        }
    }

    /// How many labs at a time: where a run is mostly waiting, and a millisecond does not matter, several.
    var lanes: Int {
        switch self {
        case .syncgate, .tuned: 1
        case .sentinelFast: 2
        case .sentinelSlow: 4
        case .classic: 6
        }
    }

    /// Builds a pair with it, settled: node 1 is master, and has the virtual address where there is one.
    func build(_ version: RedisVersion) async throws -> any Contender {
        var settings = PairLab.Settings(version)
        settings.redis.hasBootFence = self == .syncgate
        let pair = try await PairLab(settings)
        do {
            switch self {
            case .syncgate: return try await SyncgateContender(pair)
            case .classic: return try await KeepalivedContender(pair, .classic)
            case .tuned: return try await KeepalivedContender(pair, .tuned)
            case .sentinelSlow: return try await SentinelContender(pair, downAfter: .seconds(5))
            case .sentinelFast: return try await SentinelContender(pair, downAfter: .milliseconds(500))
            }
        } catch {
            FileHandle.standardError.write(Data("\(pair.logs)\n".utf8))
            await pair.lab.remove()
            throw error
        }
    }
}

/// What happens to node 1.
enum FailoverEvent: String, Sendable, CaseIterable, Hashable {
    case redisKilled = "Redis killed"
    case redisRestarted = "Redis killed, back empty within 50 ms"
    case redisHung = "Redis hung (SIGSTOP)"
    case daemonKilled = "daemon killed (kill -9)"
    case hostKilled = "host killed"
    case switchover = "switchover"
}

/// A guarded pair in a lab.
protocol Contender: Sendable {
    var pair: PairLab { get }
    /// Where clients write to.
    var target: LabWriter.Target { get }
    /// Kills its processes on a node.
    func kill(on node: PairLab.Node) async throws
    /// Moves the master from node 1 to node 2 on request; returns when the request was taken.
    func switchover() async throws
    /// Whether node 2 is master now, as the clients are told.
    func isOver() async throws -> Bool
    /// What its processes on a node are; the first is the daemon itself.
    func processes(on node: PairLab.Node) -> [Int32]
    /// What it logged.
    var log: String { get }
}

extension Contender {
    /// Whether it moves anything at all after an event.
    func moves(after event: FailoverEvent) -> Bool { !(self is SentinelContender && event == .daemonKilled) }

    /// Does it to node 1; returns the moment.
    func perform(_ event: FailoverEvent) async throws -> WallTime {
        let time = WallTime.now
        switch event {
        case .redisKilled: await pair[1].redis.kill()
        case .redisRestarted:
            await pair[1].redis.kill()
            try await Task.sleep(for: .milliseconds(20))
            try await pair[1].redis.start(empty: true, isReady: false)
        case .redisHung: pair[1].redis.signal(SIGSTOP)
        case .daemonKilled: try await kill(on: pair[1])
        case .hostKilled:
            try await pair.lab.cut(pair[1].leaf, .cable)
            try await kill(on: pair[1])
            try await pair.killHost(pair[1])
        case .switchover: try await switchover()
        }
        return time
    }
}

/// Ours, at default settings.
struct SyncgateContender: Contender {
    let pair: PairLab
    var target: LabWriter.Target { .address(pair.endpoint) }
    var log: String { pair.logs }

    init(_ pair: PairLab) async throws {
        self.pair = pair
        try await pair.start()
    }

    func kill(on node: PairLab.Node) async throws { await node.daemon.kill() }

    func switchover() async throws {
        let outcome = try await pair[1].daemon.command(["switchover"])
        guard outcome.exitCode == 0 else { throw BenchError("switchover: \(outcome.errors)\(outcome.output)") }
    }

    func isOver() async throws -> Bool {
        guard try await pair.lab.holds(pair[2].leaf, pair.address) else { return false }
        return try await pair[2].redis.info()["role"] == "master"
    }

    func processes(on node: PairLab.Node) -> [Int32] { [node.daemon.process?.id].compactMap { $0 } }
}
