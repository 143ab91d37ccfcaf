public import NetworkLab

/// All that was seen of one failover from outside: what clients noted, what the new master has, and what SyncGate says and
/// keeps.
public struct Sight: Sendable {
    /// What the clients noted, one for each connection.
    public var writers: [LabWriter.Notes]
    /// What the new master has, before anything was replayed.
    public var master: Held
    /// The salvage files of this failover.
    public var files: [SavedWrites] = []
    /// The snapshots, by name: what each holds.
    public var snapshots: [String: Held] = [:]
    /// What the histories of both nodes say of promotions.
    public var promotions: [PromotionRecord] = []
    /// What the new master has after all salvage files were replayed; nil where nothing was replayed.
    public var replayed: Held?
    /// How many full copies the new master had given, before and after.
    public var fullSyncs: (before: Int, after: Int)?
    /// What else was found wrong.
    public var complaints: [String] = []

    /// Of the writers and the new master.
    public init(writers: [LabWriter.Notes], master: Held) { (self.writers, self.master) = (writers, master) }

    /// What may be expected of a failover.
    public struct Expectation: Sendable, Equatable {
        /// The old master's process died, and its disk need not hold all that it had acknowledged.
        public var mayDieWithProcess = false
        /// The old master can be asked: what was lost is counted.
        public var isCounted = false
        /// The old master comes back without a full copy.
        public var isPartial = false

        /// Nothing dies, nothing is counted.
        public init() {}
    }
}

/// What a failover came to, and which promises it broke.
public struct Verdict: Sendable, Equatable {
    /// Acknowledged writes.
    public var acked = 0
    /// Writes that were sent and not answered.
    public var unanswered = 0
    /// Acknowledged writes that the new master lacks.
    public var lost = 0
    /// Of these, in salvage files.
    public var inFiles = 0
    /// Of the rest, in snapshots.
    public var inSnapshots = 0
    /// Of the rest: they were in the memory of a process that died.
    public var gone = 0
    /// Of those in files, on the new master after the replay; nil where nothing was replayed.
    public var restored: Int?
    /// Writes in salvage files.
    public var saved = 0
    /// Writes that the history says were lost, as it was amended; nil where it does not say a number.
    public var reported: Int64?
    /// The losses that the promotions said, such as `at_most`.
    public var losses: [String] = []
    /// Broken promises, in words.
    public var broken: [String] = []

    /// Judges what was seen.
    public init(_ sight: Sight, _ expectation: Sight.Expectation) {
        acked = sight.writers.reduce(0) { $0 + $1.acked.count }
        unanswered = sight.writers.reduce(0) { $0 + $1.unanswered.count }
        broken = sight.complaints
        let lack = Lack(sight)
        (lost, inFiles, inSnapshots) = (lack.lost, lack.inFiles, lack.inSnapshots)
        gone = lost - inFiles - inSnapshots
        saved = sight.files.reduce(0) { $0 + Int($1.writes) }
        losses = sight.promotions.map(\.loss)
        if gone > 0, !expectation.mayDieWithProcess {
            broken.append(
                "\(gone) acknowledged writes are neither on the new master nor saved, such as \(lack.example)")
        }
        checkFiles(sight)
        checkHistory(sight, expectation)
        checkReplay(sight, lack)
        if expectation.isPartial, let (before, after) = sight.fullSyncs, after != before {
            broken.append("the new master gave \(after - before) full copies after a clean switchover")
        }
    }
}

/// What the new master lacks, and where it is.
private struct Lack {
    /// Keys and elements, by writer.
    var missing: [Set<UInt32>]
    /// Increments, by writer, at least.
    var increments: [Int]
    var lost: Int
    var inFiles = 0
    var inSnapshots = 0
    /// The name of one that is nowhere.
    var example = "nothing"

    init(_ sight: Sight) {
        missing = zip(sight.writers, sight.master.numbers).map { writer, there in
            writer.work.kind == .incr ? [] : Set(writer.acked).subtracting(there)
        }
        increments = zip(sight.writers, sight.master.counts).map { writer, count in
            writer.work.kind == .incr ? max(writer.acked.count - count, 0) : 0
        }
        lost = missing.reduce(0) { $0 + $1.count } + increments.reduce(0, +)
        for (writer, notes) in sight.writers.enumerated() {
            let files = sight.files.reduce(into: Set<UInt32>()) { $0.formUnion($1.held.numbers[writer]) }
            let snapshots = sight.snapshots.values.reduce(into: Set<UInt32>()) { $0.formUnion($1.numbers[writer]) }
            let rest = missing[writer].subtracting(files)
            let nowhere = rest.subtracting(snapshots)
            inFiles += missing[writer].count - rest.count
            inSnapshots += rest.count - nowhere.count
            if let number = nowhere.min() { example = "\(notes.name):\(number)" }
            let counted = min(increments[writer], sight.files.reduce(0) { $0 + $1.held.counts[writer] })
            // A snapshot has the value, and not which increments it is made of.
            let most = sight.snapshots.values.map { $0.counts[writer] }.max() ?? 0
            inFiles += counted
            inSnapshots += min(increments[writer] - counted, most)
            if increments[writer] > counted + most { example = "an increment of \(notes.name)" }
        }
    }
}

