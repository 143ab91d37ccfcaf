public import Replication

extension Rejoin {
    /// What is known beside the state.
    struct Memory: Sendable, Equatable {
        var request = Request(policy: .refuse, allowsDetaching: false)
        var fence: Fence?
        /// `nil`: no fence, or one without an end.
        var fencedUntil: Instant?
        /// When the fence is to be renewed; `nil` while it is being done, or where it has no end.
        var renewAt: Instant?
        /// The process that was fenced.
        var fencedRunID: String?
        var reading: Reading?
        /// All up to here is safe.
        var safe: ReplicationPosition?
        /// The last snapshot, and the one that is being made.
        var snapshot: Snapshot?
        /// Where a master stood when it was first looked at behind the fence that has held since: what it has written from
        /// there on, no client has.
        var stillFrom: ReplicationPosition?
        var hasAdopted = false
        var hasDetached = false
        /// What was read of the span that is read again, with all that the backlog has before it, for its first database.
        var unplaced: StreamTally?
        /// How often something was saved.
        var rounds = 0
        var account = Account(missing: LossAmendment(bytes: 0, commands: 0))
    }

    /// Of which process, at which offset.
    struct Snapshot: Sendable, Equatable {
        var runID: String?
        var position: ReplicationPosition
        /// What the new master lacked when it was ordered; `nil` where nobody can tell.
        var missing: LossAmendment?
        /// Its offset goes on with each write, so that a position says what the snapshot holds.
        var isCounted = true
        /// The fence held since the snapshot was ordered: what is not counted cannot have grown.
        var isFenceUnbroken = true
        var isKept = false
    }

    /// A fence that ends sooner is renewed before anything is made to follow.
    static let margin = Duration.milliseconds(500)
    /// A fence that could not be renewed is tried again after this long: what holds on for now is no reason to give up.
    static let renewalRetry = Duration.milliseconds(500)
    /// Bytes that are read before what is missing, for the database. Where they do not tell it, all that there is.
    static let usualLead: Int64 = 65_536
    /// Where a full backlog begins, nothing is read: so many bytes may still be written before `PSYNC` is there, as PINGs and
    /// expiry are behind a fence. A quarter of a small backlog.
    static let slack: Int64 = 32_768
    /// The most that is read, with what lies before it, bytes.
    static let mostRead: Int64 = 512 << 20
    /// How often something is saved before it is given up: the master's own PINGs make a second time ordinary.
    static let mostRounds = 6

    /// Takes an event and returns what to do. Events that mean nothing in a state return nothing and change nothing.
    public mutating func handle(_ event: Event, now: Instant) -> [Action] {
        if let until = memory.fencedUntil, now >= until {
            memory.snapshot?.isFenceUnbroken = false
            memory.stillFrom = nil
        }
        switch (state, event) {
        case (.finished, _):
            return []
        case (.idle, .requested(let request)):
            memory.request = request
            state = .fencing
            return [.fence(for: request.fenceTime)]
        case (.idle, _), (_, .requested):
            return []
        case (.following(let account), _):
            return following(account, event, now)
        case (_, .fenced(let fence, let until, let runID)):
            return fenced(fence, until, runID)
        case (_, .fenceFailed(let words)):
            return fenceFailed(words, now)
        case (_, .unreachable(let server, let reason)):
            return refuse(.unreachable(server, reason: reason))
        case (_, .aborted):
            return finish(.aborted)
        case (_, .deadlineReached):
            guard let deadline, now >= deadline else { return [] }
            memory.renewAt = nil
            return [.fence(for: memory.request.fenceTime)]
        default:
            return step(event, now)
        }
    }

    /// The way that leads on.
    private mutating func step(_ event: Event, _ now: Instant) -> [Action] {
        switch (state, event) {
        case (.examining, .examined(let reading)):
            return examined(reading, now)
        case (.detaching, .detached(let fence, let until)):
            hold(fence, until)
            return examine()
        case (.reading(let span), .read(let tally)):
            return read(span, tally, now)
        case (.writing(let span, let tally), .written):
            state = .syncing(span, tally)
            return [.syncFile]
        case (.syncing(let span, let tally), .synced):
            state = .renaming(span, tally)
            return [.renameFile]
        case (.renaming(let span, let tally), .renamed(let name)):
            let written = StreamSpan(psyncID: span.psyncID, from: tally.from, to: tally.to)
            let file = SavedFile(
                name: name, span: written, writes: tally.writes, isPlaced: tally.firstDatabase != nil)
            memory.account.kept.append(.file(file))
            return saved(span, tally.writes)
        case (.snapshotting, .snapshotKept(let name)):
            return snapshotKept(name)
        case (.reading(let span), .stepFailed(let failure)):
            return readFailed(span, failure)
        case (.detaching, .stepFailed(let failure)), (.writing, .stepFailed(let failure)),
            (.syncing, .stepFailed(let failure)),
            (.renaming, .stepFailed(let failure)), (.snapshotting, .stepFailed(let failure)):
            return failed(failure)
        default:
            return []
        }
    }
}

