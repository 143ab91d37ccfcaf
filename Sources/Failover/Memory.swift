public import Replication
public import Salvage

/// What a node remembers over a restart, in a small file of its own.
public struct Memory: Sendable, Equatable {
    /// How many promotions the pair has had, as far as this node knows. Every promotion makes it one more than both nodes
    /// have seen.
    public var epoch: UInt64
    /// Whether the local Redis was the pair's master when it was last seen.
    public var wasMaster: Bool
    /// The `run_id` of the process that was it; nil where that is not known.
    public var masterRunID: String?
    /// Histories that the local data set went through, the latest last: `master_replid`, before Redis 4 the master's `run_id`.
    public var lineage: [Lineage]
    /// The operator had paused the daemon.
    public var isPaused: Bool
    /// The last promotion of the local server, while it is master by that, and still the same process: one that is
    /// restarted may come back with less.
    public var promotion: Promoted?

    /// The local server was made to follow the peer's, and has not been seen with its link up since.
    public var isCopyPending: Bool

    /// What the local server's last following of the peer's has discarded; nil where it discarded nothing that was counted.
    public var discarded: Discarded?

    /// What following has discarded of what clients had been told was written: what a promotion of the pair has lost.
    public struct Discarded: Sendable, Equatable {
        /// Which promotion: the number that the peer showed; nil while its daemon was not to be seen.
        public var epoch: UInt64?
        /// How much.
        public var lost: LossAmendment
        /// The peer's data set has taken the place of the local one: what is found next comes on top.
        public var isCopied: Bool
        /// The `run_id` of the process that was made to follow. Only the one that had been master can tell what a
        /// promotion has lost: one that was restarted may have come back with less.
        public var runID: String

        /// Makes one.
        public init(epoch: UInt64?, lost: LossAmendment, isCopied: Bool, runID: String) {
            self.epoch = epoch
            self.lost = lost
            self.isCopied = isCopied
            self.runID = runID
        }
    }

    /// A promotion, and of which process.
    public struct Promoted: Sendable, Equatable {
        /// How far the local server had come in the old master's history.
        public var promotion: RememberedPromotion
        /// The local server's `run_id`.
        public var runID: String

        /// Makes one.
        public init(_ promotion: RememberedPromotion, of runID: String) {
            self.promotion = promotion
            self.runID = runID
        }
    }

    /// One history, and how far the local data set was seen to go in it.
    public struct Lineage: Sendable, Equatable {
        /// `master_replid`, before Redis 4 the master's `run_id`.
        public var id: String
        /// The last offset that was seen, bytes.
        public var offset: Int64

        /// Makes one.
        public init(id: String, offset: Int64) {
            self.id = id
            self.offset = offset
        }
    }

    /// The highest number of a promotion. No pair comes near it; whoever shows more than that is none of ours.
    public static let mostEpoch: UInt64 = 1 << 53
    /// How many histories are kept.
    public static let capacity = 8

    /// Of a node that remembers nothing.
    public init(
        epoch: UInt64 = 0, wasMaster: Bool = false, lineage: [Lineage] = [], isPaused: Bool = false,
        promotion: Promoted? = nil, discarded: Discarded? = nil, isCopyPending: Bool = false,
        masterRunID: String? = nil
    ) {
        self.isCopyPending = isCopyPending
        self.masterRunID = masterRunID
        self.epoch = min(epoch, Self.mostEpoch)
        self.wasMaster = wasMaster
        self.lineage = lineage
        self.isPaused = isPaused
        self.promotion = promotion
        self.discarded = discarded
    }
}

/// What a promotion of the pair has lost, as it was found out when the old master was made to follow.
public struct Settlement: Sendable, Hashable {
    /// Which promotion, by its number.
    public var epoch: UInt64
    /// How much.
    public var lost: LossAmendment

    /// Makes one. No number is negative.
    public init(epoch: UInt64, lost: LossAmendment) {
        self.epoch = epoch
        self.lost = lost
    }
}
