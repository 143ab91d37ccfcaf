import Daemon

/// A status as text: a table for each virtual router, and below it what is going on.
enum StatusOutput {
    private static let head = ["NODE", "ADDRESS", "VRRP", "REDIS", "OFFSET", "LAG", "HEALTH", "VIP"]

    /// All of it.
    static func text(_ report: StatusReport) -> String {
        report.virtualRouters.map(text).joined(separator: "\n")
    }

    private static func text(_ router: StatusReport.Router) -> String {
        let title =
            "\(router.name)  vrid \(router.vrid) on \(router.interface)  "
            + router.virtualAddresses.joined(separator: ", ")
        let rows = [head] + router.nodes.map { cells($0, lag: router.lagBytes) }
        let widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        var lines = [Output.colored(title, .bold)]
        for (index, row) in rows.enumerated() {
            let cells = zip(row, widths).enumerated().map { column, cell in
                // Numbers stand to the right.
                column == 4 || column == 5 ? cell.0.padding(from: cell.1) : cell.0.padding(to: cell.1)
            }
            let line = "  " + cells.joined(separator: "  ")
            lines.append(index == 0 ? line.trimmingEnd : colored(line.trimmingEnd, router.nodes[index - 1]))
        }
        let color: Output.Color? = router.fault != nil ? .red : router.state == "paused" ? .yellow : nil
        let what = "  \(router.state) since \(router.since): \(router.reason)"
        lines.append(color.map { Output.colored(what, $0) } ?? what)
        if let operation = router.operation { lines.append("  now: \(operation)") }
        if router.witnessReachable == false { lines.append("  no witness answers") }
        if let next = router.next { lines.append("  next: \(next)") }
        return lines.map { $0 + "\n" }.joined()
    }

    private static func cells(_ node: StatusReport.Node, lag: Int64?) -> [String] {
        let redis = node.redis
        let role = redis.role ?? (redis.reading == "observed" ? "-" : redis.reading)
        return [
            node.node ?? "?", node.address ?? "-", node.vrrp ?? "-", role, redis.offset.map { "\($0)" } ?? "-",
            redis.role == "replica" ? lag.map { "\($0) B" } ?? "-" : "-", node.health,
            node.hasVirtualAddresses.map { $0 ? "yes" : "no" } ?? "-",
        ]
    }

    private static func colored(_ line: String, _ node: StatusReport.Node) -> String {
        if node.health != "ok" { return Output.colored(line, .red) }
        return node.hasVirtualAddresses == true ? Output.colored(line, .green) : line
    }
}

/// A history as text: an entry in some lines, its timeline indented.
enum HistoryOutput {
    /// All of it, the oldest first.
    static func text(_ entries: [HistoryEntry]) -> String { entries.map(text).joined(separator: "\n") }

    private static func text(_ entry: HistoryEntry) -> String {
        let change = Output.colored("\(entry.from) -> \(entry.to)", .bold)
        var lines = ["\(entry.at)  \(change)  \(entry.cause)", "  \(entry.reason)"]
        if let epoch = entry.epoch { lines.append("  promotion  \(epoch) of the pair") }
        if let loss = entry.loss { lines.append("  loss       \(loss.detail)") }
        if let amendment = entry.amendment {
            lines.append("  settled    \(amendment.at): \(amendment.detail)")
            lines += amendment.kept.map { "  saved in   \($0)" }
        }
        if let account = entry.account { lines += account.lines.map { "  \($0.name.padding(to: 10)) \($0.value)" } }
        if let gap = entry.writeGapMs { lines.append("  write gap  \(Quantity.decimal(gap, 1)) ms") }
        if let evidence = entry.evidence {
            let target = evidence.targetOffset.map { "target \($0)" } ?? "target unknown"
            let fence = evidence.fence.map { ", fence \($0)" } ?? ", no fence"
            lines.append("  evidence   \(target), applied \(evidence.appliedOffset)\(fence)")
        }
        // A single step is the transition itself.
        for step in entry.steps where entry.steps.count > 1 {
            let time = Quantity.decimal(step.atMs, 1).padding(from: 10)
            lines.append("  \(time) ms  \(step.step.padding(to: 19)) \(step.detail)")
        }
        return lines.map { $0 + "\n" }.joined()
    }
}

extension String {
    /// Without spaces at its end.
    fileprivate var trimmingEnd: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
