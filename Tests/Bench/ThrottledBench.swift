import RedisClient
import RedisLab

/// Part 3: a replica far behind, on a slow link.
struct ThrottledBench {
    let versions: [RedisVersion]
    let megabytes: Int
    /// Method, and the link's megabytes per second.
    let plan: [(method: Method, rate: Int)]
    private static let keysPerMegabyte = 10
    /// The link must not be given up, and the backlog must hold what the old master needs to follow.
    private static let arguments = [
        "--client-output-buffer-limit", "slave", "0", "0", "0", "--repl-backlog-size", "600mb", "--repl-timeout", "300",
    ]

    private struct Result {
        var behind: Int64
        var took: Duration
        var gap: Duration?
        var timeline: Timeline?
        var acknowledged: Int
        var lostWrites: Int
        var lostBulk: Int
    }

    func run(into report: inout BenchReport) async {
        var table = Table(
            title: "A replica \(megabytes) MB behind on a throttled link, under 4 writers",
            note: "Bytes are in MB, times in s; \"write gap\" as the clients saw it. Bulk keys hold 100 kB each.",
            columns: [
                "method", "redis", "link MB/s", "behind at start", "whole command", "writes fenced", "write gap",
                "applied - target", "writes acked", "acked lost", "bulk keys lost", "MB lost",
            ])
        for version in versions {
            for (method, rate) in plan {
                Progress.say("throttled: \(method.name), Redis \(version), \(megabytes) MB at \(rate) MB/s")
                do {
                    let result = try await once(version, method, rate)
                    table.rows.append(row(version, method, rate, result))
                    if method == .syncgate {
                        report.targets.append(
                            Target(
                                what: "Redis \(version): lost with a replica \(megabytes) MB behind at \(rate) MB/s",
                                limit: "0", measured: "\(result.lostWrites + result.lostBulk)",
                                isMet: result.lostWrites + result.lostBulk == 0))
                    }
                } catch {
                    report.failures.append("throttled, \(method.name) on Redis \(version): \(error)")
                    Progress.say(report.failures.last ?? "")
                }
            }
        }
        report.add(table)
    }

    private func once(_ version: RedisVersion, _ method: Method, _ rate: Int) async throws -> Result {
        let port = try FreePort.pick()
        let proxy = try LinkProxy(to: port)
        defer { proxy.cut() }
        let pair = try await RedisPair.start(version, arguments: Self.arguments, keys: 0, through: proxy, port: port)
        do {
            let result = try await once(pair, proxy, method, rate)
            await pair.stop()
            return result
        } catch {
            await pair.stop()
            throw error
        }
    }

    private func once(
        _ pair: RedisPair, _ proxy: LinkProxy, _ method: Method, _ rate: Int
    ) async throws -> Result {
        let roles = Roles(old: pair.master, new: pair.replica, stateDirectory: pair.stateDirectory)
        try await roles.settle()
        proxy.set(LinkProxy.Conditions(isFrozen: true))
        let bulk = try await Self.writeBulk(megabytes, to: pair.master)
        let load = WriteLoad([pair.master.url, pair.replica.url])
        let behind =
            try await Self.offset("master_repl_offset", of: pair.master)
            - Self.offset("slave_repl_offset", of: pair.replica)
        proxy.set(LinkProxy.Conditions(bytesPerSecond: rate * 1_000_000))
        let start = ContinuousClock.now
        // The replica's own idea of its master's address is the slow link; syncgate has a road of its own.
        let timeline = try await roles.perform(
            method, under: load, more: ["--master", "\(pair.master.url)", "--timeout", "60s"])
        let took = start.duration(to: .now)
        await load.waitForWrites(200)
        let account = try await load.stop(lookingAt: pair.replica.url)
        return Result(
            behind: behind, took: took, gap: account.writeGap, timeline: timeline,
            acknowledged: account.acknowledgements.count, lostWrites: account.lost.count,
            lostBulk: try await Self.missing(bulk, on: pair.replica))
    }

    private static func writeBulk(_ megabytes: Int, to server: RedisServer) async throws -> [String] {
        let value = String(repeating: "x", count: 1_000_000 / keysPerMegabyte)
        let keys = (0..<megabytes * keysPerMegabyte).map { "bulk:\($0)" }
        let connection = try await server.connection()
        for start in stride(from: 0, to: keys.count, by: 50) {
            let commands = keys[start..<min(start + 50, keys.count)].map { ["SET", $0, value] }
            for reply in await connection.pipeline(commands, timeout: .seconds(30)) { _ = try reply.get() }
        }
        await connection.close()
        return keys
    }

    private static func missing(_ keys: [String], on server: RedisServer) async throws -> Int {
        let connection = try await server.connection()
        let replies = await connection.pipeline(keys.map { ["EXISTS", $0] }, timeout: .seconds(30))
        await connection.close()
        return try replies.filter { try $0.get() != .integer(1) }.count
    }

    private static func offset(_ field: String, of server: RedisServer) async throws -> Int64 {
        guard let value = Int64(try await RedisPair.info(server)[field] ?? "") else { throw BenchError("no \(field)") }
        return value
    }

    private func row(_ version: RedisVersion, _ method: Method, _ rate: Int, _ result: Result) -> [String] {
        let seconds = { (duration: Duration?) in (duration.map { $0 / .seconds(1) }).text }
        let lost = Double(result.lostBulk) / Double(Self.keysPerMegabyte)
        return [
            method.name, "\(version)", "\(rate)", (Double(result.behind) / 1e6 as Double?).text, seconds(result.took),
            (result.timeline.map { $0.writeGap / 1000 }).text, seconds(result.gap),
            result.timeline.map { "+\($0.offsets.applied - $0.offsets.target) B" } ?? "-", "\(result.acknowledged)",
            "\(result.lostWrites)", "\(result.lostBulk)", (lost as Double?).text,
        ]
    }
}
