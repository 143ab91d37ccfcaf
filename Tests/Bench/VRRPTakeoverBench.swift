import Foundation
import NetworkLab

/// How long nobody is Active: from the dead router's last packet to the first advertisement of the other, beside the formula.
struct TakeoverBench {
    /// What is timed.
    struct Course: Sendable {
        var name: String
        var plan: SegmentPlan
        /// How many labs at a time; most of a takeover is waiting.
        var lanes: Int

        /// Of priority 100: 156/256 of the interval. RFC 9568 §6.1, RFC 3768 §6.1.
        var skew: Duration { plan.interval * 156 / 256 }
        /// Three intervals and the skew.
        var activeDown: Duration { plan.interval * 3 + skew }

        init(_ name: String, version: Int, _ interval: Duration, lanes: Int, isRealTime: Bool = false) {
            (self.name, self.lanes) = (name, lanes)
            plan = SegmentPlan()
            (plan.version, plan.interval, plan.isRealTime) = (version, interval, isRealTime)
        }
    }

    /// One takeover, ms.
    private struct Takeover: Sendable {
        var wasKilled: Bool
        /// From the last packet of the old one.
        var afterLastPacket: Double
        /// From the signal that ended it.
        var afterSignal: Double
    }

    let runs: Int
    private let courses = [
        Course("v2, 1 s", version: 2, .seconds(1), lanes: 5),
        Course("v3, 100 ms", version: 3, .milliseconds(100), lanes: 2),
        Course("v3, 10 ms", version: 3, .milliseconds(10), lanes: 1),
        Course("v3, 10 ms, real-time", version: 3, .milliseconds(10), lanes: 1, isRealTime: true),
    ]

    func run(into report: inout BenchReport) async {
        var table = Table(
            title: "Takeover",
            note: "ms, from the old router's last packet to the new one's first advertisement; priorities 150 and 100. "
                + "\"From the signal\" is from SIGKILL or SIGTERM on.",
            columns: [
                "protocol", "event", "router", "runs", "formula", "median", "p99", "max", "median - formula",
                "from the signal, median",
            ])
        for course in courses {
            for make in RouterMake.allCases {
                Progress.say("takeover: \(course.name), \(runs) runs of \(make)")
                do {
                    let takeovers = try await measure(course, make)
                    for wasKilled in [true, false] {
                        add(takeovers.filter { $0.wasKilled == wasKilled }, course, make, wasKilled, &table, &report)
                    }
                } catch {
                    report.failures.append("takeover, \(course.name), \(make): \(error)")
                }
            }
        }
        report.add(table)
    }

    private func add(
        _ takeovers: [Takeover], _ course: Course, _ make: RouterMake, _ wasKilled: Bool, _ table: inout Table,
        _ report: inout BenchReport
    ) {
        let sample = Sample(takeovers.map(\.afterLastPacket))
        let formula = (wasKilled ? course.activeDown : course.skew).inMilliseconds
        let event = wasKilled ? "killed" : "stopped"
        let difference = sample.median.map { $0 - formula }
        table.rows.append([
            course.name, event, "\(make)", "\(sample.count)", Double?(formula).text, sample.median.text,
            sample.p99.text,
            sample.max.text, difference.text, Sample(takeovers.map(\.afterSignal)).median.text,
        ])
        guard make == .syncgate else { return }
        report.targets.append(
            Target(
                what: "takeover, \(course.name), \(event): median - formula", limit: "5 ms",
                measured: "\(difference.text) ms",
                isMet: difference.map { abs($0) <= 5 } ?? false))
    }

    private func measure(_ course: Course, _ make: RouterMake) async throws -> [Takeover] {
        try await withThrowingTaskGroup(of: [Takeover].self) { group in
            let lanes = min(course.lanes, runs)
            for lane in 0..<lanes {
                let share = runs / lanes + (lane < runs % lanes ? 1 : 0)
                group.addTask { try await self.lane(course, make, runs: share) }
            }
            var all: [Takeover] = []
            for try await some in group { all += some }
            return all
        }
    }

    private func lane(_ course: Course, _ make: RouterMake, runs: Int) async throws -> [Takeover] {
        try await withNetworkLab(leaves: 2) { lab in
            let survivor = try await LabRouter(make, lab, on: lab[2], course.plan, priority: 100)
            var takeovers: [Takeover] = []
            for _ in 0..<runs {
                for wasKilled in [false, true] {
                    let capture = try await PacketCapture(lab, filter: "ip proto 112")
                    let router = try await LabRouter(make, lab, on: lab[1], course.plan, priority: 150)
                    try await router.wait(for: "active")
                    try await survivor.wait(for: "backup")
                    let settled = WallTime.now
                    try await waitUntil("two advertisements") {
                        try Heartbeats(capture.packets()).times(of: lab[1].ipv4).count { $0 > settled } >= 2
                    }
                    let signal = WallTime.now
                    if wasKilled { await router.kill() } else { await router.stop() }
                    takeovers.append(try await takeover(wasKilled, signal, capture, lab))
                }
            }
            return takeovers
        }
    }

    private func takeover(
        _ wasKilled: Bool, _ signal: WallTime, _ capture: PacketCapture, _ lab: NetworkLab
    ) async throws -> Takeover {
        let (old, new) = (lab[1].ipv4, lab[2].ipv4)
        let first = try await waitFor("the takeover") {
            try Heartbeats(capture.packets()).times(of: new).first { $0 > signal }
        }
        let heartbeats = Heartbeats(try await capture.stop())
        guard let after = heartbeats.takeover(from: old, to: new),
            heartbeats.resignations(of: old).isEmpty == wasKilled
        else { throw BenchError("the capture shows no such takeover") }
        return Takeover(
            wasKilled: wasKilled, afterLastPacket: after.inMilliseconds, afterSignal: (first - signal).inMilliseconds)
    }
}
