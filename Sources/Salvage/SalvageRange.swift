// Offsets, and where one is easily lost
//
//     P   the last byte that the new master has of the old history         second_repl_offset - 1
//     F   the last byte that the old master has written                    its master_repl_offset
//
//     ... P-1   P │ P+1  ...  F │                       beyond the new master: the bytes P+1 to F, F - P of them
//                 └── [from, to) with from = P+1, to = F+1
//     PSYNC id P+1                                      asks for the next byte, not for the last one that is there
//     backlog: [first_byte, first_byte + histlen)       must hold from and all up to `to`; else a full resync begins

public import Replication

/// A stretch of a replication stream, and under which id its server gives it.
public struct StreamSpan: Sendable, Hashable {
    /// What `PSYNC` names: a replication id; before Redis 4 the server's `run_id`.
    public var psyncID: String
    /// Offset of the first byte: what `PSYNC` asks for.
    public var from: Int64
    /// Offset of the byte after the last.
    public var to: Int64

    /// Bytes.
    public var count: Int64 { to - from }

    /// Makes one. `from` is not above `to`.
    public init(psyncID: String, from: Int64, to: Int64) {
        self.psyncID = psyncID
        self.from = from
        self.to = to
    }
}

/// A promotion as a node remembers it: how far the new master had come in the old master's history.
public struct RememberedPromotion: Sendable, Hashable {
    /// The old master's `run_id`.
    public var masterRunID: String
    /// The history that it wrote then: its `master_replid`; before Redis 4 its `run_id`.
    public var replicationID: String
    /// P: the last offset that the new master had applied, bytes. Redis ≤ 3.2 counts what was received: there the last
    /// command may have been discarded half way, and P lie inside of it.
    public var offset: Int64

    /// Makes one.
    public init(masterRunID: String, replicationID: String, offset: Int64) {
        self.masterRunID = masterRunID
        self.replicationID = replicationID
        self.offset = offset
    }
}

/// What an old master holds beyond the new one, and how it can be had.
public enum SalvageRange: Sendable, Equatable {
    /// Nothing: the new master has all of it.
    case none
    /// These bytes, and the backlog has them.
    case backlog(StreamSpan, Access)
    /// These bytes, and `PSYNC` for them would begin a full resync, or be refused.
    case notCovered(StreamSpan, Gap)
    /// A data set that has no history in common with the new master's.
    case unrelated
    /// Nobody can tell.
    case unknown(Doubt)

    /// How a backlog is asked.
    public enum Access: Sendable, Equatable {
        /// `PSYNC` as it is.
        case direct
        /// It is a replica whose link is down, and answers `-NOMASTERLINK`; after `SLAVEOF NO ONE` it has the same
        /// backlog under the same id (Redis ≥ 4).
        case afterDetaching
    }

    /// Why the backlog does not have the bytes.
    public enum Gap: Sendable, Equatable {
        /// There is none.
        case noBacklog
        /// It begins at this offset only.
        case beginsAt(Int64)
        /// It ends before this offset.
        case endsBefore(Int64)
    }

    /// Why nobody can tell.
    public enum Doubt: Sendable, Equatable {
        /// It has a data set and no backlog, and a master without one does not count what is written: as it is after a
        /// restart.
        case notCounting
        /// Before Redis 4: it is not the process that wrote the remembered history.
        case restarted
        /// Before Redis 4: no promotion is remembered.
        case noPromotionKnown
        /// Before Redis 4: a replica, whose own count as a master is gone.
        case demoted
        /// Its data set is being replaced by a full resync.
        case fullResync
    }

    /// Bytes that the new master lacks; `nil` where nobody can tell.
    public var missingBytes: Int64? {
        switch self {
        case .none: 0
        case .backlog(let span, _), .notCovered(let span, _): span.count
        case .unrelated, .unknown: nil
        }
    }
}

extension SalvageRange {
    /// Compares what `INFO` says of both, with all sections.
    ///
    /// - `promotion`: the new master's, where it is remembered. Needed before Redis 4; from then on it helps where the new
    ///   master has been promoted again since, and the servers themselves have nothing in common any more.
    /// - `saved`: what of the old master's history is safe already, whatever the new master holds.
    public init(
        old: ReplicationInfo, new: ReplicationInfo, promotion: RememberedPromotion? = nil,
        saved: ReplicationPosition? = nil
    ) {
        if old.masterLink?.fullResync != nil {
            self = .unknown(.fullResync)
        } else if Self.isUncounted(old) {
            self = .unknown(.notCounting)
        } else if old.identity == nil, old.masterLink != nil, old.keys != 0 {
            self = .unknown(.demoted)
        } else {
            let common = Self.common(old: old, new: new, promotion)
            let safe = saved.flatMap(old.clamped)
            guard let floor = Self.higher(common, safe) else {
                self = old.keys == 0 ? .none : Self.withoutFloor(old, promotion)
                return
            }
            self = Self.beyond(floor, of: old)
        }
    }

    /// A master without a backlog does not count what is written to it: its offset stands still. So is one that was
    /// restarted, until a replica comes.
    private static func isUncounted(_ old: ReplicationInfo) -> Bool {
        old.masterLink == nil && !old.backlog.isActive && old.keys != 0
    }