extension Verdict {
    /// What stands in salvage files was sent by somebody, and is what the new master lacks.
    private mutating func checkFiles(_ sight: Sight) {
        for file in sight.files {
            if let first = file.foreign.first {
                broken.append("\(file.name) holds \(file.foreign.count) writes that nobody sent, such as \(first)")
            }
            if file.announced != file.writes {
                broken.append("\(file.name) holds \(file.writes) writes, and its header says \(file.announced)")
            }
        }
        let all = sight.files.reduce(Held(writers: sight.writers.count)) { $0 + $1.held }
        if all.repeated > 0 { broken.append("\(all.repeated) writes stand twice in salvage files") }
        for (writer, notes) in sight.writers.enumerated() {
            let sent = Set(notes.acked).union(notes.unanswered)
            let unsent = all.numbers[writer].subtracting(sent)
            if let number = unsent.min(), notes.work.kind != .incr {
                broken.append(
                    "salvage files hold \(unsent.count) writes that were refused, such as \(notes.name):\(number)")
            }
            let there = all.numbers[writer].intersection(sight.master.numbers[writer])
            if let number = there.min() {
                broken.append(
                    "salvage files hold \(there.count) writes that are not lost, such as \(notes.name):\(number)")
            }
            let increments = sight.master.counts[writer] + all.counts[writer]
            if notes.work.kind == .incr, increments > notes.acked.count + notes.unanswered.count {
                broken.append(
                    "\(notes.name) was incremented \(notes.acked.count) times and perhaps \(notes.unanswered.count) more: "
                        + "the new master has \(sight.master.counts[writer]) and the files \(all.counts[writer])")
            }
        }
    }

    /// What the history says is what happened.
    private mutating func checkHistory(_ sight: Sight, _ expectation: Sight.Expectation) {
        let amendments = sight.promotions.compactMap(\.amendment)
        let counts = amendments.map(\.commands)
        reported = counts.isEmpty ? nil : counts.reduce(0) { sum, next in sum.flatMap { sum in next.map { sum + $0 } } }
        if lost > 0, sight.promotions.allSatisfy({ $0.loss == "none" }) {
            let said = sight.promotions.isEmpty ? "no promotion at all" : "no loss"
            broken.append("\(lost) acknowledged writes are missing, and the history says \(said)")
        }
        for promotion in sight.promotions where promotion.loss == "none" {
            guard let found = promotion.amendment?.commands, found > 0 else { continue }
            broken.append(
                "the promotion \(promotion.number) said that nothing was lost, and then that \(found) writes were")
        }
        if let reported, sight.snapshots.isEmpty, reported != Int64(saved) {
            broken.append("the history says that \(reported) writes were lost, and the salvage files hold \(saved)")
        }
        if let reported, reported < Int64(lost) {
            broken.append("the history says that \(reported) writes were lost, and \(lost) are missing")
        }
        checkExact(sight, expectation)
    }

    /// Where no promotion was amended (the master that lost its role had not been replaced by a promotion), the entry of the
    /// demotion says how many bytes it was.
    private mutating func checkExact(_ sight: Sight, _ expectation: Sight.Expectation) {
        guard reported == nil, lost > 0 || saved > 0 else { return }
        let exact = sight.promotions.filter { $0.loss == "exact" }.reduce(0) { $0 + ($1.bytes ?? 0) }
        let kept = sight.files.reduce(0) { $0 + $1.bytes }
        // A data set that no history connects with the new master's, as before Redis 4 without a backlog, is kept as a whole.
        let isKeptWhole = sight.files.isEmpty && lost == inSnapshots
        if expectation.isCounted, exact == 0, !isKeptWhole {
            broken.append("\(lost) acknowledged writes are missing, and the history does not say how many")
        }
        // Before Redis 4 a file may begin a part of a command earlier.
        if sight.snapshots.isEmpty, exact > kept {
            broken.append("the history says that \(exact) bytes were lost, and the salvage files hold \(kept)")
        }
    }

    /// After the replay everything that stood in a file is there, once.
    private mutating func checkReplay(_ sight: Sight, _ lack: Lack) {
        guard let replayed = sight.replayed else { return }
        let files = sight.files.reduce(Held(writers: sight.writers.count)) { $0 + $1.held }
        var still = 0
        for (writer, notes) in sight.writers.enumerated() {
            if notes.work.kind == .incr {
                let wanted = sight.master.counts[writer] + files.counts[writer]
                let found = replayed.counts[writer]
                still += min(max(wanted - found, 0), lack.increments[writer])
                if found != wanted { broken.append("after the replay \(notes.name) is \(found) instead of \(wanted)") }
                continue
            }
            still +=
                lack.missing[writer].intersection(files.numbers[writer]).subtracting(replayed.numbers[writer]).count
            let vanished = sight.master.numbers[writer].subtracting(replayed.numbers[writer])
            if let number = vanished.min() {
                broken.append("the replay took away \(vanished.count) writes, such as \(notes.name):\(number)")
            }
        }
        restored = inFiles - still
        if still > 0 { broken.append("\(still) writes of the salvage files are still missing after their replay") }
        if replayed.repeated > 0 { broken.append("\(replayed.repeated) writes are there twice after the replay") }
    }
}