// MARK: - The fence

extension Rejoin {
    private mutating func fenced(_ fence: Fence, _ until: Instant?, _ runID: String) -> [Action] {
        hold(fence, until)
        memory.fencedRunID = runID
        return state == .fencing ? examine() : []
    }

    private mutating func hold(_ fence: Fence, _ until: Instant?) {
        (memory.fence, memory.fencedUntil) = (fence, until)
        memory.renewAt = until.map { $0 - memory.request.fenceTime / 2 }
    }

    /// Where it was to be renewed, the next look tells whether it held.
    private mutating func fenceFailed(_ words: String, _ now: Instant) -> [Action] {
        guard state == .fencing else {
            if memory.fencedUntil != nil { memory.renewAt = now + Self.renewalRetry }
            return []
        }
        return memory.request.policy == .discard ? examine() : refuse(.fenceFailed(words))
    }

    /// Whether it cannot take writes now, and for a moment more.
    func isFenced(_ old: ReplicationInfo, _ now: Instant) -> Bool {
        guard let runID = memory.fencedRunID, runID == old.server?.runID else { return false }
        guard old.masterLink == nil else { return old.masterLink?.isReadOnly == true }
        guard let until = memory.fencedUntil else { return false }
        return until - now > Self.margin
    }

    private mutating func examine() -> [Action] {
        state = .examining
        return [.examine]
    }
}

// MARK: - The look

extension Rejoin {
    private mutating func examined(_ reading: Reading, _ now: Instant) -> [Action] {
        let request = memory.request
        memory.reading = reading
        guard isFenced(reading.old, now) || request.policy == .discard else { return fenceAgain(reading) }
        noteStanding(reading.old)
        adoptSaved(reading)
        let range = range(reading)
        if isCovered(range, by: memory.snapshot, reading.old) { return follow(memory.account) }
        return carryOut(policy.decision(for: range, circumstances), range)
    }

    private mutating func fenceAgain(_ reading: Reading) -> [Action] {
        memory.stillFrom = nil
        memory.rounds += 1
        guard memory.rounds <= Self.mostRounds else {
            return refuse(.fenceFailed("each time it was looked at, it could be written to again"))
        }
        state = .fencing
        return [.fence(for: memory.request.fenceTime)]
    }

    private mutating func noteStanding(_ old: ReplicationInfo) {
        guard old.masterLink == nil else {
            memory.stillFrom = nil
            return
        }
        let position = old.lastPosition
        let isSame = memory.stillFrom.map { $0.replicationID == position.replicationID && $0.offset <= position.offset }
        if isSame != true { memory.stillFrom = position }
    }

    private mutating func carryOut(_ decision: SalvageDecision, _ range: SalvageRange) -> [Action] {
        switch decision {
        case .follow:
            return follow(memory.account)
        case .discard(let bytes):
            let missing = bytes.map { LossAmendment(bytes: $0, commands: nil) }
            return follow(Account(missing: missing, isDiscarded: true))
        case .refuse(let refusal):
            return refuse(refusal)
        case .readBacklog, .snapshot:
            memory.rounds += 1
            guard memory.rounds <= Self.mostRounds else { return refuse(.keepsMoving(bytes: range.missingBytes)) }
            return save(decision, range)
        }
    }

    mutating func save(_ decision: SalvageDecision, _ range: SalvageRange) -> [Action] {
        switch decision {
        case .readBacklog(_, .afterDetaching):
            memory.hasDetached = true
            state = .detaching
            return [.detach(fencedFor: memory.request.fenceTime)]
        case .readBacklog(let span, .direct):
            memory.unplaced = nil
            state = .reading(span)
            return [.readBacklog(span, lead: lead(of: span))]
        case .snapshot(let reason):
            guard let old = memory.reading?.old else { return [] }
            let missing = range.missingBytes.map { LossAmendment(bytes: $0, commands: nil) }
            let isCounted = if case .unknown = range { false } else { true }
            memory.snapshot = Snapshot(
                runID: old.server?.runID, position: old.lastPosition, missing: missing, isCounted: isCounted)
            state = .snapshotting
            return [.snapshot(reason)]
        case .follow, .discard, .refuse:
            return []
        }
    }

