/// What is done with the writes that an old master holds beyond the new one, before it is made to follow:
/// `on_divergence` in the configuration.
///
/// Where the first way does not lead anywhere the next one is tried: `salvage`, `snapshot`, `refuse`. Nothing falls
/// back to `discard`.
public enum DivergencePolicy: String, Sendable, Hashable, CaseIterable {
    /// Read them from its backlog into a salvage file.
    case salvage
    /// Keep a snapshot of its data set (`BGSAVE`, and a copy or a link of the file).
    case snapshot
    /// Leave it as it is, for the operator to decide.
    case refuse
    /// Let them go.
    case discard
}

/// What to do next about what an old master holds beyond the new one.
public enum SalvageDecision: Sendable, Equatable {
    /// Nothing is to be saved: it may follow.
    case follow
    /// `PSYNC` on a side connection, for exactly these bytes.
    case readBacklog(StreamSpan, SalvageRange.Access)
    /// Keep a snapshot: why not the bytes.
    case snapshot(SnapshotReason)
    /// Leave it.
    case refuse(SalvageRefusal)
    /// Let it follow without: so many bytes are lost; `nil` where nobody can tell.
    case discard(bytes: Int64?)
}

/// Why a snapshot is kept, and not the bytes.
public enum SnapshotReason: Sendable, Equatable {
    /// `on_divergence = "snapshot"`: so many bytes; `nil` where nobody can tell.
    case byPolicy(bytes: Int64?)
    /// The backlog does not have the bytes.
    case notCovered(StreamSpan, SalvageRange.Gap)
    /// The backlog can only be read after `SLAVEOF NO ONE`, which the caller does not want.
    case attached(StreamSpan)
    /// No common history.
    case unrelated
    /// Nobody can tell what is missing.
    case unknown(SalvageRange.Doubt)
    /// The bytes could not be read or written.
    case salvageFailed(SalvageFailure)
    /// They do not fit on the disk, and the data set does.
    case noRoom(needed: Int64, free: Int64)
}

/// Which step failed, and the words of whoever said so.
public enum SalvageFailure: Error, Sendable, Equatable {
    /// `SLAVEOF NO ONE` before reading.
    case detach(String)
    /// `PSYNC`: the connection was lost, or a full resync began.
    case read(String)
    /// What was read is no replication stream.
    case stream(ReplicationStreamError)
    /// What was read is not what was asked for, or ends inside a command or a transaction.
    case notWhole(asked: StreamSpan, got: StreamTally)
    /// The salvage file could not be written, synced or renamed.
    case file(String)
    /// `BGSAVE` failed, or its file could not be kept.
    case snapshot(String)
}

/// Why an old master is left as it is.
public enum SalvageRefusal: Sendable, Equatable {
    /// `on_divergence = "refuse"`: so many bytes; `nil` where nobody can tell.
    case byPolicy(bytes: Int64?)
    /// One of the servers cannot be asked.
    case unreachable(Server, reason: String)
    /// It is loading its data set: what it holds is not known yet.
    case loading
    /// It takes writes, and they could not be fenced.
    case fenceFailed(String)
    /// Neither the bytes nor a snapshot fit on the disk.
    case diskFull(needed: Int64, free: Int64)
    /// The last way that was left failed.
    case failed(SalvageFailure)
    /// Its offset went on while it was being saved, as often as it was looked at; so many bytes are not saved.
    case keepsMoving(bytes: Int64?)

    /// Whose server.
    public enum Server: String, Sendable, Equatable {
        /// The one that shall follow.
        case old
        /// The one that it shall follow.
        case new
    }
}

/// What a decision rests on, beside the range.
public struct SalvageCircumstances: Sendable, Equatable {
    /// The old master answers `INFO`, and little else: `loading` or `async_loading`.
    public var isLoading: Bool
    /// How much a snapshot takes at most on the disk below, bytes: `used_memory`; `nil`: not known. What Redis needs in its
    /// own folder, and a copy on the same disk again, is looked at when it is made.
    public var snapshotBytes: Int64?
    /// Free on the disk that takes salvage files and snapshots, bytes; `nil`: not known, then it is tried.
    public var freeBytes: Int64?
    /// Whether it may be made a master again for a moment, behind a fence, so that its backlog can be read.
    public var allowsDetaching: Bool

