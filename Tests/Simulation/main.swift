import Dispatch
import FailoverSimulation
import Glibc
import Synchronization

// Drives many seeds through the simulation of a pair, and prints the first ones that break a promise. A seed replays exactly:
//
//     syncgate-simulation --count 10000 --jobs 2
//     syncgate-simulation --seed 4711 --trace
//     syncgate-simulation --count 2000 --stranger
//     syncgate-simulation --quiet-seconds 604800 [--slow]

struct Arguments {
    var first: UInt64 = 1
    var last: UInt64 = 1000
    var jobs = 2
    var single: UInt64?
    var quietSeconds: Int64?
    var isSlow = false
    var options = Simulation.Options()
    /// Stop after so many failing seeds.
    var limit = 5

    init(_ words: [String]) {
        var words = words[...]
        while let word = words.popFirst() {
            switch word {
            case "--seed": single = Arguments.number(&words, word)
            case "--seeds":
                let ends = (words.popFirst() ?? "").split(separator: "..").compactMap { UInt64($0) }
                guard ends.count == 2, ends[0] <= ends[1] else { Arguments.usage("--seeds FROM..TO") }
                (first, last) = (ends[0], ends[1])
            case "--count": last = first + max(Arguments.number(&words, word), 1) - 1
            case "--jobs": jobs = Int(max(Arguments.number(&words, word), 1))
            case "--limit": limit = Int(max(Arguments.number(&words, word), 1))
            case "--quiet-seconds": quietSeconds = Int64(Arguments.number(&words, word))
            case "--slow": isSlow = true
            case "--stranger": options.hasStranger = true
            case "--trace": options.isTracing = true
            case "--verbose": (options.isTracing, options.isVerbose) = (true, true)
            case "--without":
                guard let mutation = words.popFirst().flatMap({ Simulation.Mutation(rawValue: $0) }) else {
                    Arguments.usage("--without \(Simulation.Mutation.allCases.map(\.rawValue).joined(separator: "|"))")
                }
                options.mutation = mutation
            default: Arguments.usage("\(word) is unknown")
            }
        }
    }

    static func number(_ words: inout ArraySlice<String>, _ word: String) -> UInt64 {
        guard let number = words.popFirst().flatMap({ UInt64($0) }) else { usage("\(word) needs a number") }
        return number
    }

    static func usage(_ text: String) -> Never {
        print(text)
        print(
            """
            usage: syncgate-simulation [--seeds FROM..TO | --count N | --seed N [--trace | --verbose]]
                       [--jobs N] [--limit N] [--without RULE] [--stranger] [--quiet-seconds N [--slow]]
            """)
        exit(2)
    }
}

func describe(_ outcome: Simulation.Outcome) {
    for line in outcome.trace { print(line) }
    print("seed \(outcome.seed):")
    for line in outcome.schedule { print("    \(line)") }
    guard let failure = outcome.failure else { return print("    all promises kept") }
    print("    BROKEN after \(failure.seconds) s: \(failure.invariant.rawValue): \(failure.text)")
}

func describe(_ totals: Simulation.Totals) {
    print(
        """
        \(totals.runs) runs, \(totals.steps) steps, \(totals.faults) faults, \(totals.strangers) strangers, \(totals.witnesses) witnesses, \(totals.writes) acknowledged writes
        \(totals.failovers) failovers, \(totals.switchovers) switchovers behind a fence, \(totals.leads) leads, \
        \(totals.follows) follows, \(totals.amendments) amended accounts, \(totals.refusals) refusals
        \(totals.fullCopies) full copies, \(totals.partialCopies) partial ones
        \(totals.lossesReported) losses reported, \(totals.writesLost) writes lost within them, \
        \(totals.writesDiscarded) discarded and counted, \(totals.writesDestroyed) destroyed by faults; \
        \(totals.undecided) left to the operator
        """)
}

/// What the threads share.
struct Progress: Sendable {
    var next: UInt64
    var totals = Simulation.Totals()
    var failures: [Simulation.Outcome] = []
}

func runAll(_ arguments: Arguments) -> Bool {
    let start = ContinuousClock.now
    let progress = Mutex(Progress(next: arguments.first))
    DispatchQueue.concurrentPerform(iterations: arguments.jobs) { _ in
        while true {
            let seed = progress.withLock { progress -> UInt64? in
                guard progress.next <= arguments.last, progress.failures.count < arguments.limit else { return nil }
                defer { progress.next += 1 }
                return progress.next
            }
            guard let seed else { return }
            let outcome = Simulation.run(seed: seed, arguments.options)
            progress.withLock { progress in
                progress.totals.add(outcome.totals)
                if outcome.failure != nil { progress.failures.append(outcome) }
            }
        }
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    return progress.withLock { progress in
        for outcome in progress.failures.sorted(by: { $0.seed < $1.seed }) { describe(outcome) }
        describe(progress.totals)
        let rate = Double(progress.totals.runs) / seconds
        print("\(Int(seconds * 10 + 0.5) / 10) s, \(Int(rate)) seeds/s on \(arguments.jobs) threads")
        return progress.failures.isEmpty
    }
}

let arguments = Arguments(Array(CommandLine.arguments.dropFirst()))
if let seconds = arguments.quietSeconds {
    let outcome = Simulation.runQuiet(seconds: seconds, isSlow: arguments.isSlow, arguments.options)
    describe(outcome)
    describe(outcome.totals)
    exit(outcome.failure == nil ? 0 : 1)
}
if let seed = arguments.single {
    let outcome = Simulation.run(seed: seed, arguments.options)
    describe(outcome)
    exit(outcome.failure == nil ? 0 : 1)
}
exit(runAll(arguments) ? 0 : 1)
