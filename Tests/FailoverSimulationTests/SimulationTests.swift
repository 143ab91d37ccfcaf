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
        for outcome in await run(1...150) {
            totals.add(outcome.totals)
            #expect(outcome.failure == nil, "seed \(outcome.seed): \(outcome.schedule)")
        }
        #expect(totals.runs == 150)
        // Not vacuous: all of it has happened.
        #expect(totals.writes > 50_000)
        #expect(totals.failovers > 20)
        #expect(totals.switchovers > 20)
        #expect(totals.follows > 50)
        #expect(totals.fullCopies > 50)
        #expect(totals.partialCopies > 50)
        #expect(totals.lossesReported > 20)
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

    /// Each rule that is taken out breaks a promise: within so many seeds, one of these.
    @Test(arguments: [
        (Simulation.Mutation.withoutGate, [Simulation.Invariant.lostWrite]),
        (.withoutFence, [.lostWrite]),
        (.addressFirst, [.addressWithoutMaster]),
        (.addressStays, [.twoAddresses, .addressWithoutMaster, .stuck]),
        (.followBlindly, [.wiped, .lostWrite]),
        (.ignoreRestart, [.wiped, .lostWrite, .addressWithoutMaster]),
        (.silentLoss, [.lostWrite]),
        (.heartbeatWaits, [.heartbeat]),
        (.silentAddress, [.silence]),
        (.blindToDeath, [.addressWithoutMaster, .wiped, .stuck]),
    ])
    func `a rule that is taken out is missed`(mutation: Simulation.Mutation, invariants: [Simulation.Invariant]) {
        var options = Simulation.Options()
        options.mutation = mutation
        let failure = (1...UInt64(120)).lazy.compactMap { Simulation.run(seed: $0, options).failure }.first
        #expect(failure != nil)
        if let failure { #expect(invariants.contains(failure.invariant), "\(failure)") }
    }

    @Test func `in a quiet week nothing happens`() {
        // Advertisements every 40 s, and readings every minute, so that it is over in a moment.
        let outcome = Simulation.runQuiet(seconds: 7 * 86_400, isSlow: true)
        #expect(outcome.failure == nil)
        #expect(outcome.totals.writes > 10_000)
    }

    @Test func `in quiet minutes at the default settings nothing happens`() {
        let outcome = Simulation.runQuiet(seconds: 300, isSlow: false)
        #expect(outcome.failure == nil)
        #expect(outcome.totals.steps > 20_000)
    }
}
