import Foundation
import LossOracle
import RedisLab

/// What all failovers came to, by version and event.
struct OracleReport {
    /// The command that plans the same again.
    let again: String
    /// Whether salvage files could be replayed.
    var canReplay = true
    var report = BenchReport()
    private var rows: [(key: Key, sum: Sum)] = []
    private var details = Table(
        title: "Each failover", note: "",
        columns: [
            "failover", "redis", "event", "append-only file", "serves", "acked", "lost", "in files", "in snapshots",
            "gone", "restored", "saved", "reported", "losses", "full copies", "settled ms", "took s", "broken",
        ])
    private var broken: [String] = []

    init(again: String) { self.again = again }

    private struct Key: Hashable {
        var version: RedisVersion
        var event: String
        var order: Int

        init(_ plan: TrialPlan) {
            version = plan.version
            let disk =
                plan.persistence == .none ? "no append-only file" : "append-only file, \(plan.persistence.rawValue)"
            event = plan.event == .redisKilled ? "Redis killed, \(disk)" : plan.event.name
            let events = TrialEvent.allCases.firstIndex(of: plan.event) ?? 0
            let disks = Persistence.allCases.firstIndex(of: plan.persistence) ?? 0
            order = events * 10 + (plan.event == .redisKilled ? disks : 0)
        }
    }

    private struct Sum {
        var (runs, moved, withLoss, exact, partial) = (0, 0, 0, 0, 0)
        var (acked, lost, inFiles, inSnapshots, gone, saved) = (0, 0, 0, 0, 0, 0)
        var restored = 0
        var settled: [Double] = []

        static func + (one: Sum, other: Sum) -> Sum {
            var sum = one
            (sum.runs, sum.moved, sum.withLoss) = (
                one.runs + other.runs, one.moved + other.moved, one.withLoss + other.withLoss
            )
            (sum.exact, sum.partial, sum.restored) = (
                one.exact + other.exact, one.partial + other.partial, one.restored + other.restored
            )
            (sum.acked, sum.lost, sum.inFiles) = (
                one.acked + other.acked, one.lost + other.lost, one.inFiles + other.inFiles
            )
            (sum.inSnapshots, sum.gone, sum.saved) = (
                one.inSnapshots + other.inSnapshots, one.gone + other.gone, one.saved + other.saved
            )
            sum.settled += other.settled
            return sum
        }
    }

    mutating func add(_ result: Trial.Result, took: Duration) {
        let (plan, verdict) = (result.plan, result.verdict)
        var sum = Sum()
        sum.runs = 1
        sum.moved = result.nodes.before == result.nodes.after ? 0 : 1
        sum.withLoss = verdict.lost > 0 ? 1 : 0
        sum.exact = verdict.lost > 0 && verdict.reported != nil ? 1 : 0
        sum.partial = result.fullSyncs == 0 ? 1 : 0
        (sum.acked, sum.lost, sum.inFiles) = (verdict.acked, verdict.lost, verdict.inFiles)
        (sum.inSnapshots, sum.gone, sum.saved) = (verdict.inSnapshots, verdict.gone, verdict.saved)
        sum.restored = verdict.restored ?? 0
        sum.settled = [result.settled.inMilliseconds]
        let key = Key(plan)
        if let index = rows.firstIndex(where: { $0.key == key }) {
            rows[index].sum = rows[index].sum + sum
        } else {
            rows.append((key, sum))
        }
        details.rows.append(Self.row(result, took))
        Progress.say("  \(Self.line(result, took))")
        for promise in verdict.broken { breaks(plan, promise) }
    }

    private static func row(_ result: Trial.Result, _ took: Duration) -> [String] {
        let (plan, verdict) = (result.plan, result.verdict)
        let counts = [verdict.acked, verdict.lost, verdict.inFiles, verdict.inSnapshots, verdict.gone]
        let head = ["\(plan.number)", "\(plan.version)", plan.event.rawValue, plan.persistence.rawValue]
        let accounts = [text(verdict.restored), "\(verdict.saved)", text(verdict.reported)]
        let seconds = Double?(took / .seconds(1)).text
        let tail = [
            verdict.losses.joined(separator: " "), "\(result.fullSyncs)", Double?(result.settled.inMilliseconds).text,
            seconds, verdict.broken.joined(separator: "; "),
        ]
        let nodes = "\(result.nodes.before)->\(result.nodes.after)"
        return head + [nodes] + counts.map { "\($0)" } + accounts + tail
    }

