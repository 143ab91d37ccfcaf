import Testing

@testable import Replication
@testable import Salvage

@Suite("Rejoin: nothing follows before its writes are safe")
struct RejoinPropertyTests {
    @Test("20,000 random rejoinings, killed, failing and restarted between any two steps")
    func invariant() {
        var ends: [String: Int] = [:]
        for seed in 0..<20_000 as Range<UInt64> {
            var drive = Drive(seed: seed)
            drive.run()
            if let broken = drive.broken { return report(broken, seed: seed) }
            for end in drive.ends { ends[end, default: 0] += 1 }
        }
        print("rejoinings: \(ends.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))")
        // That the driver gets everywhere.
        #expect(ends["followed", default: 0] > 8000 && ends["killed", default: 0] > 2000)
        #expect(ends["refused", default: 0] > 1000 && ends["discarded", default: 0] > 500)
        #expect(ends["with files", default: 0] > 2000 && ends["with snapshots", default: 0] > 1000)
        #expect(ends["files taken over", default: 0] > 50)
    }

    /// Plays it again, with a transcript.
    private func report(_ broken: String, seed: UInt64) {
        var drive = Drive(seed: seed)
        drive.transcript = []
        drive.run()
        Issue.record("seed \(seed): \(broken)\n\(drive.transcript?.joined(separator: "\n") ?? "")")
    }
}

/// Executes what a rejoining says, on an old master that writes, restarts and is asked in vain.
private struct Drive {
    var old: OldMaster
    var rejoin = Rejoin()
    let policy: DivergencePolicy
    var broken: String?
    var ends: [String] = []
    /// Filled where it is not nil.
    var transcript: [String]?
    /// How many files there were when the process began.
    var filesBefore = 0
    /// What is being written: lost when the process dies before it has its name.
    var partial: (span: StreamSpan, tally: StreamTally)?
    /// What was read of the old master, into memory.
    var inMemory: [Int] = []
    var pending: [Rejoin.Event] = []
    /// The process at the other end of the connection.
    var lookedAt = 0

    init(seed: UInt64) {
        old = OldMaster(seed: seed)
        policy =
            [.salvage, .salvage, .salvage, .snapshot, .refuse, .discard].randomElement(using: &old.random) ?? .salvage
    }

    mutating func run() {
        begin()
        for _ in 0..<200 {
            guard broken == nil, !old.isFollowing, ends.count < 6 else { return }
            guard !pending.isEmpty else {
                if case .finished = rejoin.state, old.percent(50) { return }
                begin()
                continue
            }
            let event = pending.removeFirst()
            let actions = rejoin.handle(event, now: old.now)
            transcript?.append("\(old.now - start): \(event) -> \(actions)")
            for action in actions {
                old.pass()
                if old.percent(3) {
                    ends.append("killed")
                    begin()
                    break
                }
                execute(action)
            }
            renew()
        }
    }

    /// A new process: it knows the files, and nothing else.
    private mutating func begin() {
        rejoin = Rejoin()
        (partial, inMemory, filesBefore) = (nil, [], old.files.count)
        let promotion = RememberedPromotion(
            masterRunID: String(repeating: "0", count: 40),
            replicationID: old.isAncient ? String(repeating: "0", count: 40) : oldID, offset: OldMaster.promotedAt)
        let isRemembered = old.isAncient || old.percent(50)
        transcript?.append("\(old.now - start): a new process, files \(old.files.map(\.span))")
        pending = [
            .requested(
                .init(
                    policy: policy, promotion: isRemembered ? promotion : nil, saved: old.files,
                    allowsDetaching: old.percent(70)))
        ]
    }

    private mutating func renew() {
        guard let deadline = rejoin.deadline, old.now >= deadline, old.percent(80) else { return }
        pending.append(.deadlineReached)
    }

