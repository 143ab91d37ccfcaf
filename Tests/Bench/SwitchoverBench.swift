import RedisClient
import RedisLab

/// Parts 1 and 2: switchovers under writers at full speed.
struct SwitchoverBench {
    /// How often each method runs on each version.
    let plan: [(version: RedisVersion, method: Method, runs: Int)]
    /// Versions for which the targets hold.
    static let targetVersions: [RedisVersion] = [.v7_0, .v8_2]
    private static let clients = 4
    /// The writers write so long before, and so many writes after.
    private static let warmUp: Duration = .milliseconds(300)
    private static let writesAfter = 200

    func run(into report: inout BenchReport, only gateAlone: Bool) async {
        var gaps = Table(
            title: "Switchover under \(Self.clients) writers at full speed",
            note:
                "Write gap as the clients saw it: last acknowledgement by the old master to first by the new one, ms.",
            columns: [
                "method", "redis", "runs", "writes acked", "acked lost", "most in a run", "gap median", "gap p99",
                "gap max",
            ])
        var gate = Table(
            title: "From \"the replica has applied the target\" to \"SLAVEOF NO ONE is sent\"",
            note:
                "ms. From the first reading that showed it, and (bound) from the last that did not: the truth is between. "
                + "Fence: from raising it to the promotion.",
            columns: [
                "redis", "runs", "median", "p99", "max", "bound median", "bound p99", "bound max", "fence median",
                "fence max",
            ])
        for (version, method, count) in plan {
            Progress.say("switchover: \(method.name), Redis \(version), \(count) runs")
            let runs = await series(version, method, count, &report)
            gaps.rows.append(Self.gapRow(version, method, runs))
            if method == .syncgate {
                gate.rows.append(Self.gateRow(version, runs.compactMap(\.timeline)))
                Self.addTargets(version, runs, wanted: count, to: &report)
            }
        }
        if !gateAlone { report.add(gaps) }
        report.add(gate)
    }

    /// The runs of one method on one pair, whose roles alternate. A run that fails is reported, and a new pair taken.
    private func series(
        _ version: RedisVersion, _ method: Method, _ count: Int, _ report: inout BenchReport
    ) async -> [SwitchoverRun] {
        var runs: [SwitchoverRun] = []
        var failures = 0
        while runs.count < count, failures < 3 {
            do {
                let pair = try await RedisPair.start(version)
                var roles = Roles(old: pair.master, new: pair.replica, stateDirectory: pair.stateDirectory)
                do {
                    while runs.count < count {
                        runs.append(try await Self.once(method, roles))
                        swap(&roles.old, &roles.new)
                    }
                } catch {
                    await pair.stop()
                    throw error
                }
                await pair.stop()
            } catch {
                failures += 1
                report.failures.append("\(method.name) on Redis \(version): \(error)")
                Progress.say(report.failures.last ?? "")
            }
        }
        return runs
    }

    private static func once(_ method: Method, _ roles: Roles) async throws -> SwitchoverRun {
        // An empty data set, so that no key of an earlier run can pass for one of this run.
        try await RedisPair.send(["FLUSHALL"], to: roles.old)
        try await roles.settle()
        let load = WriteLoad([roles.old.url, roles.new.url], clients: clients)
        do {
            try await Task.sleep(for: warmUp)
            let timeline = try await roles.perform(method, under: load)
            await load.waitForWrites(writesAfter)
            let account = try await load.stop(lookingAt: roles.new.url)
            guard let gap = account.writeGap else { throw BenchError("nobody wrote to the new master") }
            return SwitchoverRun(
                acknowledged: account.acknowledgements.count, lost: account.lost.count, gap: gap, timeline: timeline)
        } catch {
            _ = try? await load.stop(lookingAt: roles.new.url)
            throw error
        }
    }

    private static func gapRow(_ version: RedisVersion, _ method: Method, _ runs: [SwitchoverRun]) -> [String] {
        let gaps = Sample(runs.map(\.gap.inMilliseconds))
        let lost = runs.map(\.lost)
        return [
            method.name, "\(version)", "\(runs.count)", "\(runs.reduce(0) { $0 + $1.acknowledged })",
            "\(lost.reduce(0, +))", "\(lost.max() ?? 0)", gaps.median.text, gaps.p99.text, gaps.max.text,
        ]
    }

    private static func gateRow(_ version: RedisVersion, _ timelines: [Timeline]) -> [String] {
        let seen = Sample(timelines.map { $0.sent - $0.applied })
        let bound = Sample(timelines.map { $0.sent - $0.behind })
        let fence = Sample(timelines.map(\.writeGap))
        return [
            "\(version)", "\(timelines.count)", seen.median.text, seen.p99.text, seen.max.text, bound.median.text,
            bound.p99.text, bound.max.text, fence.median.text, fence.max.text,
        ]
    }

    private static func addTargets(
        _ version: RedisVersion, _ runs: [SwitchoverRun], wanted: Int, to report: inout BenchReport
    ) {
        let lost = runs.reduce(0) { $0 + $1.lost }
        report.targets.append(
            Target(
                what: "Redis \(version): acked writes lost in \(wanted) switchovers", limit: "0", measured: "\(lost)",
                isMet: lost == 0 && runs.count == wanted))
        guard targetVersions.contains(version) else { return }
        let gaps = Sample(runs.map(\.gap.inMilliseconds))
        let seen = Sample(runs.compactMap(\.timeline).map { $0.sent - $0.applied })
        for (what, value, limit) in [
            ("write gap, median", gaps.median, 10.0), ("write gap, p99", gaps.p99, 50),
            ("applied to SLAVEOF NO ONE sent, median", seen.median, 1),
        ] {
            report.targets.append(
                Target(
                    what: "Redis \(version): \(what)", limit: "\(Int(limit)) ms", measured: "\(value.text) ms",
                    isMet: (value ?? .infinity) <= limit))
        }
    }
}
