// The truth about data, which no server and no daemon knows in full
//
// Every promotion, and every restart that draws a new replication id, begins a branch. What a data set holds is a place in
// this tree: a branch, and how far it goes there; before the branch began, it holds what its parent held. So whether a
// write is in a data set is answered by walking up, and nothing has to be copied.

/// Where a data set stands.
struct Position: Equatable {
    var branch: Int
    var offset: Int64
}

/// All that was ever written, and on which branch.
struct Timeline {
    /// One entry of a replication stream.
    struct Write {
        /// The offset after it.
        var end: Int64
        /// 0 for what is no client's write, e.g. the master's own PING.
        var bytes: Int64
        /// When the master executed it.
        var time: Time
    }

    struct Branch {
        /// Where it began; nil for an empty data set.
        let parent: Position?
        /// Whether its offsets go on where the parent's end. Not after a restart that begins to count anew.
        let sharesOffsets: Bool
        /// The offset that it begins at.
        let base: Int64
        /// `master_replid`.
        let replid: String
        /// Keys in the data set that it began with.
        let keysBefore: Int64
        var writes: [Write] = []
        /// What lies beyond is owed to nobody: it was reported as lost, or a fault destroyed it.
        var owedUpTo: Int64 = .max
    }

    private(set) var branches: [Branch] = []

    /// Begins a branch and returns where it stands.
    mutating func fork(_ parent: Position?, base: Int64, sharesOffsets: Bool) -> Position {
        var branch = Branch(
            parent: parent, sharesOffsets: sharesOffsets, base: base, replid: "r\(branches.count)",
            keysBefore: parent.map { keys(at: $0) } ?? 0)
        // What goes on from data that the pair has given up is owed to nobody either.
        if let parent, !isOwed(parent.branch) { branch.owedUpTo = .min }
        branches.append(branch)
        return Position(branch: branches.count - 1, offset: base)
    }

    mutating func append(_ bytes: Int64, isPing: Bool, to position: inout Position, at time: Time) {
        position.offset += bytes
        branches[position.branch].writes.append(
            Write(end: position.offset, bytes: isPing ? 0 : bytes, time: time))
    }

    /// How far a data set goes on a branch; nil where it never was on it.
    func limit(of position: Position, on branch: Int) -> Int64? {
        var place = position
        while place.branch != branch {
            let here = branches[place.branch]
            guard let parent = here.parent else { return nil }
            let offset = here.sharesOffsets ? min(parent.offset, place.offset) : parent.offset
            place = Position(branch: parent.branch, offset: offset)
        }
        return place.offset
    }

    /// How many of the branch's entries a data set holds that goes up to this offset.
    func count(on branch: Int, upTo offset: Int64) -> Int {
        let writes = branches[branch].writes
        var low = 0
        var high = writes.count
        while low < high {
            let middle = (low + high) / 2
            if writes[middle].end <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// About as many keys as Redis would count; 0 for an empty data set, and only then.
    func keys(at position: Position) -> Int64 {
        let here = branches[position.branch]
        if let parent = here.parent, here.sharesOffsets, position.offset < here.base {
            return keys(at: Position(branch: parent.branch, offset: min(parent.offset, position.offset)))
        }
        return here.keysBefore + Int64(count(on: position.branch, upTo: position.offset))
    }
}

// MARK: - What is owed

extension Timeline {
    /// Acknowledged writes that a data set lacks.
    struct Missing: Equatable {
        var writes = 0
        var bytes: Int64 = 0
        /// Those that were acknowledged up to a given time.
        var earlyBytes: Int64 = 0
        /// The last one, for the report.
        var last: String = ""
    }

    /// What is owed to clients, and not in this data set. `earlyBytes` are those acknowledged up to `time`.
    func missing(from position: Position, upTo time: Time = .max) -> Missing {
        var missing = Missing()
        for branch in branches.indices {
            add(branch, beyond: limit(of: position, on: branch), upTo: branches[branch].owedUpTo, time, &missing)
        }
        return missing
    }

    /// What the one data set holds and the other lacks, owed or not.
    func surplus(of position: Position, over other: Position) -> Missing {
        var missing = Missing()
        for branch in branches.indices {
            guard let own = limit(of: position, on: branch) else { continue }
            add(branch, beyond: limit(of: other, on: branch), upTo: own, .max, &missing)
        }
        return missing
    }

    private func add(
        _ branch: Int, beyond held: Int64?, upTo end: Int64, _ time: Time, _ missing: inout Missing
    ) {
        let writes = branches[branch].writes
        guard let last = writes.last, last.end > held ?? .min else { return }
        for write in writes[count(on: branch, upTo: held ?? .min)...] where write.bytes > 0 {
            guard write.end <= end else { return }
            missing.writes += 1
            missing.bytes += write.bytes
            if write.time <= time { missing.earlyBytes += write.bytes }
            missing.last = "\(branches[branch].replid):\(write.end) at \(write.time.text)"
        }
    }

    /// From now on the pair's data are those at `position`: what lies elsewhere has been accounted for.
    mutating func settle(on position: Position) {
        for branch in branches.indices {
            let held = limit(of: position, on: branch) ?? .min
            branches[branch].owedUpTo = branch == position.branch ? .max : held
        }
    }

    /// What is written there is owed to nobody.
    mutating func disown(_ branch: Int) { branches[branch].owedUpTo = .min }

    /// What is written there is owed up to this offset, if not further.
    mutating func owe(_ branch: Int, upTo offset: Int64) {
        branches[branch].owedUpTo = max(branches[branch].owedUpTo, offset)
    }

    /// Whether two data sets go back to the same beginning.
    func areRelated(_ one: Position, _ other: Position) -> Bool { root(of: one.branch) == root(of: other.branch) }

    private func root(of branch: Int) -> Int {
        var branch = branch
        while let parent = branches[branch].parent { branch = parent.branch }
        return branch
    }

    /// Whether what is written on this branch now is owed to clients.
    func isOwed(_ branch: Int) -> Bool { branches[branch].owedUpTo == .max }

    /// What none of these data sets holds any more was destroyed by a fault.
    mutating func forgive(unless holders: [Position]) {
        for branch in branches.indices {
            let held = holders.compactMap { limit(of: $0, on: branch) }.max() ?? .min
            guard let last = branches[branch].writes.last, last.end > held else { continue }
            branches[branch].owedUpTo = min(branches[branch].owedUpTo, held)
        }
    }
}

extension Time {
    /// `12.345678`, seconds.
    var text: String {
        let fraction = String(self % 1_000_000 + 1_000_000).dropFirst()
        return "\(self / 1_000_000).\(fraction)"
    }
}

extension Timeline {
    /// Reads a branch's entries without copying them.
    func withWrites(_ branch: Int, _ body: ([Write]) -> Void) { body(branches[branch].writes) }
}
