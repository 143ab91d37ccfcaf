import ArgumentParser
import Foundation
import NetworkLab
import RedisLab

/// What can be chosen with `vrrp --only`.
enum VRRPPart: String, ExpressibleByArgument, CaseIterable {
    case takeover, jitter, many, flood, endurance
}

/// `scripts/bench vrrp`: the heartbeat in a lab of network namespaces, beside real keepalived.
struct VRRPBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vrrp",
        abstract: "Measure the heartbeat in network namespaces of this machine, beside keepalived. Needs root.")

    @Option(help: "Takeovers of each kind.")
    var runs = 20

    @Option(help: "How long advertisements are timed, and floods last.")
    var seconds = 30

    @Option(help: "How long two routers at 10 ms have to stand a busy machine.")
    var minutes = 10

    @Option(parsing: .upToNextOption, help: "Parts to run; all unless given.")
    var only: [VRRPPart] = []

    @Flag(help: "A smoke run: every part, short, and no targets.")
    var quick = false

    @Option(
        help: ArgumentHelp("Write the report there too: JSON when it ends in .json, Markdown else.", valueName: "file"))
    var output: String?

    func validate() throws {
        guard runs > 0, seconds > 0, minutes > 0 else {
            throw ValidationError("--runs, --seconds and --minutes must be at least 1")
        }
    }

    func run() async throws {
        if let reason = NetworkLab.whyUnavailable ?? Keepalived.whyUnavailable { throw ValidationError(reason) }
        var report = BenchReport()
        print(report.head, terminator: "")
        let duration = Duration.seconds(quick ? 5 : seconds)
        let wants = { (part: VRRPPart) in only.isEmpty || only.contains(part) }
        if wants(.takeover) { await TakeoverBench(runs: quick ? 2 : runs).run(into: &report) }
        if wants(.jitter) { await JitterBench(duration: duration).run(into: &report) }
        if wants(.many) { await ManyRoutersBench(count: 50, duration: duration).run(into: &report) }
        if wants(.flood) { await FloodBench(duration: duration).run(into: &report) }
        if wants(.endurance) {
            await EnduranceBench(duration: quick ? .seconds(10) : .seconds(60 * minutes)).run(into: &report)
        }
        if quick { report.targets = [] }
        try report.finish(output: output)
    }
}

/// All processors busy, by stress-ng.
enum BusyMachine {
    /// Runs `body` while they are.
    static func during<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        let folder = try TemporaryDirectory.make()
        defer { TemporaryDirectory.remove(folder) }
        let stress = try await ChildProcess.start(
            path: "/usr/bin/stress-ng", arguments: ["--cpu", "\(ProcessInfo.processInfo.activeProcessorCount)"],
            log: "\(folder)/log")
        do {
            try await waitUntil("stress-ng runs: \(TemporaryDirectory.tail(of: "\(folder)/log"))") {
                if !stress.isRunning { throw BenchError("stress-ng: \(TemporaryDirectory.tail(of: "\(folder)/log"))") }
                return TemporaryDirectory.tail(of: "\(folder)/log").contains("dispatching hogs")
            }
            let value = try await body()
            await end(stress)
            return value
        } catch {
            await end(stress)
            throw error
        }
    }

    private static func end(_ stress: ChildProcess) async {
        // It ends its workers.
        stress.signal(SIGTERM)
        await stress.waitForExit()
    }
}