    private mutating func execute(_ action: Rejoin.Action) {
        if old.percent(4), let failure = Self.failure(of: action) { return pending.append(failure) }
        switch action {
        case .fence(let duration): fence(duration)
        case .examine:
            lookedAt = old.processes
            let new =
                old.isAncient ? master(nil, at: 5000, runID: newRunID) : promoted(at: OldMaster.promotedAt)
            pending.append(
                .examined(
                    .init(
                        old: old.info, new: new, snapshotBytes: 1000, freeBytes: old.percent(3) ? 1000 : nil)))
        case .detach(let duration):
            guard old.isParked else { return pending.append(.stepFailed(.detach("it is a master"))) }
            old.isParked = false
            old.shift()
            old.fencedUntil = old.now + duration
            pending.append(.detached(.clientPause, until: old.now + duration))
        case .readBacklog(let span, _): read(span)
        case .writeFile(let span, let tally):
            partial = (span, tally)
            pending.append(.written)
        case .syncFile: pending.append(.synced)
        case .renameFile: rename()
        case .discardPartialFile: partial = nil
        case .snapshot:
            old.safe.formUnion(old.held)
            old.pass()
            pending.append(.snapshotKept("s.rdb"))
        case .follow(let account, let before): follow(account, before)
        case .park: old.isParked = !old.isAncient
        case .releaseFence: old.fencedUntil = nil
        case .finish(let outcome):
            if case .refused = outcome { ends.append("refused") }
        }
    }

    private static func failure(of action: Rejoin.Action) -> Rejoin.Event? {
        switch action {
        case .fence: .fenceFailed("no")
        case .examine: .unreachable(.old, reason: "no")
        case .detach: .stepFailed(.detach("no"))
        case .readBacklog: .stepFailed(.read("no"))
        case .writeFile, .syncFile, .renameFile: .stepFailed(.file("no"))
        case .snapshot: .stepFailed(.snapshot("no"))
        case .follow: .followFailed("no")
        case .discardPartialFile, .park, .releaseFence, .finish: nil
        }
    }

    private mutating func fence(_ duration: Duration) {
        guard !old.isParked else { return pending.append(.fenced(.readOnlyReplica, until: nil, runID: old.runID)) }
        old.fencedUntil = old.now + duration
        pending.append(.fenced(.clientPause, until: old.now + duration, runID: old.runID))
    }

    private mutating func read(_ span: StreamSpan) {
        guard let tally = old.tally(of: span) else { return pending.append(.stepFailed(.read("+FULLRESYNC"))) }
        inMemory = old.writes(in: span)
        pending.append(.read(tally))
    }

    private mutating func rename() {
        guard let partial else {
            broken = "there is no file to rename"
            return
        }
        old.safe.formUnion(inMemory)
        let file = Rejoin.SavedFile(name: "\(old.files.count).resp", span: partial.span, writes: partial.tally.writes)
        old.files.append(file)
        self.partial = nil
        pending.append(.renamed(file.name))
    }

    /// The invariant.
    private mutating func follow(_ account: Rejoin.Account, _ before: Instant?) {
        guard old.processes == lookedAt else { return pending.append(.followFailed("the connection was closed")) }
        guard before.map({ old.now <= $0 }) ?? true else { return pending.append(.followFailed("too late")) }
        let lost = old.held.subtracting(old.safe)
        if policy != .discard, !lost.isEmpty {
            transcript?.append("\(old.now - start): follow, with \(lost.sorted()) nowhere: \(old.info)")
            broken = "followed with \(lost.count) of \(old.held.count) writes nowhere"
            return
        }
        if policy == .refuse, !account.kept.isEmpty { broken = "refused by policy, and followed" }
        checkNumbers(account)
        note(account)
        old.isFollowing = true
        pending.append(.followed(offset: old.offset))
    }

    /// Where everything was read from the backlog, every write is counted, once.
    private mutating func checkNumbers(_ account: Rejoin.Account) {
        guard policy != .discard, let commands = account.missing?.commands, old.processes == 0 else { return }
        if commands != Int64(old.held.count) { broken = "\(commands) commands counted, \(old.held.count) are missing" }
    }

    private mutating func note(_ account: Rejoin.Account) {
        ends.append(account.isDiscarded ? "discarded" : "followed")
        let files = account.kept.compactMap { if case .file(let file) = $0 { file } else { nil } }
        if !files.isEmpty { ends.append("with files") }
        if files.count < account.kept.count { ends.append("with snapshots") }
        if files.contains(where: { file in old.files.prefix(filesBefore).contains { $0.name == file.name } }) {
            ends.append("files taken over")
        }
    }
}