    private static func text(_ number: (some BinaryInteger)?) -> String { number.map { "\($0)" } ?? "-" }

    private static func line(_ result: Trial.Result, _ took: Duration) -> String {
        let verdict = result.verdict
        let lost = "acked \(verdict.acked), lost \(verdict.lost): \(verdict.inFiles) in \(result.kept.files) files"
        let rest = "\(verdict.inSnapshots) in \(result.kept.snapshots) snapshots, \(verdict.gone) gone"
        let said = "saved \(verdict.saved), reported \(text(verdict.reported)) \(verdict.losses)"
        let nodes = "node \(result.nodes.before)->\(result.nodes.after)"
        let times = "settled after \(Int(result.settled.inMilliseconds)) ms, took \(Int(took / .seconds(1))) s"
        return "\(lost), \(rest); \(said), restored \(text(verdict.restored)); \(nodes), \(times), "
            + "\(result.fullSyncs) full copies"
    }

    /// One that did not come to its end.
    mutating func fail(_ plan: TrialPlan, _ words: String) { breaks(plan, words) }

    private mutating func breaks(_ plan: TrialPlan, _ words: String) {
        broken.append("\(plan): \(words) -- \(again) --only \(plan.number)")
        Progress.say("  BROKEN: \(words)")
    }

    private static let columns = [
        "redis", "event", "failovers", "role moved", "acked", "with loss", "acked lost", "in salvage files",
        "in snapshots", "gone with the process", "restored by replay", "counted exactly", "without a full copy",
        "settled, median ms",
    ]

    private func cells(_ version: String, _ event: String, _ sum: Sum) -> [String] {
        [
            version, event, "\(sum.runs)", "\(sum.moved)", "\(sum.acked)", "\(sum.withLoss)", "\(sum.lost)",
            "\(sum.inFiles)", "\(sum.inSnapshots)", "\(sum.gone)", canReplay ? "\(sum.restored)" : "not asked",
            "\(sum.exact) of \(sum.withLoss)", "\(sum.partial) of \(sum.runs)", Sample(sum.settled).median.text,
        ]
    }

    /// Prints the tables, writes the file, and fails where a promise was broken.
    mutating func finish(output: String?, missing: [String]) throws {
        var table = Table(title: "What was lost, and where it is", note: note(missing), columns: Self.columns)
        for row in rows.sorted(by: { ($0.key.version, $0.key.order) < ($1.key.version, $1.key.order) }) {
            table.rows.append(cells("\(row.key.version)", row.key.event, row.sum))
        }
        // The table is made at the end, and its measurements began with this report.
        table.load.before = details.load.before
        if rows.count > 1 { table.rows.append(cells("all", "", rows.map(\.sum).reduce(Sum(), +))) }
        report.add(table)
        report.details = [details]
        report.failures = broken
        report.targets.append(
            Target(what: "broken promises", limit: "0", measured: "\(broken.count)", isMet: broken.isEmpty))
        try report.finish(output: output)
    }

    private func note(_ missing: [String]) -> String {
        "`\(again)`; one of them again: `--only NUMBER`. Eight writers, five of them through the virtual address at full "
            + "speed, three on the old master's own host. Gone with the process: acknowledged by a Redis that was killed "
            + "without an append-only file that is synced with every write."
            + (canReplay ? "" : " This build has no `syncgate salvage replay`.")
            + (missing.isEmpty ? "" : " Not on this machine: \(missing.joined(separator: ", ")).")
    }
}

extension TrialEvent {
    /// For the report.
    var name: String {
        switch self {
        case .redisKilled: "Redis killed"
        case .redisHung: "Redis hung"
        case .cutOff: "node cut off"
        case .daemonKilled: "daemon killed"
        case .switchover: "switchover"
        }
    }
}
