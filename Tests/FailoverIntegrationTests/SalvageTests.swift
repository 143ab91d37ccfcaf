import Foundation
import LossOracle
import NetworkLab
import RedisLab
import Testing

/// What a failover loses is counted, kept, and can be put back. `scripts/oracle` does the same two hundred times.
@Suite(
    .serialized,
    .enabled(if: PairTesting.isAvailable, Comment(rawValue: PairTesting.whyUnavailable ?? "")))
struct SalvageTests {
    static let versions = [RedisVersion.v7_0, .v2_8].filter { $0.serverPath != nil }

    @Test(.timeLimit(.minutes(2)), arguments: versions)
    func `a Redis that hung, and a node that was cut off`(_ version: RedisVersion) async throws {
        try await Self.run([
            TrialPlan(version, .redisHung), TrialPlan(version, .cutOff, back: .seconds(3)),
            TrialPlan(version, .cutOff, back: .milliseconds(500), isSilent: true),
        ]) { plan, verdict in
            // Its own host went on writing to it.
            if plan.event == .cutOff { #expect(verdict.lost > 0, "\(plan): \(verdict)") }
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: versions)
    func `a Redis that died with an append-only file leaves a snapshot`(_ version: RedisVersion) async throws {
        var plan = TrialPlan(version, .redisKilled)
        plan.persistence = .always
        try await Self.run([plan]) { plan, verdict in #expect(verdict.gone == 0, "\(plan): \(verdict)") }
    }

    @Test(.timeLimit(.minutes(1)), arguments: versions)
    func `where nothing is lost, nothing is kept`(_ version: RedisVersion) async throws {
        try await Self.run([TrialPlan(version, .switchover), TrialPlan(version, .daemonKilled)]) { plan, verdict in
            #expect(verdict.lost == 0 && verdict.saved == 0, "\(plan): \(verdict)")
        }
    }

    /// Plans on one pair, one after another.
    private static func run(_ plans: [TrialPlan], _ look: (TrialPlan, Verdict) -> Void) async throws {
        let pair = try await Trial.pair(for: plans[0])
        do {
            for plan in plans {
                let result = try await Trial(pair, plan).run(rate: 2000)
                #expect(result.verdict.broken == [], "\(plan)\n\(result)\n\(pair.logs)")
                look(plan, result.verdict)
            }
        } catch {
            FileHandle.standardError.write(Data("\(error)\n\(pair.logs)".utf8))
            await pair.lab.remove()
            throw error
        }
        await pair.lab.remove()
    }
}
