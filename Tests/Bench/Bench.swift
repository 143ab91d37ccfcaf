import ArgumentParser
import Foundation
import RedisLab

/// What can be chosen with `--only`.
enum Part: String, ExpressibleByArgument, CaseIterable {
    case switchover, gate, throttled, lag
}

/// `scripts/bench` builds and runs this; docs/benchmark.md says what the rows mean.
@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "syncgate-bench", abstract: "Measure SyncGate.",
        discussion: "Exits with 1 when a target is missed or a run fails.",
        subcommands: [
            RedisBench.self, VRRPBench.self, FailoverBench.self, OracleBench.self, VRRPRoutersCommand.self,
        ],
        defaultSubcommand: RedisBench.self)
}

/// The data: switchovers and lag.
struct RedisBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redis",
        abstract: "Measure SyncGate on real Redis servers, on loopback, beside FAILOVER and the classic 'sleep 10'.")

    @Option(help: "Switchovers by syncgate on 7.0 and 8.2; a fifth of that on the other versions and by FAILOVER.")
    var runs = 50

    @Option(parsing: .upToNextOption, help: "Parts to run; all unless given.")
    var only: [Part] = []

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Redis versions; all unless given.", valueName: "version"))
    var redis: [VersionArgument] = []

    @Flag(help: "A smoke run: every part, two runs of each, and no targets.")
    var quick = false

    @Option(
        help: ArgumentHelp("Write the report there too: JSON when it ends in .json, Markdown else.", valueName: "file"))
    var output: String?

    private func wants(_ part: Part) -> Bool { only.isEmpty || only.contains(part) }

    func validate() throws {
        guard runs > 0 else { throw ValidationError("--runs must be at least 1") }
    }

    func run() async throws {
        var report = BenchReport()
        print(report.head, terminator: "")
        let missing = (redis.isEmpty ? RedisVersion.allCases : redis.map(\.version)).filter { $0.serverPath == nil }
        if !missing.isEmpty { Progress.say("not on this machine, left out: \(missing.map(\.rawValue))") }
        if wants(.switchover) || wants(.gate) {
            let gateAlone = !wants(.switchover)
            await SwitchoverBench(plan: switchovers(gateAlone: gateAlone)).run(into: &report, only: gateAlone)
        }
        if wants(.throttled) { await throttled.run(into: &report) }
        if wants(.lag) { await LagBench(versions: chosen([.v7_0, .v8_2]), runs: quick ? 2 : 20).run(into: &report) }
        if quick { report.targets.removeAll { $0.limit != "0" } }
        try report.finish(output: output)
    }

    /// Those of `versions` that were asked for and exist.
    private func chosen(_ versions: [RedisVersion]) -> [RedisVersion] {
        versions.filter { $0.serverPath != nil && (redis.isEmpty || redis.map(\.version).contains($0)) }
    }

    private func switchovers(gateAlone: Bool) -> [(version: RedisVersion, method: Method, runs: Int)] {
        let few = max(runs / 5, 1)
        var plan: [(version: RedisVersion, method: Method, runs: Int)] = []
        for version in chosen([.v7_0, .v8_2, .v6_2, .v5_0, .v3_2, .v2_8]) {
            let isMain = SwitchoverBench.targetVersions.contains(version)
            plan.append((version, .syncgate, isMain ? runs : few))
            if gateAlone { continue }
            if version >= .v6_2 { plan.append((version, .failover, few)) }
            guard isMain || version == .v5_0 else { continue }
            if !quick { plan.append((version, .classic(sleep: 10), min(runs, 3))) }
            plan.append((version, .classic(sleep: 1), min(runs, 3)))
        }
        return quick ? plan.map { ($0.version, $0.method, 2) } : plan
    }

    private var throttled: ThrottledBench {
        let versions = chosen([.v7_0, .v5_0])
        return quick
            ? ThrottledBench(
                versions: versions, megabytes: 20, plan: [(.syncgate, 20), (.classic(sleep: 1), 10)])
            : ThrottledBench(
                versions: versions, megabytes: 200,
                plan: [(.syncgate, 40), (.syncgate, 10), (.classic(sleep: 10), 10), (.patientClassic(sleep: 10), 10)])
    }
}

/// A version as an argument.
struct VersionArgument: ExpressibleByArgument {
    let version: RedisVersion

    init?(argument: String) {
        guard let version = RedisVersion(rawValue: argument) else { return nil }
        self.version = version
    }

    static var allValueStrings: [String] { RedisVersion.allCases.map(\.rawValue) }
}
