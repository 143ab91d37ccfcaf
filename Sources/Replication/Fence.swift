/// A point in time of the monotonic clock. The pure targets never read the clock: callers pass the time in.
public typealias Instant = ContinuousClock.Instant

/// How the master is kept from acknowledging writes while the gate waits.
///
/// Redis ≥ 6.2 has a fence that expires by itself. Before that, a random password and the disconnection of all clients
/// do it, which somebody must undo: the fence is journaled and guarded by whoever raises it (docs/guarantees.md).
/// `min-slaves-to-write` is no fence: up to Redis 5 it lets `EVAL` and queued `EXEC` through.
public enum Fence: String, Sendable, Equatable {
    /// `CLIENT PAUSE ms WRITE`.
    case clientPause = "client_pause_write"
    /// `CONFIG SET requirepass <random>` with `CLIENT KILL TYPE normal`, in one `MULTI`.
    case password = "requirepass"
    /// None is needed: the server follows another one and is read-only.
    case readOnlyReplica = "read_only_replica"

    /// The fence to use on a master of this version.
    public static func suited(for version: ServerVersion) -> Fence {
        version >= ServerVersion(6, 2) ? .clientPause : .password
    }

    /// Whether the fence ends without anybody's help.
    public var expiresByItself: Bool { self == .clientPause }
}

/// What tells, after the fact, whether a fence held until the roles were swapped.
public struct FenceHold: Sendable, Equatable {
    /// Its kind.
    public var fence: Fence
    /// Until when it holds for certain.
    public var until: Instant
    /// The fenced master's offset as it was accounted for, bytes.
    public var offset: Int64

    /// Makes a hold.
    public init(fence: Fence, until: Instant, offset: Int64) {
        self.fence = fence
        self.until = until
        self.offset = offset
    }

    /// Bytes that clients may have written behind the fence, given the master's offset when it was told to follow, and
    /// the time of its answer; `nil` when it held.
    ///
    /// `CLIENT PAUSE WRITE` lets nothing pass but the master's own PING (14 bytes, at most once a second; no fence lasts
    /// 8 s). The password fence lets expiry through as well, so there the clock alone tells.
    public func leak(upTo last: Int64, at now: Instant) -> Int64? {
        let surplus = last - offset
        guard surplus > 0 else { return nil }
        let ping: Int64 = 14
        let held = now < until && (fence != .clientPause || surplus % ping == 0 && surplus <= ping * 8)
        return held ? nil : surplus
    }
}

/// What a promotion loses of the writes that clients saw acknowledged, in bytes of the replication stream.
public enum Loss: Sendable, Equatable {
    /// Nothing: the new master has applied all that the fenced old master ever acknowledged.
    case none
    /// Exactly so many bytes: the old master was fenced, and its last offset read.
    case exact(bytes: Int64)
    /// The bytes that were missing when the old master's offset was last read, so long ago; what it acknowledged after
    /// that reading is not counted.
    case atMost(bytes: Int64, sampleAge: Duration)
    /// No bound can be given.
    case unknown(Cause)

    /// Why there is no bound.
    public enum Cause: Sendable, Equatable {
        /// The old master could not be asked even once.
        case neverSampled
        /// Offsets cannot be compared: no common history, a writable replica, a freed backlog.
        case notComparable
        /// The old master was restarted behind the fence, which it forgot, and took writes again.
        case masterRestarted
    }

    /// The four kinds, as stable words for programs.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case none
        case exact
        case atMost = "at_most"
        case unknown
    }

    /// Which it is.
    public var kind: Kind {
        switch self {
        case .none: .none
        case .exact: .exact
        case .atMost: .atMost
        case .unknown: .unknown
        }
    }

    /// The bytes that it tells of; `nil` where nobody knows.
    public var bytes: Int64? {
        switch self {
        case .none: 0
        case .exact(let bytes), .atMost(let bytes, _): bytes
        case .unknown: nil
        }
    }

    /// How old the sample was that bounds it; `nil` without one.
    public var sampleAge: Duration? {
        if case .atMost(_, let age) = self { age } else { nil }
    }

    /// Whether acknowledged writes may be missing.
    public var isPossible: Bool { self != .none }

    /// Whether the loss is known to be within a limit in bytes. An unknown loss never is.
    public func isWithin(_ limit: Int64) -> Bool {
        bytes.map { $0 <= limit } ?? false
    }
}

extension Loss: CustomStringConvertible {
    /// What the operator reads.
    public var description: String {
        switch self {
        case .none: "none: no acknowledged write is lost"
        case .exact(let bytes): "exactly \(bytes) bytes of acknowledged writes"
        case .atMost(let bytes, let age):
            "\(bytes) bytes were missing when the old master was last read, \(Int64(age / .milliseconds(1))) ms before, "
                + "and whatever it acknowledged after that"
        case .unknown(.neverSampled):
            "unknown: the old master could not be asked, so nothing bounds what it acknowledged and did not send"
        case .unknown(.notComparable):
            "unknown: the data sets have no common history that could be compared"
        case .unknown(.masterRestarted):
            "unknown: the old master was restarted behind the fence, and may have taken writes since"
        }
    }
}

/// What was read of both servers before the gate opened.
public struct Evidence: Sendable, Equatable {
    /// The master's position, read after the fence held; `nil` where the master could not be asked.
    public var target: ReplicationPosition?
    /// The offset that the replica had applied when the gate opened.
    public var appliedOffset: Int64
    /// The fence that held; `nil` for none.
    public var fence: Fence?
    /// From the reading of the target to the reading of the applied offset.
    public var waited: Duration

    /// Makes evidence.
    public init(target: ReplicationPosition?, appliedOffset: Int64, fence: Fence?, waited: Duration) {
        self.target = target
        self.appliedOffset = appliedOffset
        self.fence = fence
        self.waited = waited
    }
}