    private static func withoutFloor(_ old: ReplicationInfo, _ promotion: RememberedPromotion?) -> SalvageRange {
        guard old.identity == nil else { return .unrelated }
        return .unknown(promotion == nil ? .noPromotionKnown : .restarted)
    }

    /// The last offset that the new master holds of a history that the old one went through, in that history.
    fileprivate static func common(
        old: ReplicationInfo, new: ReplicationInfo, _ promotion: RememberedPromotion?
    ) -> ReplicationPosition? {
        // What both servers say themselves is exact. A promotion is remembered by what was applied just before it, and more
        // may have arrived since.
        if let shared = old.history.flatMap({ own in new.history.flatMap { own.fork(from: $0) } }) { return shared }
        return promotion.flatMap { promotion in
            // Before Redis 4 the process is the history.
            let isItsOwn = old.identity != nil || old.server?.runID == promotion.masterRunID
            let position = ReplicationPosition(replicationID: promotion.replicationID, offset: promotion.offset)
            return isItsOwn ? old.clamped(position) : nil
        }
    }

    /// Offsets go on counting when a history gets a new id, so that those of one server can be compared.
    private static func higher(_ one: ReplicationPosition?, _ other: ReplicationPosition?) -> ReplicationPosition? {
        guard let one, let other else { return one ?? other }
        return other.offset > one.offset ? other : one
    }

    private static func beyond(_ floor: ReplicationPosition, of old: ReplicationInfo) -> SalvageRange {
        let last = old.dataOffset
        guard last > max(floor.offset, 0) else { return .none }
        // Under its present id a server gives all that its backlog has. Under the one before, what was saved of it would
        // count only up to where that ended, and be saved again and again.
        let id = old.identity?.id ?? floor.replicationID
        let span = StreamSpan(psyncID: id, from: max(floor.offset, 0) + 1, to: last + 1)
        guard old.backlog.isActive else { return .notCovered(span, .noBacklog) }
        let first = old.backlog.firstByteOffset
        let (end, isTooMuch) = first.addingReportingOverflow(max(old.backlog.length, 0))
        guard span.from >= first else { return .notCovered(span, .beginsAt(first)) }
        guard isTooMuch || span.to <= end else { return .notCovered(span, .endsBefore(end)) }
        return .backlog(span, old.masterLink == nil ? .direct : .afterDetaching)
    }
}

extension SalvageHeader.Origin {
    /// Of a span that was read of an old master under its present id, where the new master knows the one before. `nil` where
    /// it knows the present one, or neither.
    public init?(
        of span: StreamSpan, old: ReplicationInfo, new: ReplicationInfo, promotion: RememberedPromotion? = nil
    ) {
        guard let previous = old.identity?.previous, previous.id != span.psyncID,
            SalvageRange.common(old: old, new: new, promotion)?.replicationID == previous.id
        else { return nil }
        self.init(replicationID: previous.id, end: previous.end)
    }
}

extension ReplicationInfo {
    /// How far a position holds in this server's data set: `nil` where it never went through that history, and not beyond
    /// the offset at which it left it. A server that came back with an older data set left it earlier than it once was,
    /// and what it wrote since has the same offsets again.
    fileprivate func clamped(_ position: ReplicationPosition) -> ReplicationPosition? {
        let id = position.replicationID
        guard let identity else { return server?.runID == id ? position : nil }
        if identity.id == id { return position }
        guard let previous = identity.previous, previous.id == id else { return nil }
        return ReplicationPosition(replicationID: id, offset: min(position.offset, previous.end))
    }
}

extension ReplicationHistory {
    /// The last offset that both hold, under the id that this one knows it by; `nil` where they have nothing in common.
    fileprivate func fork(from other: ReplicationHistory) -> ReplicationPosition? {
        let own: Int64
        switch relation(to: other) {
        case .same, .behind: own = 0
        case .ahead(let bytes), .diverged(let bytes, _): own = bytes
        case .unrelated: return nil
        }
        let names = [other.identity.id, other.identity.previous?.id]
        let id = names.contains(identity.id) ? identity.id : identity.previous?.id
        return ReplicationPosition(replicationID: id ?? identity.id, offset: offset - own)
    }
}

extension SalvageRange.Gap: CustomStringConvertible {
    /// Why `PSYNC` does not give the bytes.
    public var description: String {
        switch self {
        case .noBacklog: "it has no backlog"
        case .beginsAt(let offset): "its backlog begins at offset \(offset) only"
        case .endsBefore(let offset): "its backlog ends before offset \(offset)"
        }
    }
}

extension SalvageRange.Doubt: CustomStringConvertible {
    /// Why nobody can tell.
    public var description: String {
        switch self {
        case .notCounting: "it has no backlog, and a master without one does not count its writes"
        case .restarted: "it was restarted since the promotion, and before Redis 4 that ends its history"
        case .noPromotionKnown: "no promotion is remembered, and before Redis 4 nothing else connects two servers"
        case .demoted: "it is a replica, which before Redis 4 does not say what it wrote as a master"
        case .fullResync: "a full resync is replacing its data set"
        }
    }
}
