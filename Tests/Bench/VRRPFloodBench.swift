import Foundation
import NetworkLab

/// What 100,000 hostile packets a second do to two routers of ours.
struct FloodBench {
    private struct Attack: Sendable {
        var name: String
        var kinds: [HostileFlood.Kind]
        var version: UInt8 = 3
        var isUnicast = false
    }

    private struct Outcome: Sendable {
        var rate: Double
        var advertisements: Int
        var longestGap: Double
        var transitions: Int
        /// KiB, of the Active router and of the Backup: before, and after.
        var memory: [(before: Int, after: Int)]
        /// Processor shares, percent.
        var shares: [Double]
    }

    let duration: Duration
    private let attacks = [
        Attack(name: "group: wrong VRID", kinds: [.wrongVirtualRouterID]),
        Attack(name: "group: wrong TTL, bad checksum, truncated", kinds: [.wrongHopLimit, .badChecksum, .truncated]),
        Attack(
            name: "v2 PASS: wrong password, checksum, TTL", kinds: [.wrongPassword, .badChecksum, .wrongHopLimit],
            version: 2),
        Attack(
            name: "unicast: a stranger, lower and higher priority", kinds: [.lowerPriority, .higherPriority],
            isUnicast: true),
    ]

    func run(into report: inout BenchReport) async {
        var table = Table(
            title: "Under a flood of hostile packets",
            note:
                "Two routers with real-time priority, v3 at 100 ms (v2: 1 s), for \(duration). Missed: gaps of twice the "
                + "interval or more. Memory in KiB (resident) before and after, processor shares in percent, of the Active "
                + "router and of the Backup.",
            columns: [
                "packets", "per second", "advertisements", "longest gap ms", "transitions", "memory Active",
                "memory Backup",
                "cpu Active", "cpu Backup",
            ])
        for attack in attacks {
            Progress.say("flood: \(attack.name), \(duration)")
            do {
                let outcome = try await measure(attack)
                table.rows.append([
                    attack.name, Double?(outcome.rate).text, "\(outcome.advertisements)",
                    Double?(outcome.longestGap).text,
                    "\(outcome.transitions)", "\(outcome.memory[0].before) → \(outcome.memory[0].after)",
                    "\(outcome.memory[1].before) → \(outcome.memory[1].after)", Double?(outcome.shares[0]).text,
                    Double?(outcome.shares[1]).text,
                ])
                judge(outcome, attack, &report)
            } catch {
                report.failures.append("flood, \(attack.name): \(error)")
            }
        }
        report.add(table)
    }

    private func judge(_ outcome: Outcome, _ attack: Attack, _ report: inout BenchReport) {
        let interval = attack.version == 2 ? 1000.0 : 100
        let growth = outcome.memory.map { $0.after - $0.before }.max() ?? 0
        report.targets += [
            Target(
                what: "flood, \(attack.name): longest gap", limit: "\(Int(interval * 2)) ms",
                measured: "\(Double?(outcome.longestGap).text) ms", isMet: outcome.longestGap < interval * 2),
            Target(
                what: "flood, \(attack.name): transitions", limit: "0", measured: "\(outcome.transitions)",
                isMet: outcome.transitions == 0),
            Target(
                what: "flood, \(attack.name): memory grows by", limit: "1024 KiB", measured: "\(growth) KiB",
                isMet: growth <= 1024),
        ]
    }

    private func measure(_ attack: Attack) async throws -> Outcome {
        var plan = SegmentPlan()
        plan.version = Int(attack.version)
        plan.interval = attack.version == 2 ? .seconds(1) : .milliseconds(100)
        plan.password = attack.version == 2 ? "secret" : nil
        (plan.isUnicast, plan.routers, plan.isRealTime) = (attack.isUnicast, [1, 2], true)
        let duration = duration
        return try await withNetworkLab(leaves: 3) { [plan] lab in
            let routers = [
                try await LabRouter(.syncgate, lab, on: lab[1], plan, priority: 150),
                try await LabRouter(.syncgate, lab, on: lab[2], plan, priority: 100),
            ]
            try await routers[0].wait(for: "active")
            let ids = try routers.map { try $0.processID.orThrow("no process") }
            let states = routers.map(\.states.count)
            let capture = try await PacketCapture(lab, filter: "ip proto 112 and not src host \(lab[3].ipv4)")
            let floods = try await HostileFlood.onPair(
                attack.kinds, version: attack.version, isUnicast: attack.isUnicast, in: lab, plan)
            // The first packets make buffers grow to what they need.
            try await Task.sleep(for: .seconds(1))
            let before = try ids.map { try ProcessUse(of: [$0]) }
            try await Task.sleep(for: duration)
            let after = try ids.map { try ProcessUse(of: [$0]) }
            var rate = 0.0
            for flood in floods { rate += try await flood.stop() }
            let heartbeats = Heartbeats(try await capture.stop())
            let gaps = zip(heartbeats.packets, heartbeats.packets.dropFirst()).map {
                ($1.time - $0.time).inMilliseconds
            }
            return Outcome(
                rate: rate, advertisements: heartbeats.packets.count, longestGap: gaps.max() ?? .infinity,
                transitions: zip(routers, states).reduce(0) { $0 + $1.0.states.count - $1.1 },
                memory: zip(before, after).map { ($0.residentKiB, $1.residentKiB) },
                shares: zip(before, after).map { $1.share(since: $0) })
        }
    }
}
