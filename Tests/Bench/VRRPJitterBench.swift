import Foundation
import NetworkLab

/// How regular advertisements are. All routers of a row's conditions run at the same time, each in a lab of its own: they
/// share whatever else the machine does.
struct JitterBench {
    private struct Contestant: Sendable {
        var make: RouterMake
        var isRealTime: Bool
        var name: String { "\(make)\(isRealTime ? ", real-time" : "")" }
    }

    let duration: Duration
    private let contestants = [
        Contestant(make: .syncgate, isRealTime: false), Contestant(make: .keepalived, isRealTime: false),
        Contestant(make: .syncgate, isRealTime: true), Contestant(make: .keepalived, isRealTime: true),
    ]

    func run(into report: inout BenchReport) async {
        var table = Table(
            title: "Regularity of advertisements",
            note:
                "|time between two advertisements - interval|, µs, by packet capture; drift: the mean of the time between "
                + "two less the interval. Busy: stress-ng on every processor. The routers of a condition run side by side.",
            columns: ["interval", "machine", "router", "packets", "median", "p99", "max", "drift"])
        for interval in [100, 10] {
            for isBusy in [false, true] {
                let condition = "\(interval) ms, \(isBusy ? "busy" : "idle")"
                Progress.say("regularity: \(condition), \(duration)")
                do {
                    let times =
                        isBusy
                        ? try await BusyMachine.during { try await measure(.milliseconds(interval)) }
                        : try await measure(.milliseconds(interval))
                    let samples = times.map { deviations($0, .milliseconds(interval)) }
                    for (contestant, (sample, drift)) in zip(contestants, samples) {
                        table.rows.append([
                            "\(interval) ms", isBusy ? "busy" : "idle", contestant.name, "\(sample.count + 1)",
                            sample.median.text, sample.p99.text, sample.max.text, Double?(drift).text,
                        ])
                    }
                    judge(samples.map(\.sample), condition, &report)
                } catch {
                    report.failures.append("regularity, \(condition): \(error)")
                }
            }
        }
        report.add(table)
    }

    /// Ours against theirs under the same scheduling. The median is what the code does; without real-time priority the
    /// p99 is what the rest of the machine does, and differs from one run to the next. 20 µs are what a capture is good for.
    private func judge(_ samples: [Sample], _ condition: String, _ report: inout BenchReport) {
        let figures = [
            ("median", samples[0].median, samples[1].median),
            ("real-time, median", samples[2].median, samples[3].median),
            ("real-time, p99", samples[2].p99, samples[3].p99),
        ]
        for (what, ours, theirs) in figures {
            report.targets.append(
                Target(
                    what: "regularity, \(condition): \(what), no worse than keepalived's", limit: "\(theirs.text) µs",
                    measured: "\(ours.text) µs", isMet: (ours ?? .infinity) <= (theirs ?? 0) + 20))
        }
    }

    private func deviations(_ times: [WallTime], _ interval: Duration) -> (sample: Sample, drift: Double) {
        let gaps = zip(times, times.dropFirst()).map { ($1 - $0 - interval) / .microseconds(1) }
        return (Sample(gaps.map(abs)), gaps.reduce(0, +) / Double(max(gaps.count, 1)))
    }

    /// The times of each contestant's advertisements.
    private func measure(_ interval: Duration) async throws -> [[WallTime]] {
        let duration = duration
        return try await withThrowingTaskGroup(of: (Int, [WallTime]).self) { group in
            for (index, contestant) in contestants.enumerated() {
                group.addTask {
                    var plan = SegmentPlan()
                    (plan.interval, plan.isRealTime) = (interval, contestant.isRealTime)
                    let times = try await withNetworkLab(leaves: 1) { [plan] lab in
                        let router = try await LabRouter(contestant.make, lab, on: lab[1], plan, priority: 100)
                        try await router.wait(for: "active")
                        let capture = try await PacketCapture(lab, filter: "ip proto 112")
                        try await Task.sleep(for: duration)
                        return Heartbeats(try await capture.stop()).times(of: lab[1].ipv4)
                    }
                    return (index, times)
                }
            }
            var all = [[WallTime]](repeating: [], count: contestants.count)
            for try await (index, times) in group { all[index] = times }
            return all
        }
    }
}
