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