    private func range(_ reading: Reading) -> SalvageRange {
        SalvageRange(old: reading.old, new: reading.new, promotion: memory.request.promotion, saved: memory.safe)
    }

    /// Once there is a snapshot, what was written since is read from the backlog: mostly PINGs.
    var policy: DivergencePolicy {
        memory.request.policy == .snapshot && memory.snapshot != nil ? .salvage : memory.request.policy
    }

    private var circumstances: SalvageCircumstances {
        SalvageCircumstances(
            isLoading: memory.reading?.old.isLoading ?? false, snapshotBytes: memory.reading?.snapshotBytes,
            freeBytes: memory.reading?.freeBytes,
            allowsDetaching: memory.request.allowsDetaching && !memory.hasDetached)
    }

    /// Where nothing is counted, a snapshot covers the data set only if the fence has not been open since it was ordered.
    private func isCovered(_ range: SalvageRange, by snapshot: Snapshot?, _ old: ReplicationInfo) -> Bool {
        guard case .unknown = range, let snapshot, snapshot.isKept, !old.isLoading else {
            return false
        }
        guard snapshot.isFenceUnbroken, snapshot.runID != nil, snapshot.runID == old.server?.runID else { return false }
        let position = old.lastPosition
        // Keys expire behind a password fence, and PINGs go on.
        let isOlder = memory.fence == .password && snapshot.position.offset <= position.offset
        return snapshot.position.replicationID == position.replicationID
            && (isOlder || snapshot.position.offset == position.offset)
    }

    /// Takes over what an interrupted run has saved, where no gap is left to what the new master has.
    private mutating func adoptSaved(_ reading: Reading) {
        guard !memory.hasAdopted else { return }
        memory.hasAdopted = true
        let span: StreamSpan
        switch range(reading) {
        case .backlog(let missing, _), .notCovered(let missing, _): span = missing
        case .none, .unrelated, .unknown: return
        }
        var next = span.from
        for file in memory.request.saved.sorted(by: { $0.span.from < $1.span.from })
        where file.span.psyncID == span.psyncID && file.span.from <= next && file.span.to > next
            && file.span.to <= reading.old.end(of: span.psyncID)
            && (reading.old.identity != nil || isOfThisTime(file.span, span))
        {
            // A file that begins before what is missing has commands that the new master may have.
            let writes = file.span.from == next ? file.writes : nil
            add(LossAmendment(bytes: file.span.to - next, commands: writes))
            next = file.span.to
            memory.account.kept.append(.file(file))
        }
        guard next > span.from else { return }
        memory.safe = ReplicationPosition(replicationID: span.psyncID, offset: next - 1)
    }

    /// Before Redis 4 a process that follows and becomes master again has the same offsets under the same id once more, with
    /// other writes. What was saved of those begins or ends elsewhere than what is missing now.
    private func isOfThisTime(_ saved: StreamSpan, _ missing: StreamSpan) -> Bool {
        saved.from == missing.from || saved.to == missing.to
    }
}

// MARK: - What was saved, and what was not

extension Rejoin {
    mutating func saved(_ span: StreamSpan, _ writes: Int64) -> [Action] {
        memory.safe = ReplicationPosition(replicationID: span.psyncID, offset: span.to - 1)
        add(LossAmendment(bytes: span.count, commands: writes))
        return examine()
    }

    private mutating func snapshotKept(_ name: String) -> [Action] {
        guard let snapshot = memory.snapshot else { return [] }
        memory.snapshot?.isKept = true
        // The same offset may stand for more, once a server that did not count was restarted.
        if snapshot.isCounted { memory.safe = snapshot.position }
        memory.account.kept.append(.snapshot(name: name, offset: snapshot.position.offset))
        add(snapshot.missing)
        return examine()
    }

    private mutating func add(_ missing: LossAmendment?) {
        memory.account.missing = memory.account.missing.flatMap { known in missing.map { known + $0 } }
    }

    mutating func failed(_ failure: SalvageFailure) -> [Action] {
        let cleaning: [Action] = hasPartialFile ? [.discardPartialFile] : []
        guard let reading = memory.reading else { return cleaning }
        state = .examining
        return cleaning + carryOut(policy.decision(after: failure, circumstances), range(reading))
    }

    var hasPartialFile: Bool {
        switch state {
        case .writing, .syncing, .renaming: true
        default: false
        }
    }
}
