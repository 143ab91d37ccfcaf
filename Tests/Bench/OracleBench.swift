import ArgumentParser
import Foundation
import LossOracle
import NetworkLab
import RedisLab

/// `scripts/oracle`: whether SyncGate tells the truth about what a failover loses, and keeps it.
struct OracleBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "oracle",
        abstract:
            "Compare what clients were acknowledged with what SyncGate reports, saves and replays, over many failovers.",
        discussion: "Needs root. Exits with 1 when a promise is broken.")

    @Option(help: "How many failovers.")
    var failovers = 200

    @Option(help: "Decides what happens when; the same seed plans the same failovers.")
    var seed: UInt64 = 1

    @Option(parsing: .upToNextOption, help: "Only these of them, by number.")
    var only: [Int] = []

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Redis versions; all unless given.", valueName: "version"))
    var version: [VersionArgument] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "redis-killed, redis-hung, cut-off, daemon-killed, switchover; all unless given.", valueName: "event"))
    var event: [EventArgument] = []

    @Option(help: "Writes in a second through the virtual address; as fast as it goes unless given.")
    var rate: Int?

    @Option(help: ArgumentHelp("Where logs of failovers go that broke a promise.", valueName: "folder"))
    var logs = "/tmp/syncgate-oracle"

    @Option(
        help: ArgumentHelp("Write the report there too: JSON when it ends in .json, Markdown else.", valueName: "file"))
    var output: String?

    func validate() throws {
        guard failovers > 0 else { throw ValidationError("--failovers must be at least 1") }
        guard rate.map({ $0 > 0 }) ?? true else { throw ValidationError("--rate must be at least 1") }
        if let wrong = only.first(where: { !(1...failovers).contains($0) }) {
            throw ValidationError("--only \(wrong): there are failovers 1 to \(failovers)")
        }
    }

    func run() async throws {
        if let reason = NetworkLab.whyUnavailable { throw ValidationError(reason) }
        let wanted = version.isEmpty ? RedisVersion.allCases : version.map(\.version)
        let versions = wanted.filter { $0.serverPath != nil }
        guard !versions.isEmpty else { throw ValidationError("none of \(wanted) is on this machine") }
        let missing = wanted.filter { $0.serverPath == nil }.map(\.rawValue)
        if !missing.isEmpty { Progress.say("not on this machine, left out: \(missing)") }
        let pairs = TrialPlan.all(failovers, seed: seed, versions: versions, events: event.map(\.event))
            .map { $0.filter { only.isEmpty || only.contains($0.number) } }
        var ledger = OracleReport(again: again)
        print(ledger.report.head, terminator: "")
        ledger.canReplay = try await Salvaging.canReplay()
        if !ledger.canReplay {
            Progress.say("this build has no `syncgate salvage replay`: what it promises is not looked at")
        }
        for plans in pairs { await run(plans, into: &ledger) }
        try ledger.finish(output: output, missing: missing)
    }

    /// The command that plans the same again.
    private var again: String {
        var words = ["scripts/oracle", "--failovers", "\(failovers)", "--seed", "\(seed)"]
        if !version.isEmpty { words += ["--version"] + version.map { $0.version.rawValue } }
        if !event.isEmpty { words += ["--event"] + event.map(\.event.rawValue) }
        if let rate { words += ["--rate", "\(rate)"] }
        return words.joined(separator: " ")
    }

    /// One pair, over its failovers; after one that does not come to its end, a new pair.
    private func run(_ plans: [TrialPlan], into ledger: inout OracleReport) async {
        var pair: PairLab?
        for plan in plans {
            Progress.say("\(plan)")
            do {
                let current: PairLab
                if let pair { current = pair } else { current = try await Trial.pair(for: plan) }
                pair = current
                let start = ContinuousClock.now
                let result = try await Trial(current, plan).run(rate: rate)
                ledger.add(result, took: ContinuousClock.now - start)
                if !result.verdict.broken.isEmpty { keepLogs(of: current, plan) }
            } catch {
                ledger.fail(plan, "\(error)")
                if let failed = pair { keepLogs(of: failed, plan) }
                await pair?.lab.remove()
                pair = nil
            }
        }
        await pair?.lab.remove()
    }

    private func keepLogs(of pair: PairLab, _ plan: TrialPlan) {
        let path = "\(logs)/failover-\(plan.number).log"
        do {
            try FileManager.default.createDirectory(atPath: logs, withIntermediateDirectories: true)
            try Data("\(plan)\n\(pair.logs)".utf8).write(to: URL(fileURLWithPath: path))
            Progress.say("  logs: \(path)")
        } catch { Progress.say("  no logs: \(error)") }
    }
}

/// An event as an argument.
struct EventArgument: ExpressibleByArgument {
    let event: TrialEvent

    init?(argument: String) {
        guard let event = TrialEvent(rawValue: argument) else { return nil }
        self.event = event
    }

    static var allValueStrings: [String] { TrialEvent.allCases.map(\.rawValue) }
}
