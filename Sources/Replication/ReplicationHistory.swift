/// The names of a server's replication history: Redis ≥ 4, `master_replid`, `master_replid2` and `second_repl_offset`.
///
/// A replica carries its master's id. A server that is promoted draws a new id and remembers the old one together with
/// the last offset that both share, so that the other replicas can go on from it (PSYNC2).
public struct ReplicationIdentity: Sendable, Hashable {
    /// The history before a promotion.
    public struct Previous: Sendable, Hashable {
        /// `master_replid2`.
        public var id: String
        /// The last offset of it that this server holds: `second_repl_offset - 1`, bytes.
        public var end: Int64

        /// Makes a predecessor from its id and its last offset.
        public init(id: String, end: Int64) {
            self.id = id
            self.end = end
        }
    }

    /// `master_replid`, 40 hex digits.
    public var id: String
    /// The history that this one continues; `nil` where there is none.
    public var previous: Previous?

    /// Makes an identity.
    public init(id: String, previous: Previous? = nil) {
        self.id = id
        self.previous = previous
    }
}

/// A place in one replication history: id and offset, which mean nothing without each other.
public struct ReplicationPosition: Sendable, Hashable, CustomStringConvertible {
    /// The history's id: `master_replid`, or the master's `run_id` before Redis 4.
    public var replicationID: String
    /// Bytes from the history's beginning.
    public var offset: Int64

    /// Makes a position.
    public init(replicationID: String, offset: Int64) {
        self.replicationID = replicationID
        self.offset = offset
    }

    /// Bytes from this position to the other; negative when this one is ahead. `nil` where the histories differ: offsets
    /// of different histories are never subtracted.
    public func bytesBehind(_ other: ReplicationPosition) -> Int64? {
        replicationID == other.replicationID ? other.offset - offset : nil
    }

    /// `8f3c1d2e…:1234`.
    public var description: String { "\(replicationID.prefix(8))…:\(offset)" }
}

/// The history that a data set has gone through, up to its last byte.
public struct ReplicationHistory: Sendable, Hashable {
    /// The ids.
    public var identity: ReplicationIdentity
    /// The last offset that this data set holds, bytes.
    public var offset: Int64

    /// Makes a history.
    public init(identity: ReplicationIdentity, offset: Int64) {
        self.identity = identity
        self.offset = offset
    }

    /// How this data set stands to the other, in bytes of the replication stream.
    public enum Relation: Sendable, Hashable {
        /// Both hold the same.
        case same
        /// The other holds all that this one holds, and so many bytes more.
        case behind(bytes: Int64)
        /// This one holds all that the other holds, and so many bytes more.
        case ahead(bytes: Int64)
        /// They were one once; since then each has bytes that the other lacks.
        case diverged(ownBytes: Int64, otherBytes: Int64)
        /// No common history is known.
        case unrelated
    }

    /// Compares two data sets.
    ///
    /// Offsets are subtracted only along a history that both share: the same id, or up to the point at which one of them
    /// (or both) was promoted away from it.
    public func relation(to other: ReplicationHistory) -> Relation {
        guard let fork = commonEnd(with: other) else { return .unrelated }
        let own = max(offset - fork, 0)
        let others = max(other.offset - fork, 0)
        switch (own, others) {
        case (0, 0): return .same
        case (0, _): return .behind(bytes: others)
        case (_, 0): return .ahead(bytes: own)
        default: return .diverged(ownBytes: own, otherBytes: others)
        }
    }

    /// The last offset that both data sets hold of a history that both went through; `nil` where there is none.
    private func commonEnd(with other: ReplicationHistory) -> Int64? {
        if identity.id == other.identity.id { return min(offset, other.offset) }
        if let theirs = other.identity.previous, theirs.id == identity.id { return min(offset, theirs.end) }
        if let ours = identity.previous, ours.id == other.identity.id { return min(other.offset, ours.end) }
        if let ours = identity.previous, let theirs = other.identity.previous, ours.id == theirs.id {
            return min(ours.end, theirs.end)
        }
        return nil
    }
}
