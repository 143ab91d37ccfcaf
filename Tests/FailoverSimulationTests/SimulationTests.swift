import FailoverSimulation
import Testing

/// The pair under seeded faults. A seed that fails here is looked at with `syncgate-simulation --seed N --trace`.
@Suite struct SimulationTests {
    /// Runs seeds on all cores, and returns the outcomes in their order.
    private func run(_ seeds: ClosedRange<UInt64>, _ options: Simulation.Options = .init()) async -> [Simulation
        .Outcome]
    {
        await withTaskGroup(of: Simulation.Outcome.self) { group in
            for seed in seeds { group.addTask { Simulation.run(seed: seed, options) } }
            var outcomes: [Simulation.Outcome] = []
            for await outcome in group { outcomes.append(outcome) }
            return outcomes.sorted { $0.seed < $1.seed }
        }
    }

    @Test func `all promises are kept under seeded faults`() async {
        var totals = Simulation.Totals()
        for outcome in await run(1...40) {
            totals.add(outcome.totals)
            #expect(outcome.failure == nil, "seed \(outcome.seed): \(outcome.schedule)")
        }
        #expect(totals.runs == 40)
        // Not vacuous: all of it has happened.
        #expect(totals.writes > 15_000)
        #expect(totals.failovers > 8)
        #expect(totals.switchovers > 8)
        #expect(totals.follows > 20)
        #expect(totals.amendments > 2)
        #expect(totals.fullCopies > 20)
        #expect(totals.partialCopies > 20)
        #expect(totals.lossesReported > 10)
        #expect(totals.witnesses > 8)
    }

    @Test func `a seed replays exactly`() {
        var options = Simulation.Options()
        options.isTracing = true
        let (first, second) = (Simulation.run(seed: 7, options), Simulation.run(seed: 7, options))
        #expect(first.trace == second.trace)
        #expect(first.totals == second.totals)
        #expect(first.trace.count > 50)
        #expect(Simulation.run(seed: 8, options).trace != first.trace)
    }

    /// Each rule that is taken out breaks a promise, one of these, within a hundred seeds from the one that is given, which
    /// is near the first that shows it.
    @Test(arguments: [
        (Simulation.Mutation.withoutGate, UInt64(6), [Simulation.Invariant.lostWrite]),
        (.withoutFence, 147, [.lostWrite]),
        (.addressFirst, 2, [.addressWithoutMaster]),
        (.addressStays, 2, [.twoAddresses, .addressWithoutMaster, .stuck]),
        (.followBlindly, 48, [.wiped, .lostWrite]),
        (.ignoreRestart, 16, [.wiped, .lostWrite, .addressWithoutMaster]),
        (.silentLoss, 4, [.lostWrite]),
        (.heartbeatWaits, 21, [.heartbeat]),
        (.silentAddress, 1, [.silence]),
        (.trustedSilence, 1, [.cutOff]),
        (.blindToDeath, 16, [.addressWithoutMaster, .wiped, .stuck]),
    ])
    func `a rule that is taken out is missed`(
        mutation: Simulation.Mutation, seed: UInt64, invariants: [Simulation.Invariant]
    ) {
        var options = Simulation.Options()
        options.mutation = mutation
        let failure = (seed..<seed + 100).lazy.compactMap { Simulation.run(seed: $0, options).failure }.first
        #expect(failure != nil)
        if let failure { #expect(invariants.contains(failure.invariant), "\(failure)") }
    }

    @Test func `a stranger with the pair's virtual router id costs the pair nothing`() async {
        var options = Simulation.Options()
        options.hasStranger = true
        var totals = Simulation.Totals()
        for outcome in await run(1...20, options) {
            totals.add(outcome.totals)
            #expect(outcome.failure == nil, "seed \(outcome.seed): \(outcome.schedule)")
        }
        #expect(totals.strangers == 20)
    }

    /// What the rules protect the pair from, a stranger included: within some seeds from the one that is given.
    @Test(arguments: [
        (Simulation.Mutation.followBlindly, UInt64(35), Simulation.Invariant.wiped), (.withoutFence, 150, .lostWrite),
    ])
    func `a rule that is taken out beside a stranger is missed`(
        mutation: Simulation.Mutation, seed: UInt64, invariant: Simulation.Invariant
    ) {
        var options = Simulation.Options()
        options.hasStranger = true
        options.mutation = mutation
        let failures = (seed..<seed + 20).lazy.compactMap { Simulation.run(seed: $0, options).failure }
        #expect(failures.contains { $0.invariant == invariant && $0.text.contains("stranger") })
    }

    /// `scripts/simulate` runs a week.
    @Test func `in a quiet day nothing happens`() {
        // Advertisements every 40 s, and readings every minute, so that it is over in a moment.
        let outcome = Simulation.runQuiet(seconds: 86_400, isSlow: true)
        #expect(outcome.failure == nil)
        #expect(outcome.totals.writes > 4_000)
    }

    @Test func `in quiet minutes at the default settings nothing happens`() {
        let outcome = Simulation.runQuiet(seconds: 300, isSlow: false)
        #expect(outcome.failure == nil)
        #expect(outcome.totals.steps > 15_000)
    }
}
