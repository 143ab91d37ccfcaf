/// What is promised for ours.
extension FailoverBench {
    /// v3, 100 ms, and the backup's priority of 100: three intervals and the skew of 156/256 of one.
    static let activeDown = 300 + 100 * 156.0 / 256

    static func judge(_ event: FailoverEvent, _ results: [FailoverRun.Result], into report: inout BenchReport) {
        let recovered = Sample(results.compactMap(\.recovered))
        let gaps = Sample(results.compactMap(\.gap))
        let lost = results.reduce(0) { $0 + ($1.lost ?? 0) }
        let overlap = Sample(results.map(\.twoMasters)).max ?? 0
        switch event {
        case .redisKilled, .redisRestarted:
            add("first acked write, median", recovered.median, limit: 150, event, &report)
        case .hostKilled: add("first acked write, median", recovered.median, limit: activeDown + 50, event, &report)
        case .switchover:
            add("write gap, median", gaps.median, limit: 50, event, &report)
            add(lost, event, &report)
        case .daemonKilled: add(lost, event, &report)
        case .redisHung: break
        }
        // One that was hung takes writes again for a moment, without an address.
        if event == .redisHung { return }
        report.targets.append(
            Target(
                what: "\(event.rawValue): two masters that take writes, max", limit: "0 ms", measured: "\(overlap) ms",
                isMet: overlap == 0))
    }

    private static func add(
        _ what: String, _ value: Double?, limit: Double, _ event: FailoverEvent, _ report: inout BenchReport
    ) {
        report.targets.append(
            Target(
                what: "\(event.rawValue): \(what)", limit: "\(Double?(limit).text) ms", measured: "\(value.text) ms",
                isMet: value.map { $0 <= limit } ?? false))
    }

    private static func add(_ lost: Int, _ event: FailoverEvent, _ report: inout BenchReport) {
        report.targets.append(
            Target(
                what: "\(event.rawValue): acked writes lost, all runs", limit: "0", measured: "\(lost)",
                isMet: lost == 0))
    }
}
