import Replication

// What is read of an old master's backlog, and what comes of it.

extension Rejoin {
    mutating func read(_ span: StreamSpan, _ tally: StreamTally, _ now: Instant) -> [Action] {
        guard tally.from <= span.from, tally.from >= span.from - lead(of: span), tally.to == span.to, tally.isWhole
        else {
            return readFailed(span, .notWhole(asked: span, got: tally))
        }
        guard tally.writes > 0 else { return saved(span, 0) }
        if isExpiry(span, tally) { return expired(span, now) }
        switch policy {
        case .refuse: return refuse(.byPolicy(bytes: span.count))
        case .snapshot:
            defer { memory.snapshot?.missing?.commands = tally.writes }
            return save(.snapshot(.byPolicy(bytes: span.count)), .backlog(span, .direct))
        case .salvage, .discard: break
        }
        if tally.firstDatabase == nil, memory.unplaced == nil {
            let usual = lead(of: span)
            memory.unplaced = tally
            if lead(of: span) > usual { return [.readBacklog(span, lead: lead(of: span))] }
        }
        return write(span, tally)
    }

    private mutating func write(_ span: StreamSpan, _ tally: StreamTally) -> [Action] {
        state = .writing(span, tally)
        return [.writeFile(span, tally)]
    }

    /// Where only the second reading failed, the first one is as good as it was.
    mutating func readFailed(_ span: StreamSpan, _ failure: SalvageFailure) -> [Action] {
        memory.unplaced.map { write(span, $0) } ?? failed(failure)
    }

    /// Whether it is only what a server deletes by itself, keys that have expired or were evicted: nothing but that, written
    /// behind a password fence that held, which no client gets through. The other fence stops expiry as well.
    private func isExpiry(_ span: StreamSpan, _ tally: StreamTally) -> Bool {
        guard memory.fence == .password, let stillFrom = memory.stillFrom else { return false }
        return stillFrom.replicationID == span.psyncID && span.from > stillFrom.offset
            && tally.deletions == tally.writes
    }

    /// Such a remainder comes again with each look. So the look that it was found by is the last one where the fence holds:
    /// all that the server had then is safe.
    private mutating func expired(_ span: StreamSpan, _ now: Instant) -> [Action] {
        let next = saved(span, 0)
        guard let old = memory.reading?.old, isFenced(old, now), old.dataOffset == span.to - 1 else { return next }
        return follow(memory.account)
    }

    /// Bytes before a span that its backlog has as well, will have when `PSYNC` is there, and that are worth reading. Before
    /// Redis 4 all of them: there the span may begin inside of a command of any length.
    func lead(of span: StreamSpan) -> Int64 {
        guard let old = memory.reading?.old else { return 0 }
        let first = old.backlog.firstByteOffset(after: min(Self.slack, max(old.backlog.size, 0) / 4))
        let there = min(max(span.from - max(first, 1), 0), max(Self.mostRead - span.count, 0))
        return old.identity == nil || memory.unplaced != nil ? there : min(there, Self.usualLead)
    }
}
