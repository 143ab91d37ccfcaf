import Foundation
import NetworkLab

/// Two routers of ours at 10 ms on a busy machine: nobody dies, so each takeover is a false one.
struct EnduranceBench {
    let duration: Duration

    private struct Outcome: Sendable {
        var falseTakeovers: Int
        var packets: Int
        var longestGap: Double
        var contest: Double
    }

    func run(into report: inout BenchReport) async {
        var table = Table(
            title: "False takeovers at 10 ms, every processor busy",
            note:
                "Two routers, priorities 150 and 100, for \(duration); the pairs run side by side. Times in ms; the longest "
                + "gap between two advertisements of the Active router is to be compared with its Backup's patience of 36.1 ms.",
            columns: ["router", "advertisements", "false takeovers", "longest gap", "both Active, longest"])
        Progress.say("false takeovers: \(duration)")
        let pairs: [(RouterMake, Bool)] = [
            (.syncgate, true), (.syncgate, false), (.keepalived, true), (.keepalived, false),
        ]
        do {
            let outcomes = try await BusyMachine.during {
                try await withThrowingTaskGroup(of: (Int, Outcome).self) { group in
                    for (index, pair) in pairs.enumerated() {
                        group.addTask { (index, try await self.pair(pair.0, isRealTime: pair.1)) }
                    }
                    var all: [Int: Outcome] = [:]
                    for try await (index, outcome) in group { all[index] = outcome }
                    return pairs.indices.compactMap { all[$0] }
                }
            }
            for (pair, outcome) in zip(pairs, outcomes) {
                table.rows.append([
                    "\(pair.0)\(pair.1 ? ", real-time" : "")", "\(outcome.packets)", "\(outcome.falseTakeovers)",
                    Double?(outcome.longestGap).text, Double?(outcome.contest).text,
                ])
            }
            report.targets.append(
                Target(
                    what: "false takeovers at 10 ms in \(duration), busy, real-time", limit: "0",
                    measured: "\(outcomes[0].falseTakeovers)", isMet: outcomes[0].falseTakeovers == 0))
        } catch {
            report.failures.append("false takeovers: \(error)")
        }
        report.add(table)
    }

    private func pair(_ make: RouterMake, isRealTime: Bool) async throws -> Outcome {
        var plan = SegmentPlan()
        (plan.interval, plan.isRealTime) = (.milliseconds(10), isRealTime)
        let duration = duration
        return try await withNetworkLab(leaves: 2) { [plan] lab in
            let first = try await LabRouter(make, lab, on: lab[1], plan, priority: 150)
            let second = try await LabRouter(make, lab, on: lab[2], plan, priority: 100)
            try await first.wait(for: "active")
            try await second.wait(for: "backup")
            let statesBefore = second.states.count
            let capture = try await PacketCapture(lab, filter: "ip proto 112")
            try await Task.sleep(for: duration)
            let heartbeats = Heartbeats(try await capture.stop())
            let times = heartbeats.times(of: lab[1].ipv4)
            let gaps = zip(times, times.dropFirst()).map { ($1 - $0).inMilliseconds }
            return Outcome(
                falseTakeovers: second.states.dropFirst(statesBefore).count { $0 == "active" },
                packets: heartbeats.packets.count, longestGap: gaps.max() ?? 0,
                contest: heartbeats.longestContest(interval: plan.interval).inMilliseconds)
        }
    }
}
