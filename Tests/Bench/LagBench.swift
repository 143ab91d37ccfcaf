import Glibc
import RedisLab

/// Part 4: a whole `syncgate lag` on an idle pair.
struct LagBench {
    let versions: [RedisVersion]
    let runs: Int

    func run(into report: inout BenchReport) async {
        var table = Table(
            title: "A whole run on an idle pair, from start to exit",
            note: "Wall clock and processor time in ms; the peak of resident memory in MiB, from runs of their own.",
            columns: [
                "command", "redis", "runs", "wall median", "wall p99", "wall max", "cpu median", "peak median",
                "peak max",
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
            let name = "syncgate lag --format \(format)"
            let (wall, peak) = try add(command, named: name, version, to: &table)
            for (what, unit, sample, limit) in [("wall", "ms", wall, 50.0), ("peak", "MiB", peak, 30)] {
                report.targets.append(
                    Target(
                        what: "\(name), Redis \(version): \(what), median", limit: "\(Int(limit)) \(unit)",
                        measured: "\(sample.median.text) \(unit) (max \(sample.max.text))",
                        isMet: (sample.median ?? .infinity) <= limit))
            }
        }
        let client = "\(RedisVersion.packageRoot)/.cache/redis/\(version)/bin/redis-cli"
        if access(client, X_OK) == 0 {
            let command = [client, "-p", "\(pair.master.port)", "info", "replication"]
            _ = try add(command, named: "redis-cli info replication", version, to: &table)
        }
    }

    /// Measures a command and adds its row; returns the wall clock's ms and the peak's MiB.
    private func add(
        _ command: [String], named name: String, _ version: RedisVersion, to table: inout Table
    ) throws -> (wall: Sample, peak: Sample) {
        // Not counted: it reads the executable from the disk.
        _ = try ChildCost(of: command)
        let costs = try (0..<runs).map { _ in try ChildCost(of: command) }
        let peaks = try (0..<runs).compactMap { _ in try ChildCost(of: command, watchingMemory: true).peakKiB }
        let wall = Sample(costs.map(\.wallMs))
        let peak = Sample(peaks.map { Double($0) / 1024 })
        table.rows.append([
            name, "\(version)", "\(costs.count)", wall.median.text, wall.p99.text, wall.max.text,
            Sample(costs.map(\.processorMs)).median.text, peak.median.text, peak.max.text,
        ])
        return (wall, peak)
    }
}
