extension Demotion {
    /// What a run was asked for.
    public enum Purpose: Sendable, Equatable {
        /// Whatever makes the local server follow; `force` overrides the refusals that can be overridden.
        case demote(force: Bool)
        /// Swap the roles with the local server's replica, and nothing else.
        case handOver
        /// Follow a peer that is master, and nothing else.
        case follow(accepting: Accepted)

        /// Whether bytes that the peer never got may be discarded.
        public var acceptsSurplus: Bool {
            switch self {
            case .demote(let force): force
            case .handOver, .follow(.nothing): false
            case .follow(.surplus), .follow(.kin): true
            }
        }
    }

    /// What following may discard at most. A peer without a key is never followed by a server with some, but for a master whose
    /// clients have deleted what that server holds (`wasEmptied`).
    public enum Accepted: Sendable, Equatable {
        /// Nothing.
        case nothing
        /// What the local server holds beyond the common history, counted in bytes.
        case surplus
        /// Also a data set whose ids are not the peer's: it is known to be the pair's own.
        case kin
    }

    /// What remains of a decision for this purpose. `local` and `peer` are what it was made from.
    public static func settle(
        _ decision: Decision, for purpose: Purpose, local: ReplicationInfo, peer: ReplicationInfo
    ) -> Decision {
        switch (purpose, decision) {
        case (.demote(true), .refuse(let reason)) where reason.isForceable:
            return .follow(discarding: discarded(by: reason, local: local))
        case (.handOver, .follow):
            return .refuse(.peerIsMaster)
        case (.follow, .swapRoles):
            let link = peer.masterLink
            return .refuse(.peerIsReplica(host: link?.host ?? "", port: link?.port ?? 0))
        case (.follow, .refuse(.peerEmpty)) where peer.wasEmptied(after: local):
            return .follow(discarding: isUncounted(local) ? .dataSet(keys: local.keys) : .nothing)
        case (.follow, .follow(discarding: .nothing)) where isUncounted(local):
            return .follow(discarding: .dataSet(keys: local.keys))
        case (.follow(.surplus), .refuse(.peerOlder(let bytes))), (.follow(.kin), .refuse(.peerOlder(let bytes))),
            (.follow(.surplus), .refuse(.wouldDiscard(.bytes(let bytes)))):
            return .follow(discarding: isUncounted(local) ? .dataSet(keys: local.keys) : .bytes(bytes))
        case (.follow(.kin), .refuse(.wouldDiscard(let discarded))):
            return .follow(discarding: isUncounted(local) ? .dataSet(keys: local.keys) : discarded)
        default:
            return decision
        }
    }

    /// A master without a backlog does not count what is written to it: its offset stands still, and what it holds beyond the
    /// peer cannot be known. That is how a master comes back that was restarted.
    private static func isUncounted(_ local: ReplicationInfo) -> Bool {
        local.masterLink == nil && !local.backlog.isActive && local.keys != 0
    }
}

/// Decides whether a server may become master without a gate: nobody is master, and it holds all there is.
public enum Leading {
    /// Why not.
    public enum Reason: Sendable, Equatable {
        /// The local server reads its data set into memory; Redis itself refuses then.
        case localLoading
        /// The peer does, and what it holds is not known yet.
        case peerLoading
        /// The peer is a master with so many keys.
        case peerIsMaster(keys: Int64)
        /// The local server holds no key, the peer does.
        case localEmpty(peerKeys: Int64)
        /// The peer's data set goes so many bytes further.
        case peerNewer(bytes: Int64)

        /// A stable word for programs.
        public var code: String {
            switch self {
            case .localLoading: "loading"
            case .peerLoading: "peer_loading"
            case .peerIsMaster: "peer_is_master"
            case .localEmpty: "empty"
            case .peerNewer: "peer_newer"
            }
        }
    }

    /// What speaks against it; `nil` for nothing. `peer` is `nil` where it cannot be asked.
    public static func obstacle(local: ReplicationInfo, peer: ReplicationInfo?) -> Reason? {
        if local.isLoading { return .localLoading }
        guard let peer else { return nil }
        if peer.isLoading { return .peerLoading }
        let keys = peer.keys ?? 0
        let isMaster = peer.masterLink == nil
        if isMaster, keys > 0 { return .peerIsMaster(keys: keys) }
        if local.keys == 0, keys > 0 { return .localEmpty(peerKeys: keys) }
        // Data sets without a common history, or with a part of their own each, are the caller's decision.
        guard let own = local.history, let theirs = peer.history, case .behind(let bytes) = own.relation(to: theirs),
            keys > 0 || isMaster
        else { return nil }
        return .peerNewer(bytes: bytes)
    }

    /// What leading loses of what the pair's clients were told was written, as far as the peer can tell; `peer` is `nil` where
    /// it cannot be asked. What a parked server without a key holds beyond was deleted, which is a write like any other.
    public static func loss(local: ReplicationInfo, peer: ReplicationInfo?) -> Loss {
        guard let peer else { return .unknown(.neverSampled) }
        if let own = local.history, let theirs = peer.history {
            switch own.relation(to: theirs) {
            case .same, .ahead: return .none
            case .behind(let bytes), .diverged(_, let bytes): return .exact(bytes: bytes)
            case .unrelated: break
            }
        }
        // A pair that begins; or both were restarted without what they held, which no promotion decides about.
        return local.keys == 0 && peer.keys == 0 ? .none : .unknown(.notComparable)
    }
}

extension ReplicationInfo {
    /// Whether this master goes on from the history of `other`, and its clients have deleted since then what it held: that it
    /// is empty is the newer state, and no loss.
    public func wasEmptied(after other: ReplicationInfo) -> Bool {
        guard masterLink == nil, keys == 0, !isLoading, let own = other.history, let newer = history,
            case .behind = own.relation(to: newer)
        else { return false }
        return true
    }
}

extension Leading.Reason: CustomStringConvertible {
    /// What is the matter.
    public var description: String {
        switch self {
        case .localLoading: "the local server is loading its data set"
        case .peerLoading: "the peer is loading its data set, and what it holds is not known yet"
        case .peerIsMaster(let keys): "the peer is master, with \(keys) keys"
        case .localEmpty(let keys): "the local server is empty while the peer has \(keys) keys"
        case .peerNewer(let bytes): "the peer's data set goes \(bytes) bytes further"
        }
    }
}