    /// Makes one.
    public init(isLoading: Bool, snapshotBytes: Int64?, freeBytes: Int64?, allowsDetaching: Bool) {
        self.isLoading = isLoading
        self.snapshotBytes = snapshotBytes
        self.freeBytes = freeBytes
        self.allowsDetaching = allowsDetaching
    }

    /// Left free on the disk, bytes: 1 MiB, for the history and the journals of the daemon itself.
    public static let reserve: Int64 = 1 << 20

    /// What is lacking to put so many bytes there; `nil` where they fit, or nobody knows.
    func shortage(for bytes: Int64?) -> (needed: Int64, free: Int64)? {
        guard let bytes, let freeBytes else { return nil }
        let (sum, isTooMuch) = max(bytes, 0).addingReportingOverflow(Self.reserve)
        let needed = isTooMuch ? Int64.max : sum
        return needed > freeBytes ? (needed, freeBytes) : nil
    }
}

extension DivergencePolicy {
    /// What to do about `range`. A few bytes are read whatever the policy: they may be the master's own.
    public func decision(for range: SalvageRange, _ circumstances: SalvageCircumstances) -> SalvageDecision {
        // Redis refuses SLAVEOF then, whatever the policy.
        if circumstances.isLoading { return .refuse(.loading) }
        if range == .none { return .follow }
        if case .backlog(let span, .direct) = range, self == .snapshot || self == .refuse,
            Self.mayBeBookkeeping(span.count)
        {
            return .readBacklog(span, .direct)
        }
        switch self {
        case .discard: return .discard(bytes: range.missingBytes)
        case .refuse: return .refuse(.byPolicy(bytes: range.missingBytes))
        case .snapshot: return Self.snapshot(.byPolicy(bytes: range.missingBytes), circumstances)
        case .salvage: return Self.salvage(range, circumstances)
        }
    }

    /// What is left after a step has failed. Only `salvage` has something to fall back to.
    public func decision(after failure: SalvageFailure, _ circumstances: SalvageCircumstances) -> SalvageDecision {
        if case .snapshot = failure { return .refuse(.failed(failure)) }
        return self == .salvage
            ? Self.snapshot(.salvageFailed(failure), circumstances) : .refuse(.failed(failure))
    }

    /// A master's own PINGs are no writes: so few bytes are read before they are taken for some.
    public static func mayBeBookkeeping(_ bytes: Int64) -> Bool { bytes <= 4096 }

    private static func salvage(_ range: SalvageRange, _ circumstances: SalvageCircumstances) -> SalvageDecision {
        switch range {
        case .none:
            return .follow
        case .backlog(let span, .afterDetaching) where !circumstances.allowsDetaching:
            return snapshot(.attached(span), circumstances)
        case .backlog(let span, let access):
            // A span ends at 2⁶² + 1 at most, so that the sum is one.
            guard let lacking = circumstances.shortage(for: span.count + Int64(SalvageHeader.longest)) else {
                return .readBacklog(span, access)
            }
            return snapshot(.noRoom(needed: lacking.needed, free: lacking.free), circumstances)
        case .notCovered(let span, let gap): return snapshot(.notCovered(span, gap), circumstances)
        case .unrelated: return snapshot(.unrelated, circumstances)
        case .unknown(let doubt): return snapshot(.unknown(doubt), circumstances)
        }
    }

    private static func snapshot(_ reason: SnapshotReason, _ circumstances: SalvageCircumstances) -> SalvageDecision {
        if let lacking = circumstances.shortage(for: circumstances.snapshotBytes) {
            return .refuse(.diskFull(needed: lacking.needed, free: lacking.free))
        }
        // Without its size a data set cannot be said to fit where not even the bytes do.
        if case .noRoom(let needed, let free) = reason, circumstances.snapshotBytes == nil {
            return .refuse(.diskFull(needed: needed, free: free))
        }
        return .snapshot(reason)
    }
}
