import Foundation
import NetworkLab
import RedisLab

/// One event that happens to one pair, and what was seen of it.
struct FailoverRun {
    /// What was seen.
    struct Result: Sendable {
        /// From the last acknowledged write before to the first one after, ms; nil: no write came through any more.
        var gap: Double?
        /// From the event to the first acknowledged write, ms.
        var recovered: Double?
        var acked: Int
        /// nil: no server is there to ask.
        var lost: Int?
        /// ms.
        var twoAddresses: Double
        /// ms.
        var twoMasters: Double
        /// Errors that the clients saw.
        var errors: [String: Int]
    }

    let contender: ContenderKind
    let event: FailoverEvent
    var version = RedisVersion.v7_0
    /// Writes in a second; nil: as fast as it goes.
    var rate: Int? = 2000
    /// Clients with time-outs of a second.
    var isPatient = false
    /// No contender needs longer than this.
    private let limit = Duration.seconds(30)

    init(_ contender: ContenderKind, _ event: FailoverEvent, rate: Int? = 2000) {
        (self.contender, self.event, self.rate) = (contender, event, rate)
    }

    /// Builds everything anew, lets it happen, and takes everything down.
    func once() async throws -> Result {
        let pair = try await contender.build(version)
        do {
            let result = try await once(pair)
            await pair.pair.lab.remove()
            return result
        } catch {
            if ProcessInfo.processInfo.environment["BENCH_LOGS"] != nil {
                FileHandle.standardError.write(Data("\(error)\n\(pair.log)\n".utf8))
            }
            await pair.pair.lab.remove()
            throw error
        }
    }

    private func once(_ contender: any Contender) async throws -> Result {
        var writes = LabWriter.Settings()
        writes.rate = rate
        if isPatient { (writes.connectTimeout, writes.timeout) = (.seconds(1), .seconds(1)) }
        let pair = contender.pair
        let onlooker = try await Onlooker(
            pair.lab, nodes: pair.nodes.map { ($0.leaf, $0.redis) }, client: pair.client, address: pair.address,
            target: contender.target, writes: writes)
        // Not always at the same place of somebody's interval.
        try await Task.sleep(for: .milliseconds(300 + Int.random(in: 0..<1000)))
        let time = try await contender.perform(event)
        let isOver = await settle(contender, onlooker, time)
        if event == .redisHung {
            pair[1].redis.signal(SIGCONT)
            try await Task.sleep(for: .seconds(1))
        }
        let sight = try await onlooker.stop(since: time)
        let account = sight.writes
        let gap = isOver ? account.gap?.inMilliseconds : nil
        return Result(
            // Of a gap that is none, it is left to chance where it is.
            gap: gap, recovered: gap.map { $0 < 20 ? $0 : account.recovered?.inMilliseconds ?? $0 },
            acked: account.acked, lost: account.lost, twoAddresses: sight.twoAddresses.inMilliseconds,
            twoMasters: sight.twoMasters.inMilliseconds, errors: account.errors)
    }

    /// Waits until node 2 is master, and writes come through; then for what follows. False when that does not happen.
    private func settle(_ contender: any Contender, _ onlooker: Onlooker, _ time: WallTime) async -> Bool {
        do {
            if event == .redisRestarted {
                // Those who miss it go on with what came back.
                try await Task.sleep(for: .seconds(2))
            } else if contender.moves(after: event) {
                try await waitUntil("it is over", within: limit, pause: .milliseconds(20)) {
                    try await contender.isOver()
                }
            }
            try await onlooker.writer.wait(since: .now, within: .seconds(15))
            try await onlooker.writer.wait(for: 300)
            try await Task.sleep(for: .seconds(1))
            return true
        } catch {
            if ProcessInfo.processInfo.environment["BENCH_LOGS"] != nil {
                FileHandle.standardError.write(Data("\(error)\n\(contender.log)\n".utf8))
            }
            return false
        }
    }
}
