/// Decides whether one server may be made to follow another: the counterpart of the gate for a node that gives the
/// master role away, or comes back to a pair that has another master.
public enum Demotion {
    /// What to do.
    public enum Decision: Sendable, Equatable {
        /// It follows the peer already.
        case alreadyFollows
        /// The peer is this server's replica: pass the gate, and swap the roles.
        case swapRoles
        /// `SLAVEOF peer`; so many bytes or keys are discarded, which only force accepts.
        case follow(discarding: Discarded)
        /// Leave it.
        case refuse(Reason)
    }

    /// What following would throw away.
    public enum Discarded: Sendable, Equatable {
        /// Nothing: the peer holds everything.
        case nothing
        /// Bytes of the replication stream that the peer never got.
        case bytes(Int64)
        /// A data set of so many keys that has nothing to do with the peer's; `nil` where they were not counted.
        case dataSet(keys: Int64?)
    }

    /// Why not.
    public enum Reason: Sendable, Equatable {
        /// The peer is loading its data set.
        case peerLoading(etaSeconds: Int64?)
        /// The peer holds no key, this server does.
        case peerEmpty(localKeys: Int64)
        /// The peer's data set is older: it lacks so many bytes.
        case peerOlder(bytes: Int64)
        /// Following would discard writes.
        case wouldDiscard(Discarded)
        /// The peer is itself a replica of another server.
        case peerIsReplica(host: String, port: Int)
        /// The local server is loading.
        case localLoading(etaSeconds: Int64?)
        /// Both follow each other: there is no master.
        case mutualReplicas
        /// The local server's writes could not be fenced.
        case fenceFailed(String)
        /// The peer is master itself: there is nothing to hand over.
        case peerIsMaster

        /// Whether `--force` overrides it.
        public var isForceable: Bool {
            switch self {
            case .peerLoading, .localLoading, .mutualReplicas, .peerIsMaster: false
            case .peerEmpty, .peerOlder, .wouldDiscard, .peerIsReplica, .fenceFailed: true
            }
        }
    }

    /// Decides for `local`, which shall follow `peer`. Whether a link leads to the other server is the caller's to say,
    /// who knows their addresses: `peerFollowsLocal` of the peer's link, `localFollowsPeer` of the local one.
    public static func decide(
        local: ReplicationInfo, peer: ReplicationInfo, peerFollowsLocal: Bool, localFollowsPeer: Bool
    ) -> Decision {
        if local.isLoading { return .refuse(.localLoading(etaSeconds: local.persistence?.loadingETA)) }
        if let link = peer.masterLink {
            guard peerFollowsLocal else { return .refuse(.peerIsReplica(host: link.host, port: link.port)) }
            return localFollowsPeer ? .refuse(.mutualReplicas) : .swapRoles
        }
        if localFollowsPeer { return .alreadyFollows }
        if peer.isLoading { return .refuse(.peerLoading(etaSeconds: peer.persistence?.loadingETA)) }
        if local.keys == 0 { return .follow(discarding: .nothing) }
        if peer.keys == 0 { return .refuse(.peerEmpty(localKeys: local.keys ?? 0)) }
        guard let own = local.history, let theirs = peer.history else {
            // Before Redis 4 two masters show nothing that could be compared.
            return .refuse(.wouldDiscard(.dataSet(keys: local.keys)))
        }
        return switch own.relation(to: theirs) {
        case .same, .behind: .follow(discarding: .nothing)
        case .ahead(let bytes): .refuse(.peerOlder(bytes: bytes))
        case .diverged(let own, _): .refuse(.wouldDiscard(.bytes(own)))
        case .unrelated: .refuse(.wouldDiscard(.dataSet(keys: local.keys)))
        }
    }

    /// What following costs when it is forced.
    public static func discarded(by reason: Reason, local: ReplicationInfo) -> Discarded {
        switch reason {
        case .peerOlder(let bytes): .bytes(bytes)
        case .wouldDiscard(let discarded): discarded
        default: .dataSet(keys: local.keys)
        }
    }
}

extension Demotion.Discarded: CustomStringConvertible {
    /// `12 bytes of writes that the peer never got`.
    public var description: String {
        switch self {
        case .nothing: "nothing"
        case .bytes(let bytes): "\(bytes) bytes of writes that the peer never got"
        case .dataSet(let keys):
            "the local data set\(keys.map { " of \($0) keys" } ?? ""), which the peer does not hold"
        }
    }
}

extension Demotion.Reason: CustomStringConvertible {
    /// What is the matter, and what would be discarded.
    public var description: String {
        switch self {
        case .peerLoading(let eta):
            "the peer is loading its data set\(eta.map { " (about \($0) s to go)" } ?? "")"
        case .peerEmpty(let keys):
            "the peer is empty while the local server has \(keys) keys: all of them would be discarded"
        case .peerOlder(let bytes):
            "the peer's data set is older: \(bytes) bytes of local writes that the peer never got would be discarded"
        case .wouldDiscard(let discarded):
            "following would discard \(discarded)"
        case .peerIsReplica(let host, let port):
            "the peer is itself a replica, of \(host):\(port)"
        case .localLoading(let eta):
            "the local server is loading its data set\(eta.map { " (about \($0) s to go)" } ?? "")"
        case .mutualReplicas:
            "both servers follow each other, there is no master"
        case .fenceFailed(let reason):
            "local writes could not be fenced, so some may be discarded unseen: \(reason)"
        case .peerIsMaster:
            "the peer is master itself, so there is nothing to hand over"
        }
    }

    /// What the operator can do, as one sentence.
    public var remedy: String {
        switch self {
        case .peerLoading, .localLoading: "wait until it has loaded, then try again"
        case .mutualReplicas: "run 'syncgate promote' on the server that shall be master"
        case .peerIsMaster: "see which of them holds more, and demote the other one"
        case .peerIsReplica: "give the address of the master, or override with \(Self.force)"
        default: "override with \(Self.force), which keeps them in the salvage folder first"
        }
    }

    private static let force = "--force (where the daemon runs: 'syncgate demote --config --force')"

    /// A stable word for programs.
    public var code: String {
        switch self {
        case .peerLoading: "peer_loading"
        case .peerEmpty: "peer_empty"
        case .peerOlder: "peer_older"
        case .wouldDiscard: "would_discard"
        case .peerIsReplica: "peer_is_replica"
        case .localLoading: "local_loading"
        case .mutualReplicas: "mutual_replicas"
        case .fenceFailed: "fence_failed"
        case .peerIsMaster: "peer_is_master"
        }
    }
}
