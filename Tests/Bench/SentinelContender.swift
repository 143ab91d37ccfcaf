import Foundation
import NetworkLab
import RedisLab

/// Redis's own guardians: three Sentinels, on both nodes and on a third host. No virtual address: clients ask them.
struct SentinelContender: Contender {
    let pair: PairLab
    private let sentinels: [LabRedis]
    var target: LabWriter.Target { .sentinels(pair.lab.leaves.filter { $0.number != 3 }.map { "\($0.ipv4):26379" }) }
    var log: String { sentinels.map { "---- Sentinel\n\($0.text)" }.joined() }

    init(_ pair: PairLab, downAfter: Duration) async throws {
        self.pair = pair
        try await pair[2].redis.follow(pair[1].leaf)
        let down = Int(downAfter / .milliseconds(1))
        var sentinels: [LabRedis] = []
        for leaf in pair.lab.leaves where leaf.number != 3 {
            var settings = LabRedis.Settings()
            settings.version = pair.settings.redis.version
            (settings.port, settings.hasBootFence, settings.isSentinel) = (26379, false, true)
            settings.more = [
                "sentinel monitor mymaster \(pair[1].leaf.ipv4) 6379 2",
                "sentinel down-after-milliseconds mymaster \(down)",
                "sentinel failover-timeout mymaster \(max(down * 4, 5000))",
            ]
            sentinels.append(try await LabRedis(pair.lab, on: leaf, settings))
        }
        self.sentinels = sentinels
        for sentinel in sentinels {
            try await waitUntil("the Sentinels know each other: \(sentinel.text)", within: .seconds(30)) {
                guard case .array(let fields) = try await sentinel.ask(["SENTINEL", "MASTER", "mymaster"]) else {
                    return false
                }
                let words = fields.map { $0.text ?? "" }
                let value = { (name: String) in words.firstIndex(of: name).map { words[$0 + 1] } }
                return value("num-other-sentinels") == "2" && value("num-slaves") == "1" && value("flags") == "master"
            }
        }
        // A replica is eligible once its own INFO has been seen, which Sentinel asks for every ten seconds.
        try await waitUntil("the Sentinels know the replica", within: .seconds(30), pause: .milliseconds(100)) {
            guard case .array(let replicas) = try await sentinels[1].ask(["SENTINEL", "REPLICAS", "mymaster"]),
                case .array(let fields)? = replicas.first
            else { return false }
            let words = fields.map { $0.text ?? "" }
            return words.firstIndex(of: "master-link-status").map { words[$0 + 1] } == "ok"
        }
    }

    func kill(on node: PairLab.Node) async throws { await sentinels[node.leaf.number - 1].kill() }

    func switchover() async throws { try await sentinels[2].ask(["SENTINEL", "FAILOVER", "mymaster"]) }

    func isOver() async throws -> Bool {
        guard
            case .array(let place) = try await sentinels[2].ask([
                "SENTINEL", "get-master-addr-by-name", "mymaster",
            ])
        else { return false }
        return place.first?.text == pair[2].leaf.ipv4
    }

    func processes(on node: PairLab.Node) -> [Int32] {
        [sentinels[node.leaf.number - 1].process?.id].compactMap { $0 }
    }
}
