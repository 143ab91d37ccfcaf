/// One seeded run of a whole pair: what the caller asks for, and what it gets.
public enum Simulation {
    /// A promise that is watched after every step (docs/testing.md).
    public enum Invariant: String, Sendable, CaseIterable {
        /// An acknowledged write is missing, and nobody said so.
        case lostWrite = "lost_write"
        /// A data set was thrown away that nobody said would be.
        case wiped
        /// A virtual address beside a Redis that takes no writes.
        case addressWithoutMaster = "address_without_master"
        /// A virtual address on two nodes without an excuse.
        case twoAddresses = "two_addresses"
        /// Two masters without an excuse.
        case twoMasters = "two_masters"
        /// Something happened although nothing was wrong.
        case unrest
        /// Everything is healthy, and the pair does not serve.
        case stuck
        /// An Active node that does not advertise in time.
        case heartbeat
        /// A switchover was asked for while all was well, and the other node does not serve.
        case notHandedOver = "not_handed_over"
        /// The address was taken from a node that served well.
        case preempted
        /// An address went before its connections were destroyed.
        case silence
        /// A node that no witness answers serves on, or takes over.
        case cutOff = "cut_off"
    }

    /// What went wrong.
    public struct Failure: Sendable, Equatable {
        /// Which promise.
        public let invariant: Invariant
        /// How it was broken.
        public let text: String
        /// When, in virtual seconds.
        public let seconds: Double
    }

    /// A rule that is taken out, in the shell around the nodes, to see whether that is noticed.
    public enum Mutation: String, Sendable, CaseIterable {
        /// `promote` sends `SLAVEOF NO ONE` without passing the gate, and says that nothing is lost.
        case withoutGate = "without_gate"
        /// The gate is told that writes are fenced, and that the fence held until the end; they are not.
        case withoutFence = "without_fence"
        /// The address is added when the promotion is ordered, not when it is done.
        case addressFirst = "address_first"
        /// An address that is to go stays.
        case addressStays = "address_stays"
        /// A daemon that starts makes its Redis follow any master, without comparing anything.
        case followBlindly = "follow_blindly"
        /// Readings do not show that a server died and is another process than before.
        case ignoreRestart = "ignore_restart"
        /// Losses are not reported.
        case silentLoss = "silent_loss"
        /// Advertisements wait while an operation is under way.
        case heartbeatWaits = "heartbeat_waits"
        /// Connections are not destroyed before an address goes.
        case silentAddress = "silent_address"
        /// A Redis that died is reported as alive.
        case blindToDeath = "blind_to_death"
        /// Who is elected because it hears nobody takes that for the peer's silence, without a witness's word.
        case trustedSilence = "trusted_silence"
    }

    /// What to run.
    public struct Options: Sendable {
        /// Keep a line for each thing that happens.
        public var isTracing = false
        /// Also what repeats itself all the time.
        public var isVerbose = false
        /// The rule that is taken out.
        public var mutation: Mutation?
        /// How long faults go on, virtual seconds.
        public var stormSeconds: Int64 = 20
        /// How long after the last one everything must be well again, virtual seconds.
        public var calmSeconds: Int64 = 45
        /// A third node that is not of the pair, in every run and not only in one of ten.
        public var hasStranger = false

        /// Between two readings of a server.
        var sampleInterval: Time = .ms(100)
        /// Nothing is done to the pair, and clients write now and then.
        var isQuiet = false

        /// The defaults.
        public init() {}
    }

    /// How it went.
    public struct Outcome: Sendable {
        /// The seed.
        public let seed: UInt64
        /// The promise that was broken; nil where all were kept.
        public let failure: Failure?
        /// What was done to the pair, a line for each.
        public let schedule: [String]
        /// What happened, where a trace was asked for.
        public let trace: [String]
        /// How often what happened.
        public let totals: Totals
    }

    /// How often what happened: shows that a run was not empty.
    public struct Totals: Sendable, Equatable {
        /// Runs.
        public var runs = 0
        /// Steps of all worlds.
        public var steps = 0
        /// Faults of all kinds.
        public var faults = 0
        /// Runs in which a third node came that is not of the pair.
        public var strangers = 0
        /// Runs with a witness, from which nodes were cut off.
        public var witnesses = 0
        /// Acknowledged writes.
        public var writes = 0
        /// A Redis became master by `promote` without its old master's consent.
        public var failovers = 0
        /// Roles were swapped with nothing lost, behind a fence.
        public var switchovers = 0
        /// A Redis became master by `lead`.
        public var leads = 0
        /// A Redis was made to follow.
        public var follows = 0
        /// A node was told what a promotion has lost.
        public var amendments = 0
        /// Operations that refused or failed.
        public var refusals = 0
        /// Promotions that reported a possible loss.
        public var lossesReported = 0
        /// Writes that were lost, all of them within what was reported.
        public var writesLost = 0
        /// Writes that a fault destroyed on every disk.
        public var writesDestroyed = 0
        /// Writes that were discarded when an old master came back, counted.
        public var writesDiscarded = 0
        /// Full copies.
        public var fullCopies = 0
        /// Partial ones.
        public var partialCopies = 0
        /// Runs that ended with two unrelated data sets, which only the operator can decide about.
        public var undecided = 0

        /// None.
        public init() {}

        /// Adds another run's.
        public mutating func add(_ other: Totals) {
            for path in Self.paths { self[keyPath: path] += other[keyPath: path] }
        }

        private static var paths: [WritableKeyPath<Totals, Int>] {
            [
                \.runs, \.steps, \.faults, \.strangers, \.witnesses, \.writes, \.failovers, \.switchovers, \.leads,
                \.follows,
                \.amendments, \.refusals,
                \.lossesReported, \.writesLost, \.writesDestroyed, \.writesDiscarded, \.fullCopies, \.partialCopies,
                \.undecided,
            ]
        }
    }
}
