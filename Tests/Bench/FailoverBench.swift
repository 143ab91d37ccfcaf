import ArgumentParser
import Foundation
import NetworkLab
import RedisLab

/// `scripts/bench failover`: who guards a pair of Redis servers how well, as clients see it.
struct FailoverBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "failover",
        abstract: "Measure the failover daemon beside keepalived with scripts, and Sentinel, in network namespaces.",
        discussion: "Needs root.")

    @Option(help: "Runs of each event and contender.")
    var runs = 10

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "ours, classic, tuned, sentinel, sentinel-fast, rest, clients, quiet; all but quiet unless given.",
            valueName: "contender"))
    var only: [String] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "redis-killed, redis-restarted, redis-hung, daemon-killed, host-killed, switchover; all unless given.",
            valueName: "event"))
    var event: [String] = []

    @Option(help: "quiet: how long nothing has to happen under traffic.")
    var minutes = 60

    @Option(help: "How long processors and memory are watched at rest.")
    var seconds = 60

    @Option(
        help: ArgumentHelp("Write the report there too: JSON when it ends in .json, Markdown else.", valueName: "file"))
    var output: String?

    private func wants(_ word: String) -> Bool { only.isEmpty || only.contains(word) }

    private var events: [FailoverEvent] {
        FailoverEvent.allCases.filter { event.isEmpty || event.contains($0.word) }
    }

    func validate() throws {
        guard runs > 0, seconds > 0, minutes > 0 else {
            throw ValidationError("--runs, --seconds and --minutes must be at least 1")
        }
        let words = ContenderKind.allCases.map(\.word) + ["rest", "clients", "quiet"]
        if let wrong = only.first(where: { !words.contains($0) }) { throw ValidationError("--only \(wrong)") }
        if let wrong = event.first(where: { word in !FailoverEvent.allCases.contains { $0.word == word } }) {
            throw ValidationError("--event \(wrong)")
        }
    }

    func run() async throws {
        if let reason = NetworkLab.whyUnavailable ?? Keepalived.whyUnavailable { throw ValidationError(reason) }
        var report = BenchReport()
        print(report.head, terminator: "")
        let kinds = ContenderKind.allCases.filter { wants($0.word) }
        for event in events where !kinds.isEmpty { await row(event, kinds, into: &report) }
        if wants("clients") { await otherClients(into: &report) }
        if wants("rest") { await RestBench(duration: .seconds(seconds)).run(into: &report) }
        if only.contains("quiet") { await QuietBench(minutes: minutes).run(into: &report) }
        try report.finish(output: output)
    }

    static let columns = [
        "guardian", "runs", "gap median ms", "gap max ms", "event to first write, median ms", "acked lost, median",
        "acked lost, max", "two addresses, max ms", "two masters, max ms", "never came back",
    ]

    private func row(_ event: FailoverEvent, _ kinds: [ContenderKind], into report: inout BenchReport) async {
        var table = Table(title: event.rawValue, note: "", columns: Self.columns)
        for kind in kinds {
            Progress.say("\(event.rawValue): \(kind.name), \(runs) runs")
            let results = await measure(FailoverRun(kind, event), lanes: kind.lanes, into: &report)
            table.rows.append(Self.cells(kind.name, results, hasAddress: kind.hasAddress))
            if kind == .syncgate { Self.judge(event, results, into: &report) }
        }
        report.add(table)
    }

    /// Ours under other clients: writers that do not hold back, so that the most is in flight when something happens; and
    /// clients as they are out of the box, with time-outs of a second.
    private func otherClients(into report: inout BenchReport) async {
        var table = Table(
            title: "syncgate daemon under other clients",
            note:
                "At full speed: four connections, one write after another each. Patient: 1 s to connect and for an answer.",
            columns: ["event", "clients"] + Self.columns.dropFirst() + ["acked per run, median"])
        for event in [FailoverEvent.redisKilled, .daemonKilled, .switchover] where events.contains(event) {
            for (clients, rate, isPatient) in [("full speed", Int?.none, false), ("patient", 2000, true)] {
                Progress.say("\(event.rawValue): ours, clients: \(clients), \(runs) runs")
                var run = FailoverRun(.syncgate, event, rate: rate)
                run.isPatient = isPatient
                let results = await measure(run, lanes: 1, into: &report)
                table.rows.append(
                    [event.rawValue, clients] + Self.cells("", results, hasAddress: true).dropFirst()
                        + ["\(Int(Sample(results.map { Double($0.acked) }).median ?? 0))"])
                guard event != .redisKilled else { continue }
                let lost = results.reduce(0) { $0 + ($1.lost ?? 0) }
                report.targets.append(
                    Target(
                        what: "\(event.rawValue), clients: \(clients): acked writes lost, all runs", limit: "0",
                        measured: "\(lost)", isMet: lost == 0 && results.count == runs))
            }
        }
        report.add(table)
    }

    private func measure(
        _ run: FailoverRun, lanes: Int, into report: inout BenchReport
    ) async -> [FailoverRun.Result] {
        let (runs, lanes) = (runs, min(lanes, runs))
        let outcomes = await withTaskGroup(of: [Swift.Result<FailoverRun.Result, any Error>].self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    var outcomes: [Swift.Result<FailoverRun.Result, any Error>] = []
                    for _ in 0..<runs / lanes + (lane < runs % lanes ? 1 : 0) {
                        do { outcomes.append(.success(try await run.once())) } catch {
                            outcomes.append(.failure(error))
                        }
                    }
                    return outcomes
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        return outcomes.compactMap { outcome in
            switch outcome {
            case .success(let result):
                Progress.say("  \(result)")
                return result
            case .failure(let error):
                report.failures.append("\(run.contender.name), \(run.event.rawValue): \(error)")
                Progress.say("  \(error)")
                return nil
            }
        }
    }

    static func cells(_ name: String, _ results: [FailoverRun.Result], hasAddress: Bool) -> [String] {
        let gaps = Sample(results.compactMap(\.gap))
        let lost = Sample(results.compactMap { $0.lost.map(Double.init) })
        let whole = { (value: Double?) in value.map { "\(Int($0))" } ?? "-" }
        return [
            name, "\(results.count)", gaps.median.text, gaps.max.text,
            Sample(results.compactMap(\.recovered)).median.text,
            whole(lost.median), whole(lost.max),
            hasAddress ? Sample(results.map(\.twoAddresses)).max.text : "no address",
            Sample(results.map(\.twoMasters)).max.text, "\(results.count { $0.gap == nil })",
        ]
    }
}

extension ContenderKind {
    /// Whether clients find the master by a virtual address.
    var hasAddress: Bool { self != .sentinelSlow && self != .sentinelFast }
}

extension FailoverEvent {
    /// What `--event` calls it.
    var word: String {
        switch self {
        case .redisKilled: "redis-killed"
        case .redisRestarted: "redis-restarted"
        case .redisHung: "redis-hung"
        case .daemonKilled: "daemon-killed"
        case .hostKilled: "host-killed"
        case .switchover: "switchover"
        }
    }
}
