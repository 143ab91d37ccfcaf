import RedisClient
import Replication

extension Demotion.Reason {
    /// What following all the same would have discarded.
    var prospectiveLoss: Loss {
        switch self {
        case .peerOlder(let bytes): .exact(bytes: bytes)
        case .wouldDiscard(let discarded): discarded.loss
        case .peerEmpty, .peerIsReplica, .fenceFailed: .unknown(.notComparable)
        case .peerLoading, .localLoading, .mutualReplicas, .peerIsMaster: .none
        }
    }
}

extension Demotion.Reason {
    /// What the peer lacks, where that alone is the reason.
    var bytes: Int64? {
        switch self {
        case .peerOlder(let bytes), .wouldDiscard(.bytes(let bytes)): bytes
        default: nil
        }
    }
}

extension Demotion.Discarded {
    /// As a loss.
    var loss: Loss {
        switch self {
        case .nothing: .none
        case .bytes(let bytes): .exact(bytes: bytes)
        case .dataSet: .unknown(.notComparable)
        }
    }
}

/// What following costs beside what it discards. Said before it is done.
package enum FullResync {
    /// The step's name.
    package static let step = "full_resync"

    /// `it will do a full resync of about 12 MB (the memory of redis://…)`; `nil` where Redis can resume, which it can only
    /// where the old master holds nothing that the new one has not (`isAhead`), and only from version 4 on.
    static func words(
        for old: ReplicationInfo, from new: ReplicationInfo, at url: RedisURL, isAhead: Bool
    ) -> String? {
        guard old.identity == nil || isAhead else { return nil }
        let size = new.usedMemory.map { "of about \(max($0 >> 20, 1)) MB" } ?? "of all data"
        return "it will do a full resync \(size) (the memory of \(url))"
    }
}

extension Demotion.Decision {
    /// Whether the local server holds what the peer lacks, as far as that is the question.
    var findsSurplus: Bool {
        switch self {
        case .follow(let discarded), .refuse(.wouldDiscard(let discarded)): discarded != .nothing
        case .refuse(.peerOlder): true
        case .refuse, .alreadyFollows, .swapRoles: false
        }
    }
}
