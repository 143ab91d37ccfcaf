import Glibc
import RedisLab

/// Part 4: a whole `syncgate lag` on an idle pair.
struct LagBench {
    let versions: [RedisVersion]
    let runs: Int

    func run(into report: inout BenchReport) async {
        var table = Table(
            title: "A whole run on an idle pair, from start to exit",
            note: "ms and MiB (ru_maxrss). \"Floor\": the least that could have been measured.",
            columns: [
                "command", "redis", "runs", "wall median", "p99", "max", "cpu median", "peak MiB median", "max",
                "floor",
            ])
        for version in versions {
            Progress.say("lag: Redis \(version), \(runs) runs of each command")
            do {
                let pair = try await RedisPair.start(version)
                do { try await measure(pair, version, &table, &report) } catch {
                    await pair.stop()
                    throw error
                }
                await pair.stop()
            } catch {
                report.failures.append("lag on Redis \(version): \(error)")
            }
        }
        report.add(table)
    }

    private func measure(
        _ pair: RedisPair, _ version: RedisVersion, _ table: inout Table, _ report: inout BenchReport
    ) async throws {
        try await Roles(old: pair.master, new: pair.replica, stateDirectory: pair.stateDirectory).settle()
        for format in ["pretty", "json"] {
            let command = [SyncgateProcess.executable, "lag", "\(pair.replica.url)", "--format", format]
            let costs = try repeated(command)
            let name = "syncgate lag --format \(format)"
            table.rows.append(row(name, version, costs))
            let wall = Sample(costs.map(\.wallMs))
            let peak = Sample(costs.map { Double($0.peakKiB) / 1024 })
            for (what, unit, value, limit) in [("wall, max", "ms", wall.max, 50.0), ("peak, max", "MiB", peak.max, 30)]
            {
                report.targets.append(
                    Target(
                        what: "\(name), Redis \(version): \(what)", limit: "\(Int(limit)) \(unit)",
                        measured: "\(value.text) \(unit)", isMet: (value ?? .infinity) <= limit))
            }
        }
        let client = "\(RedisVersion.packageRoot)/.cache/redis/\(version)/bin/redis-cli"
        if access(client, X_OK) == 0 {
            let costs = try repeated([client, "-p", "\(pair.master.port)", "info", "replication"])
            table.rows.append(row("redis-cli info replication", version, costs))
        }
    }

    private func repeated(_ command: [String]) throws -> [ChildCost] {
        // The first one reads the executable from the disk.
        _ = try MeasureCommand.cost(of: command)
        return try (0..<runs).map { _ in
            let cost = try MeasureCommand.cost(of: command)
            guard cost.exitCode == 0 else { throw BenchError("\(command) exits with \(cost.exitCode)") }
            return cost
        }
    }

    private func row(_ name: String, _ version: RedisVersion, _ costs: [ChildCost]) -> [String] {
        let wall = Sample(costs.map(\.wallMs))
        let peak = Sample(costs.map { Double($0.peakKiB) / 1024 })
        let floor = Sample(costs.map { Double($0.floorKiB) / 1024 })
        return [
            name, "\(version)", "\(costs.count)", wall.median.text, wall.p99.text, wall.max.text,
            Sample(costs.map(\.processorMs)).median.text, peak.median.text, peak.max.text, floor.max.text,
        ]
    }
}
