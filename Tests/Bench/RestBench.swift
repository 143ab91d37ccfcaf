import Foundation
import NetworkLab
import RedisLab

/// What guarding costs while nothing happens and nobody writes.
struct RestBench {
    let duration: Duration

    func run(into report: inout BenchReport) async {
        var table = Table(
            title: "At rest",
            note:
                "For \(duration): share of one processor; memory in KiB, resident (RSS) and with shared pages divided "
                + "among those who share them (PSS). keepalived: both of its processes, and when tuned the loop that asks "
                + "Redis, without the `redis-cli` that it starts ten times a second; Sentinel: the one on that node.",
            columns: ["guardian", "role", "cpu %", "RSS", "PSS"])
        for kind in [ContenderKind.syncgate, .classic, .tuned, .sentinelFast] {
            Progress.say("at rest: \(kind.name), \(duration)")
            do {
                let rows = try await measure(kind)
                for (role, use) in zip(["Active", "Backup"], rows) {
                    table.rows.append(
                        [
                            kind.name, role, Double?(use.share).text, "\(use.last.residentKiB)",
                            "\(use.last.proportionalKiB)",
                        ])
                }
                if kind == .syncgate { judge(rows, into: &report) }
            } catch {
                report.failures.append("at rest, \(kind.name): \(error)")
                Progress.say("  \(error)")
            }
        }
        report.add(table)
    }

    private func judge(_ rows: [(share: Double, last: ProcessUse)], into report: inout BenchReport) {
        let share = rows.map(\.share).max() ?? 100
        let resident = rows.map { Double($0.last.residentKiB) * 1024 / 1_000_000 }.max() ?? .infinity
        report.targets += [
            Target(
                what: "at rest: share of one processor", limit: "0.5 %", measured: "\(Double?(share).text) %",
                isMet: share <= 0.5),
            Target(
                what: "at rest: resident memory", limit: "25 MB", measured: "\(Double?(resident).text) MB",
                isMet: resident <= 25),
        ]
    }

    private func measure(_ kind: ContenderKind) async throws -> [(share: Double, last: ProcessUse)] {
        let contender = try await kind.build(.v7_0)
        let lab = contender.pair.lab
        do {
            try await Task.sleep(for: .seconds(5))
            let processes = contender.pair.nodes.map(contender.processes)
            let before = try processes.map { try ProcessUse(of: $0) }
            try await Task.sleep(for: duration)
            let after = try processes.map { try ProcessUse(of: $0) }
            await lab.remove()
            return zip(before, after).map { ($1.share(since: $0), $1) }
        } catch {
            await lab.remove()
            throw error
        }
    }
}
